#include "vouchsafe/net/server.h"

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <pthread.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <typeinfo>

#include "vouchsafe/base/log.h"
#include "vouchsafe/net/rate_limits.h"
#include "vouchsafe/net/tls_context.h"
#include "vouchsafe/net/wire.h"

// Coroutines below are plain functions that take plain values, and every co_await is a statement of
// its own on one named operation: GCC 12.2 miscompiles more than that.

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

namespace {

constexpr asio::use_awaitable_t<Executor> kAwaitable;
constexpr size_t kReadSize = 16 << 10;  // a TLS record
constexpr Milliseconds kHandshakeTimeout{10'000};
constexpr Milliseconds kFarewellTimeout{2'000};  // for the peer to read the last answer
constexpr size_t kFarewellBytes = 16 << 20;      // read and dropped meanwhile
constexpr Milliseconds kStopTimeout{300};        // for a last answer after stop()
constexpr Milliseconds kAcceptPause{100};        // when accepting fails (no descriptors left)

void name_thread(const std::string& name) {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

Response call(const Handler& handler, const Request& request) {
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

std::string encode(const Response& response, const ResponseForm& form) {
    Result<std::string> text = encode_response(response, form);
    if (text) return std::move(*text);
    log_event(LogLevel::error, "a response cannot be written", {{"reason", text.error().message}});
    return MUST(encode_response(
        error_response(500, code_info(Code::internal).azure_code, "The service failed."), form));
}

}  // namespace

using TlsContext = std::shared_ptr<asio::ssl::context>;  // nullptr: plain HTTP

// Connection belongs to the I/O thread, but `request` and `response` to a worker while `busy`.
struct Connection {
    Connection(Socket accepted, TlsContext tls_context, uint64_t clients_asked)
        : context(std::move(tls_context)),
          asked(clients_asked),
          socket(std::move(accepted)),
          deadline(socket.get_executor()),
          answered(socket.get_executor()) {
        if (context) tls.emplace(socket, *context);
    }

    const TlsContext context;  // the one that it began with
    const uint64_t asked;      // Impl::asked when it began

    Socket socket;
    std::optional<asio::ssl::stream<Socket&>> tls;
    Timer deadline;  // closes the socket
    Timer answered;  // cancelled when the worker is done: wakes the coroutine
    std::array<char, kReadSize> chunk;
    std::string input;   // read, not yet understood
    std::string output;  // being written
    std::string remote;
    std::string place;                                       // what connections are counted by
    std::shared_ptr<const crypto::Certificate> certificate;  // the client's
    Request request;
    Response response;
    bool busy = false;  // a request is with its handler, or its answer being written

    void close() {
        ErrorCode ignored;
        socket.close(ignored);
    }
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct Server::Impl {
    Impl(ServerOptions wanted, Handler to_call)
        : options(std::move(wanted)), handler(std::move(to_call)), acceptor(io) {}

    Result<void> listen();
    Result<TlsContext> make_context(const TlsIdentity& identity,
                                    const ClientAuthentication& client) const;
    Result<void> replace_tls(const TlsIdentity& identity,
                             std::optional<ClientAuthentication> client);
    void end_certified();  // on the I/O thread
    Result<void> start_threads();
    void stop();
    void begin_stop();  // on the I/O thread
    void run_io();

    const ServerOptions options;
    const Handler handler;
    asio::io_context work;  // handlers
    asio::executor_work_guard<asio::io_context::executor_type> work_guard{work.get_executor()};
    asio::io_context io{1};
    TlsContext tls;      // of new connections; the I/O thread's
    uint64_t asked = 0;  // how often it changed what clients are asked for; the I/O thread's
    std::mutex tls_mutex;
    ClientAuthentication client = options.client;  // under tls_mutex
    tcp::acceptor acceptor;
    uint16_t port = 0;
    std::set<ConnectionPtr> connections;     // the I/O thread's
    std::map<std::string, size_t> by_place;  // how many of them; the I/O thread's
    bool stopping = false;                   // the I/O thread's

    std::mutex stop_mutex;
    bool stopped = false;
    std::thread io_thread;
    std::vector<std::thread> workers;
};

namespace {

using Core = Server::Impl;

// is_outdated tells whether the client's certificate was believed under rules that are no more.
bool is_outdated(const Core* core, const ConnectionPtr& connection) {
    return connection->certificate && connection->asked != core->asked;
}

// set_deadline closes the connection after `time` unless it is set again or cleared before.
void set_deadline(const ConnectionPtr& connection, Milliseconds time) {
    connection->deadline.expires_after(time);
    connection->deadline.async_wait([connection](ErrorCode error) {
        bool due = connection->deadline.expiry() <= std::chrono::steady_clock::now();
        if (!error && due) connection->close();
    });
}

void clear_deadline(const ConnectionPtr& connection) {
    connection->deadline.expires_at(Timer::time_point::max());
}

// read_some appends what arrives to `input`. False: the connection is over.
Awaitable<bool> read_some(ConnectionPtr connection) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    auto buffer = asio::buffer(connection->chunk);
    size_t count = 0;
    if (connection->tls) {
        auto operation = connection->tls->async_read_some(buffer, token);
        count = co_await std::move(operation);
    } else {
        auto operation = connection->socket.async_read_some(buffer, token);
        count = co_await std::move(operation);
    }
    if (error) co_return false;
    connection->input.append(connection->chunk.data(), count);
    co_return true;
}

// write_output sends `output`. False: the connection is over.
Awaitable<bool> write_output(ConnectionPtr connection) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    auto buffer = asio::buffer(std::as_const(connection->output));
    if (connection->tls) {
        auto operation = asio::async_write(*connection->tls, buffer, token);
        co_await std::move(operation);
    } else {
        auto operation = asio::async_write(connection->socket, buffer, token);
        co_await std::move(operation);
    }
    co_return !error;
}

Awaitable<bool> handshake(ConnectionPtr connection) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    auto operation = connection->tls->async_handshake(asio::ssl::stream_base::server, token);
    co_await std::move(operation);
    co_return !error;
}

// say_farewell ends a connection so that the peer can still read the last answer: closing a socket
// with unread input would reset it.
Awaitable<void> say_farewell(ConnectionPtr connection) {
    set_deadline(connection, kFarewellTimeout);
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    if (connection->tls) {
        auto operation = connection->tls->async_shutdown(token);
        co_await std::move(operation);
    }
    connection->socket.shutdown(tcp::socket::shutdown_send, error);
    size_t dropped = 0;
    auto buffer = asio::buffer(connection->chunk);
    while (!error && dropped < kFarewellBytes) {
        auto operation = connection->socket.async_read_some(buffer, token);
        size_t count = co_await std::move(operation);
        dropped += count;
    }
}

// read_request returns how far the parser came; nullopt: the connection is over. The idle timeout
// counts once for the first byte and once for the whole request.
Awaitable<std::optional<RequestParser::Progress>> read_request(Core* core, ConnectionPtr connection,
                                                               RequestParser* parser) {
    using Progress = RequestParser::Progress;
    set_deadline(connection, core->options.idle_timeout);
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
        if (!begun) set_deadline(connection, core->options.idle_timeout);
        begun = true;
    }
}

// run_handler has a worker call the handler and waits without holding the I/O thread.
Awaitable<void> run_handler(Core* core, ConnectionPtr connection) {
    clear_deadline(connection);
    connection->answered.expires_at(Timer::time_point::max());
    asio::post(core->work, [core, connection] {
        connection->response = call(core->handler, connection->request);
        // The coroutine waits by then: it runs on the I/O thread, as will this.
        asio::post(core->io, [connection] { connection->answered.cancel(); });
    });
    ErrorCode cancelled;
    auto token = asio::redirect_error(kAwaitable, cancelled);
    auto operation = connection->answered.async_wait(token);
    co_await std::move(operation);
}

// answer_one takes one request through. False: no further one on this connection.
Awaitable<bool> answer_one(Core* core, ConnectionPtr connection) {
    RequestParser parser({core->options.max_header, core->options.max_body});
    auto reading = read_request(core, connection, &parser);
    std::optional<RequestParser::Progress> progress = co_await std::move(reading);
    if (!progress) co_return false;
    connection->busy = true;
    ResponseForm form;
    if (*progress == RequestParser::Progress::refused) {
        form.keep_alive = false;
        connection->response = parser.refusal();
    } else {
        connection->request = parser.take();
        connection->request.remote = connection->remote;
        connection->request.tls = connection->tls.has_value();
        connection->request.client_certificate = connection->certificate;
        auto running = run_handler(core, connection);
        co_await std::move(running);
        form.head = connection->request.method == "HEAD";
        form.http_1_0 = parser.http_1_0();
        form.keep_alive = parser.keep_alive() && !core->stopping && !is_outdated(core, connection);
    }
    connection->output = encode(connection->response, form);
    set_deadline(connection, core->stopping ? kStopTimeout : core->options.idle_timeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    connection->busy = false;
    connection->request = {};
    connection->response = {};
    connection->output = {};
    if (!written || core->stopping) co_return false;
    if (form.keep_alive && is_outdated(core, connection)) co_return false;
    if (!form.keep_alive) {
        auto ending = say_farewell(connection);
        co_await std::move(ending);
    }
    co_return form.keep_alive;
}

Awaitable<void> serve(Core* core, ConnectionPtr connection) {
    if (connection->tls) {
        set_deadline(connection,
                     std::min<Milliseconds>(kHandshakeTimeout, core->options.idle_timeout));
        auto shaking = handshake(connection);
        bool ok = co_await std::move(shaking);
        if (!ok) co_return;
        connection->certificate = verified_peer(connection->tls->native_handle());
        if (is_outdated(core, connection)) co_return;
    }
    for (;;) {
        auto answering = answer_one(core, connection);
        bool again = co_await std::move(answering);
        if (!again) co_return;
    }
}

void close_connection(Core* core, const ConnectionPtr& connection) {
    connection->deadline.cancel();
    connection->close();
    auto counted = core->by_place.find(connection->place);
    if (--counted->second == 0) core->by_place.erase(counted);
    core->connections.erase(connection);
}

void open_connection(Core* core, Socket socket) {
    if (core->connections.size() >= core->options.max_connections) return;  // closes it
    ErrorCode error;
    socket.set_option(tcp::no_delay(true), error);
    tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    std::string place = address_place(peer.address().to_string());
    const size_t most = core->options.max_connections_per_address;
    if (most != 0 && core->by_place.contains(place) && core->by_place[place] >= most) return;
    auto connection = std::make_shared<Connection>(std::move(socket), core->tls, core->asked);
    connection->remote = peer.address().to_string();
    connection->place = std::move(place);
    ++core->by_place[connection->place];
    core->connections.insert(connection);
    asio::co_spawn(core->io, serve(core, connection),
                   [core, connection](std::exception_ptr exception) {
                       if (exception) log_event(LogLevel::error, "a connection failed");
                       close_connection(core, connection);
                   });
}

Awaitable<void> accept_all(Core* core) {
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    Timer pause(core->io);
    while (!core->stopping) {
        Socket socket(core->io);
        auto accepting = core->acceptor.async_accept(socket, token);
        co_await std::move(accepting);
        if (!error) {
            open_connection(core, std::move(socket));
        } else if (!core->stopping) {
            log_event(LogLevel::warn, "accepting a connection failed",
                      {{"server", core->options.name}, {"reason", error.message()}});
            pause.expires_after(kAcceptPause);
            auto waiting = pause.async_wait(token);
            co_await std::move(waiting);
        }
    }
}

bool is_same(const ClientAuthentication& one, const ClientAuthentication& other) {
    const auto same_der = [](const auto& a, const auto& b) { return a.der() == b.der(); };
    return one.required == other.required &&
           std::ranges::equal(one.authorities, other.authorities, same_der) &&
           std::ranges::equal(one.revocations, other.revocations, same_der);
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

Result<TlsContext> Server::Impl::make_context(const TlsIdentity& identity,
                                              const ClientAuthentication& asks) const {
    SslContext context = TRY(make_server_context(identity, asks));
    return std::make_shared<asio::ssl::context>(context.release());
}

Result<void> Server::Impl::replace_tls(const TlsIdentity& identity,
                                       std::optional<ClientAuthentication> asks) {
    if (!options.tls) return fail(Code::invalid, "this server speaks plain HTTP");
    std::lock_guard lock(tls_mutex);
    TlsContext context = TRY(make_context(identity, asks ? *asks : client));
    const bool other = asks && !is_same(*asks, client);
    if (asks) client = std::move(*asks);
    asio::post(io, [this, context, other] {
        tls = context;
        if (other) end_certified();
    });
    return {};
}

void Server::Impl::end_certified() {
    ++asked;
    for (const ConnectionPtr& connection : connections) {
        if (is_outdated(this, connection) && !connection->busy) connection->close();
    }
}

Result<void> Server::Impl::listen() {
    if (options.tls) tls = TRY(make_context(*options.tls, options.client));
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

void Server::Impl::run_io() {
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

Result<void> Server::Impl::start_threads() {
    asio::co_spawn(io, accept_all(this), [](std::exception_ptr exception) {
        if (exception) log_event(LogLevel::error, "a server stopped accepting");
    });
    try {
        for (unsigned i = 0; i < std::max(1U, options.workers); ++i) {
            workers.emplace_back([this] {
                name_thread(options.name + "-work");
                work.run();
            });
        }
        io_thread = std::thread([this] {
            name_thread(options.name);
            run_io();
        });
    } catch (const std::system_error&) {
        stop();
        return fail(Code::unavailable, "no more threads can be started");
    }
    return {};
}

void Server::Impl::begin_stop() {
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

void Server::Impl::stop() {
    std::lock_guard lock(stop_mutex);
    if (std::exchange(stopped, true)) return;
    asio::post(io, [this] { begin_stop(); });
    // The loop ends when the last connection has.
    if (io_thread.joinable()) io_thread.join();
    work_guard.reset();
    for (std::thread& worker : workers) worker.join();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
    impl_->stop();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
    TRY(impl->listen());
    TRY(impl->start_threads());
    log_event(LogLevel::info, "listening",
              {{"server", impl->options.name},
               {"address", impl->options.address},
               {"port", impl->port},
               {"tls", impl->options.tls.has_value()}});
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const {
    return impl_->port;
}

Result<void> Server::replace_tls(const TlsIdentity& identity,
                                 std::optional<ClientAuthentication> client) {
    return impl_->replace_tls(identity, std::move(client));
}

void Server::stop() {
    impl_->stop();
}

}  // namespace vouchsafe::net
