#include "vouchsafe/net/listening.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>

#include <typeinfo>

#include "vouchsafe/base/log.h"
#include "vouchsafe/net/rate_limits.h"

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kStopTimeout{300};  // for a last answer after stop()
constexpr Milliseconds kAcceptPause{100};  // when accepting fails (no descriptors left)

void name_thread(const std::string& name) {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

std::string encode(const Response& response, const ResponseForm& form) {
    Result<std::string> text = encode_response(response, form);
    if (text) return std::move(*text);
    log_event(LogLevel::error, "a response cannot be written", {{"reason", text.error().message}});
    return MUST(encode_response(
        error_response(500, code_info(Code::internal).azure_code, "The service failed."), form));
}

}  // namespace

bool is_outdated(const Listening& listening, const Connection& connection) {
    return connection.certificate && connection.asked != listening.asked;
}

Response call_handler(const Handler& handler, const Request& request) {
    std::string type = "unknown";
    try {
        return handler(request);
    } catch (const std::exception& error) {
        type = typeid(error).name();
    } catch (...) {
    }
    log_event(LogLevel::error, "a handler threw an exception",
              {{"method", request.method}, {"exception_type", type}});
    return error_response(500, code_info(Code::internal).azure_code, "The service failed.");
}

Awaitable<std::optional<RequestParser::Progress>> read_request(Listening* listening,
                                                               ConnectionPtr connection,
                                                               RequestParser* parser) {
    using Progress = RequestParser::Progress;
    set_deadline(connection, listening->options.idle_timeout);
    bool begun = !connection->input.empty();
    for (;;) {
        Progress progress = begun ? parser->feed(connection->input) : Progress::more;
        if (progress == Progress::done || progress == Progress::refused) co_return progress;
        if (progress == Progress::wants_continue) {
            connection->output = kContinue;
            auto writing = write_output(connection);
            bool written = co_await std::move(writing);
            if (!written) co_return std::nullopt;
        }
        auto reading = read_some(connection);
        bool more = co_await std::move(reading);
        if (!more) co_return std::nullopt;
        if (!begun) set_deadline(connection, listening->options.idle_timeout);
        begun = true;
    }
}

Awaitable<void> run_on_worker(Listening* listening, ConnectionPtr connection,
                              std::function<void()> work) {
    clear_deadline(connection);
    connection->answered.expires_at(Timer::time_point::max());
    asio::post(listening->work, [listening, connection, work = std::move(work)] {
        work();
        // The coroutine waits by then: it runs on the I/O thread, as will this.
        asio::post(listening->io, [connection] { connection->answered.cancel(); });
    });
    ErrorCode cancelled;
    auto token = asio::redirect_error(kAwaitable, cancelled);
    auto operation = connection->answered.async_wait(token);
    co_await std::move(operation);
}

Awaitable<bool> send_response(Listening* listening, ConnectionPtr connection, ResponseForm form) {
    connection->output = encode(connection->response, form);
    set_deadline(connection, listening->stopping ? kStopTimeout : listening->options.idle_timeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    connection->busy = false;
    connection->request = {};
    connection->response = {};
    connection->output = {};
    if (!written || listening->stopping) co_return false;
    if (form.keep_alive && is_outdated(*listening, *connection)) co_return false;
    if (!form.keep_alive) {
        auto ending = say_farewell(connection);
        co_await std::move(ending);
    }
    co_return form.keep_alive;
}

Awaitable<bool> answer(Listening* listening, ConnectionPtr connection, RequestParser* parser,
                       RequestParser::Progress progress, const Handler* handler) {
    connection->busy = true;
    ResponseForm form;
    if (progress == RequestParser::Progress::refused) {
        form.keep_alive = false;
        connection->response = parser->refusal();
    } else {
        connection->request = parser->take();
        connection->request.remote = connection->remote;
        connection->request.tls = connection->tls.has_value();
        connection->request.client_certificate = connection->certificate;
        auto running = run_on_worker(listening, connection, [connection, handler] {
            connection->response = call_handler(*handler, connection->request);
        });
        co_await std::move(running);
        form.head = connection->request.method == "HEAD";
        form.http_1_0 = parser->http_1_0();
        form.keep_alive =
            parser->keep_alive() && !listening->stopping && !is_outdated(*listening, *connection);
    }
    auto sending = send_response(listening, connection, form);
    bool again = co_await std::move(sending);
    co_return again;
}

Awaitable<void> answer_all(Listening* listening, ConnectionPtr connection, WireLimits limits,
                           const Handler* handler) {
    for (;;) {
        RequestParser parser(limits);
        auto reading = read_request(listening, connection, &parser);
        std::optional<RequestParser::Progress> progress = co_await std::move(reading);
        if (!progress) co_return;
        auto answering = answer(listening, connection, &parser, *progress, handler);
        bool again = co_await std::move(answering);
        if (!again) co_return;
    }
}

namespace {

void close_connection(Listening* listening, const ConnectionPtr& connection) {
    connection->deadline.cancel();
    connection->close();
    auto counted = listening->by_place.find(connection->place);
    if (--counted->second == 0) listening->by_place.erase(counted);
    listening->connections.erase(connection);
}

void open_connection(Listening* listening, Socket socket) {
    const ServerOptions& options = listening->options;
    if (listening->connections.size() >= options.max_connections) return;  // closes it
    ErrorCode error;
    socket.set_option(tcp::no_delay(true), error);
    tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    std::string place = address_place(peer.address().to_string());
    const size_t most = options.max_connections_per_address;
    auto& by_place = listening->by_place;
    if (most != 0 && by_place.contains(place) && by_place[place] >= most) return;
    auto connection = std::make_shared<Connection>(std::move(socket), listening->tls);
    connection->asked = listening->asked;
    connection->remote = peer.address().to_string();
    connection->place = std::move(place);
    ++by_place[connection->place];
    listening->connections.insert(connection);
    asio::co_spawn(listening->io, listening->serve(connection),
                   [listening, connection](std::exception_ptr exception) {
                       if (exception) log_event(LogLevel::error, "a connection failed");
                       close_connection(listening, connection);
                   });
}

Awaitable<void> accept_all(Listening* listening) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    Timer pause(listening->io);
    while (!listening->stopping) {
        Socket socket(listening->io);
        auto accepting = listening->acceptor.async_accept(socket, token);
        co_await std::move(accepting);
        if (!error) {
            open_connection(listening, std::move(socket));
        } else if (!listening->stopping) {
            log_event(LogLevel::warn, "accepting a connection failed",
                      {{"server", listening->options.name}, {"reason", error.message()}});
            pause.expires_after(kAcceptPause);
            auto waiting = pause.async_wait(token);
            co_await std::move(waiting);
        }
    }
}

Result<void> listen_error(const ServerOptions& options, std::string_view what,
                          const ErrorCode& error) {
    std::string place = fmt::format("{}:{}", options.address, options.port);
    if (error == asio::error::address_in_use) {
        return fail(Code::conflict,
                    "{} is taken by another program: stop it or choose another port", place);
    }
    if (error == asio::error::access_denied) {
        return fail(Code::forbidden, "listening on {} needs privileges (CAP_NET_BIND_SERVICE)",
                    place);
    }
    if (error == boost::system::errc::address_not_available) {
        return fail(Code::invalid, "cannot listen on {}: this machine does not have that address",
                    place);
    }
    return fail(Code::unavailable, "cannot listen on {}: {}: {}", place, what, error.message());
}

}  // namespace

Result<void> Listening::listen() {
    ErrorCode error;
    asio::ip::address address = asio::ip::make_address(options.address, error);
    if (error) return fail(Code::invalid, "'{}' is not a numeric address", options.address);
    tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), error);
    if (error) return listen_error(options, "socket", error);
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (error) return listen_error(options, "option", error);
    acceptor.bind(endpoint, error);
    if (error) return listen_error(options, "bind", error);
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return listen_error(options, "listen", error);
    port = acceptor.local_endpoint(error).port();
    if (error) return listen_error(options, "name", error);
    return {};
}

void Listening::run_io() {
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& error) {
            log_event(LogLevel::error, "the server's loop caught an exception",
                      {{"server", options.name}, {"exception_type", typeid(error).name()}});
        }
    }
}

Result<void> Listening::start_threads() {
    asio::co_spawn(io, accept_all(this), [](std::exception_ptr exception) {
        if (exception) log_event(LogLevel::error, "a server stopped accepting");
    });
    try {
        for (unsigned i = 0; i < std::max(1U, options.workers); ++i) {
            workers_.emplace_back([this] {
                name_thread(options.name + "-work");
                work.run();
            });
        }
        io_thread_ = std::thread([this] {
            name_thread(options.name);
            run_io();
        });
    } catch (const std::system_error&) {
        stop();
        return fail(Code::unavailable, "no more threads can be started");
    }
    return {};
}

Result<void> Listening::start() {
    TRY(listen());
    TRY(start_threads());
    log_event(LogLevel::info, "listening",
              {{"server", options.name},
               {"address", options.address},
               {"port", port},
               {"tls", options.tls.has_value()}});
    return {};
}

void Listening::begin_stop() {
    stopping = true;
    ErrorCode ignored;
    acceptor.close(ignored);
    for (const ConnectionPtr& connection : connections) {
        if (!connection->busy) {
            connection->close();
        } else if (connection->deadline.expiry() != Timer::time_point::max()) {
            set_deadline(connection, kStopTimeout);  // its answer is being written
        }
    }
}

void Listening::stop() {
    std::lock_guard lock(stop_mutex_);
    if (std::exchange(stopped_, true)) return;
    asio::post(io, [this] { begin_stop(); });
    // The loop ends when the last connection has.
    if (io_thread_.joinable()) io_thread_.join();
    work_guard.reset();
    for (std::thread& worker : workers_) worker.join();
}

}  // namespace vouchsafe::net
