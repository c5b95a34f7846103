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

namespace {

// wait_for_wakeup goes on when the connection's `answered` is cancelled.
Awaitable<void> wait_for_wakeup(ConnectionPtr connection) {
    connection->answered.expires_at(Timer::time_point::max());
    ErrorCode cancelled;
    auto token = asio::redirect_error(kAwaitable, cancelled);
    auto operation = connection->answered.async_wait(token);
    co_await std::move(operation);
}

Awaitable<void> take_place(Places* places, ConnectionPtr connection) {
    if (places->left > 0) {
        --places->left;
        co_return;
    }
    places->waiting.push_back(connection);
    auto waiting = wait_for_wakeup(connection);
    co_await std::move(waiting);
}

// give_place hands a place on to who waited longest.
void give_place(Places* places) {
    if (places->waiting.empty()) {
        ++places->left;
        return;
    }
    places->waiting.front()->answered.cancel();
    places->waiting.pop_front();
}

// work_now is run_on_worker for who has a place there. The worker hands the coroutine itself back
// to the I/O thread, which stays for it.
Awaitable<void> work_now(Listening* listening, const std::function<void()>* work) {
    auto hand_over = [listening, work](auto resume) {
        auto stay = asio::make_work_guard(listening->io);
        asio::post(listening->work,
                   [work, stay = std::move(stay), resume = std::move(resume)]() mutable {
                       (*work)();
                       asio::post(std::move(resume));
                   });
    };
    auto working =
        asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(hand_over, kAwaitable);
    co_await std::move(working);
}

}  // namespace

Awaitable<bool> run_on_worker(Listening* listening, ConnectionPtr connection,
                              std::function<void()> work) {
    clear_deadline(connection);
    Intake& intake = *connection->intake;
    if (intake.added) {
        auto own = take_place(&intake.places, connection);
        co_await std::move(own);
        auto common = take_place(&listening->places, connection);
        co_await std::move(common);
    }
    if (!intake.removed) {
        auto working = work_now(listening, &work);
        co_await std::move(working);
    }
    if (intake.added) {
        give_place(&listening->places);
        give_place(&intake.places);
    }
    co_return !intake.removed;
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
        bool ran = co_await std::move(running);
        if (!ran) co_return false;
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
    --connection->intake->connections;
    if (connection->intake->added) --listening->added_connections;
    listening->connections.erase(connection);
}

bool is_full(const Listening& listening, const Intake& intake) {
    return intake.connections >= intake.max_connections ||
           (intake.added && listening.added_connections >= listening.options.max_connections);
}

// remote_of is who came in; nullopt: gone already.
std::optional<std::string> remote_of(const Intake& intake, const Socket& socket) {
    if (!intake.remote.empty()) return intake.remote;
    ErrorCode error;
    tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return std::nullopt;
    return peer.address().to_string();
}

void open_connection(Listening* listening, const IntakePtr& intake, Socket socket) {
    const ServerOptions& options = listening->options;
    if (is_full(*listening, *intake)) return;  // closes it
    ErrorCode ignored;                         // Unix sockets have no such option
    socket.set_option(tcp::no_delay(true), ignored);
    std::optional<std::string> remote = remote_of(*intake, socket);
    if (!remote) return;
    std::string place = address_place(*remote);
    const size_t most = options.max_connections_per_address;
    auto& by_place = listening->by_place;
    if (most != 0 && by_place.contains(place) && by_place[place] >= most) return;
    auto connection = std::make_shared<Connection>(std::move(socket), listening->tls);
    connection->asked = listening->asked;
    connection->intake = intake;
    connection->remote = std::move(*remote);
    connection->place = std::move(place);
    ++by_place[connection->place];
    ++intake->connections;
    if (intake->added) ++listening->added_connections;
    listening->connections.insert(connection);
    asio::co_spawn(listening->io, intake->serve(connection),
                   [listening, connection](std::exception_ptr exception) {
                       if (exception) log_event(LogLevel::error, "a connection failed");
                       close_connection(listening, connection);
                   });
}

Awaitable<void> accept_all(Listening* listening, IntakePtr intake) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    Timer pause(listening->io);
    while (!listening->stopping && !intake->removed) {
        Socket socket(listening->io);
        auto accepting = intake->acceptor.async_accept(socket, token);
        co_await std::move(accepting);
        if (listening->stopping || intake->removed) co_return;
        if (!error) {
            open_connection(listening, intake, std::move(socket));
        } else {
            log_event(LogLevel::warn, "accepting a connection failed",
                      {{"server", intake->name}, {"reason", error.message()}});
            // Somebody else who has the socket too had it listen no more.
            if (error == asio::error::invalid_argument) co_return;
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

Listening::Listening(ServerOptions wanted, Serve serve)
    : options(std::move(wanted)), own(std::make_shared<Intake>(io, std::move(serve))) {
    own->name = options.name;
    own->max_connections = options.max_connections;
    const size_t workers = std::max(1U, options.workers);
    places.left = std::max<size_t>(1, workers - std::max<size_t>(1, workers / 4));
}

Result<uint64_t> Listening::add(IntakePtr intake) {
    std::lock_guard lock(intake_mutex_);
    if (ending_) return fail(Code::unavailable, "{} has stopped", options.name);
    intake->added = true;
    intake->places.left = std::max(1U, options.workers / 2);
    intakes_.emplace(++last_id_, intake);
    asio::post(io, [this, intake] { open_intake(intake); });
    return last_id_;
}

void Listening::remove(uint64_t id) {
    std::unique_lock lock(intake_mutex_);
    auto found = intakes_.find(id);
    if (found == intakes_.end()) return;
    IntakePtr intake = found->second;
    if (!intake->removed.exchange(true)) {
        asio::post(io, [this, intake] { close_intake(intake); });
    }
    intake_changed_.wait(lock, [&] { return (intake->closed || ended_) && intake->inside == 0; });
    intakes_.erase(id);
}

bool Listening::enter(Intake& intake) {
    std::lock_guard lock(intake_mutex_);
    if (intake.removed) return false;
    ++intake.inside;
    return true;
}

void Listening::leave(Intake& intake) {
    std::lock_guard lock(intake_mutex_);
    --intake.inside;
    intake_changed_.notify_all();
}

void Listening::open_intake(const IntakePtr& intake) {
    if (stopping || intake->removed) return;
    asio::co_spawn(io, accept_all(this, intake), [](std::exception_ptr exception) {
        if (exception) log_event(LogLevel::error, "a server stopped accepting");
    });
}

void Listening::close_intake(const IntakePtr& intake) {
    ErrorCode ignored;
    intake->acceptor.close(ignored);
    for (const ConnectionPtr& connection : connections) {
        if (connection->intake == intake) connection->close();
    }
    std::lock_guard lock(intake_mutex_);
    intake->closed = true;
    intake_changed_.notify_all();
}

Result<void> Listening::listen() {
    tcp::acceptor& acceptor = own->acceptor;
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
            std::lock_guard lock(intake_mutex_);
            ended_ = true;
            intake_changed_.notify_all();
            return;
        } catch (const std::exception& error) {
            log_event(LogLevel::error, "the server's loop caught an exception",
                      {{"server", options.name}, {"exception_type", typeid(error).name()}});
        }
    }
}

Result<void> Listening::start_threads() {
    open_intake(own);
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
    own->acceptor.close(ignored);
    {
        std::lock_guard lock(intake_mutex_);
        for (const auto& [id, intake] : intakes_) intake->acceptor.close(ignored);
    }
    for (const ConnectionPtr& connection : connections) {
        if (!connection->busy) {
            connection->close();
        } else if (connection->due != Timer::time_point::max()) {
            set_deadline(connection, kStopTimeout);  // its answer is being written
        }
    }
}

void Listening::stop() {
    std::lock_guard lock(stop_mutex_);
    if (std::exchange(stopped_, true)) return;
    {
        std::lock_guard intake_lock(intake_mutex_);
        ending_ = true;
    }
    asio::post(io, [this] { begin_stop(); });
    // The loop ends when the last connection has.
    if (io_thread_.joinable()) io_thread_.join();
    work_guard.reset();
    for (std::thread& worker : workers_) worker.join();
}

}  // namespace vouchsafe::net
