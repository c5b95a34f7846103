#include "vouchsafe/net/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "vouchsafe/net/answering.h"
#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

struct Server::Impl {
    Impl(ServerOptions wanted, Handler to_call);

    Result<void> start();
    Result<TlsContext> make_context(const TlsIdentity& identity,
                                    const ClientAuthentication& asks) const;
    Result<void> replace_tls(const TlsIdentity& identity, std::optional<ClientAuthentication> asks);
    void end_certified();  // on the I/O thread

    const Handler handler;
    std::mutex tls_mutex;
    ClientAuthentication client;  // under tls_mutex
    Listening listening;          // last: stops before the handler goes away
};

namespace {

void keep_certificate(Connection& connection) {
    auto shown = verified_peer(connection.tls->handle());
    std::lock_guard lock(connection.mutex);
    connection.certificate = std::move(shown);
}

Awaitable<void> serve(Listening* listening, ConnectionPtr connection, const Handler* handler) {
    if (connection->tls) {
        set_deadline(connection,
                     std::min<Milliseconds>(kHandshakeTimeout, listening->options.idle_timeout));
        auto shaking = handshake(connection);
        bool ok = co_await std::move(shaking);
        if (!ok) co_return;
        keep_certificate(*connection);
        if (is_outdated(*listening, *connection)) co_return;
    }
    auto answering =
        answer_all(listening, connection,
                   {listening->options.max_header, listening->options.max_body}, handler);
    co_await std::move(answering);
}

bool is_same(const ClientAuthentication& one, const ClientAuthentication& other) {
    const auto same_der = [](const auto& a, const auto& b) { return a.der() == b.der(); };
    return one.required == other.required &&
           std::ranges::equal(one.authorities, other.authorities, same_der) &&
           std::ranges::equal(one.revocations, other.revocations, same_der);
}

}  // namespace

Server::Impl::Impl(ServerOptions wanted, Handler to_call)
    : handler(std::move(to_call)),
      client(wanted.client),
      listening(std::move(wanted), [this](ConnectionPtr connection) {
          return serve(&listening, std::move(connection), &handler);
      }) {
    listening.takes_pending = true;
}

Result<TlsContext> Server::Impl::make_context(const TlsIdentity& identity,
                                              const ClientAuthentication& asks) const {
    return TlsContext(TRY(make_server_context(identity, asks)));
}

Result<void> Server::Impl::replace_tls(const TlsIdentity& identity,
                                       std::optional<ClientAuthentication> asks) {
    if (!listening.options.tls) return fail(Code::invalid, "this server speaks plain HTTP");
    std::lock_guard lock(tls_mutex);
    TlsContext context = TRY(make_context(identity, asks ? *asks : client));
    const bool other = asks && !is_same(*asks, client);
    if (asks) client = std::move(*asks);
    asio::post(listening.io, [this, context, other] {
        listening.tls = context;
        if (other) end_certified();
    });
    return {};
}

void Server::Impl::end_certified() {
    ++listening.asked;
    for (const ConnectionPtr& connection : listening.connections) {
        if (is_outdated(listening, *connection)) end_unless_busy(*connection);
    }
}

Result<void> Server::Impl::start() {
    if (listening.options.tls) listening.tls = TRY(make_context(*listening.options.tls, client));
    return listening.start();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
    TRY(impl->start());
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const {
    return impl_->listening.port;
}

Result<void> Server::replace_tls(const TlsIdentity& identity,
                                 std::optional<ClientAuthentication> client) {
    return impl_->replace_tls(identity, std::move(client));
}

void Server::stop() {
    impl_->listening.stop();
}

}  // namespace vouchsafe::net
