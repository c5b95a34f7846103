#include "vouchsafe/net/listening.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <typeinfo>

#include "vouchsafe/base/log.h"
#include "vouchsafe/net/rate_limits.h"

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kAcceptPause{100};  // when accepting fails (no descriptors left)

void name_thread(const std::string& name) {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

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
    TRY(crew.start(options.name + "-work", std::max(1U, options.workers) + 2));
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
