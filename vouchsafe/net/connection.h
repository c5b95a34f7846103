// One connection of a listener, and what reads and writes it. Private to net/.
//
// Coroutines here and in the files that use this are plain functions that take plain values, and
// every co_await is a statement of its own on one named operation: GCC 12.2 miscompiles more than
// that.
#pragma once

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Executor = asio::any_io_executor;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
template <typename T>
using Awaitable = asio::awaitable<T, Executor>;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;
using TlsContext = std::shared_ptr<asio::ssl::context>;  // nullptr: plain HTTP

inline constexpr asio::use_awaitable_t<Executor> kAwaitable;
inline constexpr size_t kReadSize = 16 << 10;  // a TLS record
inline constexpr Milliseconds kHandshakeTimeout{10'000};

struct Intake;

// Connection belongs to the I/O thread, but `request` and `response` to a worker while `busy`.
struct Connection {
    Connection(Socket accepted, TlsContext tls_context)
        : socket(std::move(accepted)),
          deadline(socket.get_executor()),
          answered(socket.get_executor()) {
        if (tls_context) use_tls(std::move(tls_context));
    }

    // use_tls has everything from here on go through TLS; once at most.
    void use_tls(TlsContext tls_context) {
        context = std::move(tls_context);
        tls.emplace(socket, *context);
    }
    void close() {
        ErrorCode ignored;
        socket.close(ignored);
        if (upstream) upstream->close(ignored);
    }

    std::shared_ptr<Intake> intake;  // by which it came
    TlsContext context;              // of the identity that its TLS shows
    uint64_t asked = 0;              // Listening::asked when it began

    Socket socket;
    std::optional<asio::ssl::stream<Socket&>> tls;
    std::optional<Socket> upstream;                      // the other end of a tunnel
    Timer deadline;                                      // looks at `due` from time to time
    Timer::time_point due = Timer::time_point::max();    // then the socket is closed
    Timer::time_point looks = Timer::time_point::max();  // when `deadline` looks next; max: never
    Timer answered;  // cancelled when there is a place among workers: wakes the coroutine
    std::array<char, kReadSize> chunk;
    std::string input;   // read, not yet understood
    std::string output;  // being written
    std::string remote;
    std::string place;                                       // what connections are counted by
    std::shared_ptr<const crypto::Certificate> certificate;  // the client's
    Request request;
    Response response;
    bool busy = false;  // a request is with its handler, or its answer being written
};
using ConnectionPtr = std::shared_ptr<Connection>;

// set_deadline closes the connection after `time` unless it is set again or cleared before. Every
// request sets it three times, so the timer is left as it is where it looks early enough.
void set_deadline(const ConnectionPtr& connection, Milliseconds time);
void clear_deadline(const ConnectionPtr& connection);

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
