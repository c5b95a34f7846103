// One connection of a listener, and what reads and writes it. Private to net/.
//
// Coroutines here and in the files that use this are plain functions that take plain values, and
// every co_await is a statement of its own on one named operation: GCC 12.2 miscompiles more than
// that.
#pragma once

#include "vouchsafe/net/crew.h"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

using tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

inline constexpr size_t kReadSize = 16 << 10;  // a TLS record
inline constexpr Milliseconds kHandshakeTimeout{10'000};

struct Intake;

// Connection belongs to its coroutine, on whatever thread that is. Between threads are only what
// is const and what the mutex guards.
struct Connection {
    using Instant = Timer::time_point;
    static constexpr Instant kNever = Instant::max();

    Connection(Crew& threads, const Executor& io, UniqueFd accepted) : crew(threads), deadline(io) {
        waiter.socket = std::move(accepted);
    }

    // use_tls has everything from here on go through TLS; once at most.
    void use_tls(const TlsContext& context) { tls.emplace(context.get(), waiter.socket.get()); }

    // Set before the coroutine begins.
    std::shared_ptr<Intake> intake;  // by which it came
    std::string remote;
    std::string place;   // what connections are counted by
    uint64_t asked = 0;  // Listening::asked when it began

    // The coroutine's.
    Crew& crew;
    Waiter waiter;
    std::optional<TlsStream> tls;
    std::string input;   // read, not yet understood
    std::string output;  // being written
    size_t sent = 0;     // of the output
    Request request;
    Response response;

    // The I/O thread's.
    Timer deadline;                  // looks at `due` from time to time
    std::optional<Socket> client;    // of a tunnel, which has the waiter's socket then
    std::optional<Socket> upstream;  // the other end

    std::mutex mutex;  // what follows
    Instant due = kNever;
    Instant looks = kNever;  // when `deadline` looks next
    bool busy = false;       // a request is with its handler, or its answer being written
    bool ended = false;      // nothing can be read or written any more
    std::shared_ptr<const crypto::Certificate> certificate;  // the client's
};
using ConnectionPtr = std::shared_ptr<Connection>;

// set_deadline ends the connection after `time` unless it is set again or cleared before. Every
// request sets it three times, so the timer is left as it is where it looks early enough.
void set_deadline(const ConnectionPtr& connection, Milliseconds time);
void clear_deadline(Connection& connection);
bool has_deadline(Connection& connection);

// end has the coroutine find that the connection is over. On the I/O thread.
void end(Connection& connection);
// end_unless_busy ends it, or tells that a request is with its handler or its answer being written.
bool end_unless_busy(Connection& connection);
// close frees the sockets, when the coroutine is over. On the I/O thread.
void close(Connection& connection);

// begin_answer clears the deadline and has the connection busy. False: it was ended.
bool begin_answer(Connection& connection);
void end_answer(Connection& connection);

// wait_for goes on when the socket is ready, on a thread of the crew. False: the connection is
// over.
Awaitable<bool> wait_for(const ConnectionPtr& connection, Io wanted);

// let_others_first goes on when the crew has come to the other connections that are ready: for who
// sends faster than he is read. False: the connection is over.
Awaitable<bool> let_others_first(const ConnectionPtr& connection);

// read_some appends what arrives to `input`. False: the connection is over.
Awaitable<bool> read_some(ConnectionPtr connection);

// write_output sends `output`. False: the connection is over.
Awaitable<bool> write_output(ConnectionPtr connection);

// handshake is the server's side, on a connection with TLS. False: none came about.
Awaitable<bool> handshake(ConnectionPtr connection);

// say_farewell ends a connection so that the peer can still read the last answer: closing a socket
// with unread input would reset it.
Awaitable<void> say_farewell(ConnectionPtr connection);

}  // namespace vouchsafe::net
