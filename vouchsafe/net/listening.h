// A listener with its connections, its I/O thread and its workers, and how a request is taken from
// a connection, answered by a handler on a worker, and the answer sent. What a connection is for
// says whoever makes it: an HTTP server (server.cpp) or a proxy (front_door.cpp). Private to net/.
#pragma once

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "vouchsafe/net/connection.h"
#include "vouchsafe/net/server.h"
#include "vouchsafe/net/wire.h"

namespace vouchsafe::net {

// Listening runs until it is stopped or destroyed.
struct Listening {
    // Serve is a connection's whole life, on the I/O thread. Of the options, `tls` and `client` are
    // for who makes the contexts.
    using Serve = std::function<Awaitable<void>(ConnectionPtr)>;

    Listening(ServerOptions wanted, Serve to_serve)
        : options(std::move(wanted)), serve(std::move(to_serve)), acceptor(io) {}
    ~Listening() { stop(); }

    // start listens before it returns. Errors as for Server::start.
    Result<void> start();
    // stop is Server::stop.
    void stop();

    const ServerOptions options;
    const Serve serve;
    asio::io_context work;  // handlers
    asio::executor_work_guard<asio::io_context::executor_type> work_guard{work.get_executor()};
    asio::io_context io{1};
    TlsContext tls;      // of new connections; the I/O thread's once started
    uint64_t asked = 0;  // how often what clients are asked for changed; the I/O thread's
    tcp::acceptor acceptor;
    uint16_t port = 0;
    std::set<ConnectionPtr> connections;     // the I/O thread's
    std::map<std::string, size_t> by_place;  // how many of them; the I/O thread's
    bool stopping = false;                   // the I/O thread's

  private:
    Result<void> listen();
    Result<void> start_threads();
    void begin_stop();  // on the I/O thread
    void run_io();

    std::mutex stop_mutex_;
    bool stopped_ = false;
    std::thread io_thread_;
    std::vector<std::thread> workers_;
};

// is_outdated tells whether the client's certificate was believed under rules that are no more.
bool is_outdated(const Listening& listening, const Connection& connection);

// call_handler turns what a handler throws into 500 without its text.
Response call_handler(const Handler& handler, const Request& request);

// read_request returns how far the parser came; nullopt: the connection is over. The idle timeout
// counts once for the first byte and once for the whole request.
Awaitable<std::optional<RequestParser::Progress>> read_request(Listening* listening,
                                                               ConnectionPtr connection,
                                                               RequestParser* parser);

// run_on_worker has a worker do `work` and waits without holding the I/O thread.
Awaitable<void> run_on_worker(Listening* listening, ConnectionPtr connection,
                              std::function<void()> work);

// send_response sends the connection's `response` and forgets it and its request. False: no further
// request on this connection.
Awaitable<bool> send_response(Listening* listening, ConnectionPtr connection, ResponseForm form);

// answer has `handler` answer the request that was read, or sends the parser's refusal. False: no
// further request on this connection.
Awaitable<bool> answer(Listening* listening, ConnectionPtr connection, RequestParser* parser,
                       RequestParser::Progress progress, const Handler* handler);

// answer_all takes requests from a connection and has `handler` answer them until it is over.
Awaitable<void> answer_all(Listening* listening, ConnectionPtr connection, WireLimits limits,
                           const Handler* handler);

}  // namespace vouchsafe::net
