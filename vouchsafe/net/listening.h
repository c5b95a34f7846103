// Listeners with their connections. What a connection is for says whoever makes it: an HTTP server
// (server.cpp) or a proxy (front_door.cpp); how requests are answered, answering.h. Private to
// net/.
//
// One thread, the I/O thread, accepts connections, counts them, ends those that take too long, and
// carries tunnels. What is read from a connection and written to it, TLS and handlers included, is
// done by the crew, which has two threads more than handlers may run at a time: one of them may
// begin what an answer waits for, such as a commit, so there always is one that reads, however slow
// handlers are.
#pragma once

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "vouchsafe/net/connection.h"
#include "vouchsafe/net/server.h"
#include "vouchsafe/net/turns.h"

namespace vouchsafe::net {

inline constexpr Milliseconds kStopTimeout{300};  // for a last answer after stop()

// Serve is a connection's whole life. It begins on a thread of the crew.
using Serve = std::function<Awaitable<void>(ConnectionPtr)>;

// Intake is one listening socket of a Listening: its own, or one that was added.
struct Intake {
    Intake(asio::io_context& io, Serve to_serve) : acceptor(io), serve(std::move(to_serve)) {}

    tcp::acceptor acceptor;  // the I/O thread's once accepting
    const Serve serve;
    std::string name;            // for the log
    std::string remote;          // what its requests say as their remote; "": the peer's address
    size_t max_connections = 0;  // more are closed at once
    size_t connections = 0;      // the I/O thread's
    Share share;                 // of the turns
    std::atomic<bool> removed = false;
    bool closed = false;  // Listening's, as the next
    unsigned inside = 0;  // how many are between enter() and leave()
};
using IntakePtr = std::shared_ptr<Intake>;

// Listening runs until it is stopped or destroyed.
//
// Intakes that were added share everything with its own but the count of connections: together they
// have as many as its own, and each has its limit. Nor have they all of the turns: one has half of
// them at most, and all together leave a quarter free. So who comes in at the own listener is
// answered though handlers are slow for those who come in at others.
struct Listening {
    // Of the options, `tls` and `client` are for who makes the contexts.
    Listening(ServerOptions wanted, Serve serve);
    ~Listening() { stop(); }

    // start listens before it returns. Errors as for Server::start.
    Result<void> start();
    // stop is Server::stop.
    void stop();

    // add has an intake accept from now on, and returns its number. Its acceptor has a socket that
    // listens; name, remote and max_connections are set. Code::unavailable after stop(). By any
    // thread.
    Result<uint64_t> add(IntakePtr intake);
    // remove closes an intake and its connections, and waits until nobody is inside. Nobody gets in
    // afterwards. Idempotent. By any thread but one that is inside.
    void remove(uint64_t id);
    // enter tells whether the intake is still there. If so, leave() must follow. By any thread.
    bool enter(Intake& intake);
    void leave(Intake& intake);

    const ServerOptions options;
    asio::io_context io{1};
    Crew crew;
    Turns turns;
    std::atomic<bool> stopping = false;
    std::atomic<uint64_t> asked = 0;  // how often what clients are asked for changed
    IntakePtr own;
    uint16_t port = 0;
    bool takes_pending = false;  // const once started: answers may come later (pending.h)

    // The I/O thread's once started.
    TlsContext tls;  // of new connections
    size_t added_connections = 0;
    std::set<ConnectionPtr> connections;
    std::map<std::string, size_t> by_place;  // how many of them

  private:
    Result<void> listen();
    Result<void> start_threads();
    // These are on the I/O thread.
    void open_intake(const IntakePtr& intake);
    void close_intake(const IntakePtr& intake);
    void begin_stop();
    void run_io();

    std::mutex intake_mutex_;  // what follows, and Intake's two
    std::condition_variable intake_changed_;
    std::map<uint64_t, IntakePtr> intakes_;  // that were added
    uint64_t last_id_ = 0;
    bool ending_ = false;  // none is added any more
    bool ended_ = false;   // the I/O thread does nothing more

    std::mutex stop_mutex_;
    bool stopped_ = false;
    std::thread io_thread_;
};

}  // namespace vouchsafe::net
