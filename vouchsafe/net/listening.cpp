#include "vouchsafe/net/listening.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <typeinfo>

#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/rate_limits.h"
#include "vouchsafe/net/request_id.h"

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kStopTimeout{300};  // for a last answer after stop()
constexpr unsigned kReadsInARow = 16;      // then other connections come first
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

bool is_outdated(const Listening& listening, Connection& connection) {
    std::lock_guard lock(connection.mutex);
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

Awaitable<bool> wait_for_request(Listening* listening, ConnectionPtr connection) {
    set_deadline(connection, listening->options.idle_timeout);
    // What has left the socket already may belong to it.
    if (!connection->input.empty()) co_return true;
    if (connection->tls && connection->tls->has_more()) co_return true;
    auto waiting = wait_for(connection, Io::wants_read);
    bool ready = co_await std::move(waiting);
    co_return ready;
}

Awaitable<std::optional<RequestParser::Progress>> read_request(Listening* listening,
                                                               ConnectionPtr connection,
                                                               RequestParser* parser) {
    using Progress = RequestParser::Progress;
    set_deadline(connection, listening->options.idle_timeout);
    for (unsigned reads = 1;; ++reads) {
        Progress progress = parser->feed(connection->input);
        if (progress == Progress::done || progress == Progress::refused) co_return progress;
        if (progress == Progress::wants_continue) {
            connection->output = kContinue;
            auto writing = write_output(connection);
            bool written = co_await std::move(writing);
            if (!written) co_return std::nullopt;
        }
        if (reads % kReadsInARow == 0) {
            auto letting = let_others_first(connection);
            bool ready = co_await std::move(letting);
            if (!ready) co_return std::nullopt;
        }
        auto reading = read_some(connection);
        bool more = co_await std::move(reading);
        if (!more) co_return std::nullopt;
    }
}

namespace {

// wait_for_turn is always true.
Awaitable<bool> wait_for_turn(Listening* listening, const ConnectionPtr& connection) {
    auto waiting = [listening, connection](Resume resume) {
        std::optional<Resume> now =
            listening->turns.wait(connection->intake->share, std::move(resume));
        if (now) (*now)(true);
    };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(waiting,
                                                                                   kAwaitable);
}

// Turn is one that was taken. Whose turn comes next goes on, on this thread, when the connection
// that had it waits again.
struct Turn {
    ~Turn() {
        std::optional<Resume> next = listening.turns.give(intake.share);
        if (next) listening.crew.soon(std::move(*next));
    }
    Listening& listening;
    Intake& intake;
};

void use_turn(Listening& listening, Intake& intake, const std::function<void()>& work) {
    const Turn turn{listening, intake};
    if (!intake.removed) work();
}

}  // namespace

Awaitable<bool> run_in_turn(Listening* listening, ConnectionPtr connection,
                            std::function<void()> work) {
    clear_deadline(*connection);
    Intake& intake = *connection->intake;
    if (!listening->turns.take(intake.share)) {
        auto waiting = wait_for_turn(listening, connection);
        co_await std::move(waiting);
    }
    use_turn(*listening, intake, work);
    co_return !intake.removed;
}

namespace {

// refusal_of is the answer to what never becomes a request, with ids as every answer has them, and
// a line in the log, for nobody behind this counts it.
Response refusal_of(const Listening& listening, const RequestParser& parser) {
    Response response = parser.refusal();
    identify(parser.headers(), crypto::time_ordered_uuid(), response);
    log_event(LogLevel::info, "request refused unread",
              {{"server", listening.options.name},
               {"request_id", response.headers.get("x-ms-request-id")},
               {"client_request_id", response.headers.get("x-ms-client-request-id")},
               {"status", response.status}});
    return response;
}

// forget_request frees what a request took: a string that is assigned to keeps its memory, and a
// connection may wait for long. What was read of the next request stays.
void forget_request(Connection& connection) {
    std::exchange(connection.request, {});
    std::exchange(connection.response, {});
    std::exchange(connection.output, {});
    if (connection.input.empty()) std::exchange(connection.input, {});
}

}  // namespace

Awaitable<bool> send_response(Listening* listening, ConnectionPtr connection, ResponseForm form) {
    connection->output = encode(connection->response, form);
    // Before it looks whether this stops: who stops looks at deadlines afterwards.
    set_deadline(connection, listening->options.idle_timeout);
    if (listening->stopping) set_deadline(connection, kStopTimeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    end_answer(*connection);
    forget_request(*connection);
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
    if (!begin_answer(*connection)) co_return false;
    ResponseForm form;
    if (progress == RequestParser::Progress::refused) {
        form.keep_alive = false;
        connection->response = refusal_of(*listening, *parser);
    } else {
        connection->request = parser->take();
        connection->request.remote = connection->remote;
        connection->request.tls = connection->tls.has_value();
        connection->request.client_certificate = connection->certificate;
        auto running = run_in_turn(listening, connection, [connection, handler] {
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
        auto waiting = wait_for_request(listening, connection);
        bool begun = co_await std::move(waiting);
        if (!begun) co_return;
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
    close(*connection);
    auto counted = listening->by_place.find(connection->place);
    if (--counted->second == 0) listening->by_place.erase(counted);
    --connection->intake->connections;
    if (connection->intake->share.added) --listening->added_connections;
    listening->connections.erase(connection);
}

bool is_full(const Listening& listening, const Intake& intake) {
    return intake.connections >= intake.max_connections ||
           (intake.share.added && listening.added_connections >= listening.options.max_connections);
}

// remote_of is who came in; nullopt: gone already.
std::optional<std::string> remote_of(const Intake& intake, const Socket& socket) {
    if (!intake.remote.empty()) return intake.remote;
    ErrorCode error;
    tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return std::nullopt;
    return peer.address().to_string();
}

// take_socket takes a socket out of Asio's hands: the crew waits for it.
std::optional<UniqueFd> take_socket(Socket socket) {
    ErrorCode error;
    UniqueFd out(socket.release(error));
    const bool ok = !error && ::fcntl(out.get(), F_SETFD, FD_CLOEXEC) == 0 &&
                    ::fcntl(out.get(), F_SETFL, ::fcntl(out.get(), F_GETFL) | O_NONBLOCK) == 0;
    if (!ok) return std::nullopt;
    return out;
}

// live goes over to the crew at once, for a new socket can be written to.
Awaitable<void> live(ConnectionPtr connection) {
    auto waiting = wait_for(connection, Io::wants_write);
    bool ready = co_await std::move(waiting);
    if (!ready) co_return;
    auto serving = connection->intake->serve(connection);
    co_await std::move(serving);
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
    std::optional<UniqueFd> own = take_socket(std::move(socket));
    if (!own) return;
    auto connection = std::make_shared<Connection>(listening->crew, listening->io.get_executor(),
                                                   std::move(*own));
    if (listening->tls) connection->use_tls(listening->tls);
    connection->asked = listening->asked;
    connection->intake = intake;
    connection->remote = std::move(*remote);
    connection->place = std::move(place);
    ++by_place[connection->place];
    ++intake->connections;
    if (intake->share.added) ++listening->added_connections;
    listening->connections.insert(connection);
    asio::co_spawn(listening->io, live(connection),
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
    : options(std::move(wanted)),
      turns(std::max(1U, options.workers)),
      own(std::make_shared<Intake>(io, std::move(serve))) {
    own->name = options.name;
    own->max_connections = options.max_connections;
}

Result<uint64_t> Listening::add(IntakePtr intake) {
    std::lock_guard lock(intake_mutex_);
    if (ending_) return fail(Code::unavailable, "{} has stopped", options.name);
    intake->share.added = true;
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
        if (connection->intake == intake) end(*connection);
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
    TRY(crew.start(options.name + "-work", std::max(1U, options.workers) + 1));
    open_intake(own);
    try {
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

namespace {

// hurry leaves a connection the time for the answer that it is at.
void hurry(const ConnectionPtr& connection) {
    if (end_unless_busy(*connection)) return;
    if (has_deadline(*connection))
        set_deadline(connection, kStopTimeout);  // the answer is being written
}

}  // namespace

void Listening::begin_stop() {
    stopping = true;
    ErrorCode ignored;
    own->acceptor.close(ignored);
    {
        std::lock_guard lock(intake_mutex_);
        for (const auto& [id, intake] : intakes_) intake->acceptor.close(ignored);
    }
    for (const ConnectionPtr& connection : connections) hurry(connection);
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
    crew.stop();
}

}  // namespace vouchsafe::net
