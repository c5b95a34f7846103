#include "vouchsafe/net/server.h"

#include <boost/asio/post.hpp>

#include "vouchsafe/net/listening.h"
#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

struct Server::Impl {
    Impl(ServerOptions wanted, Handler to_call);

    Result<void> start();
    Result<TlsContext> make_context(const TlsIdentity& identity) const;

    const Handler handler;
    Listening listening;  // last: stops before the handler goes away
};

namespace {

Awaitable<void> serve(Listening* listening, ConnectionPtr connection, const Handler* handler) {
    if (connection->tls) {
        set_deadline(connection,
                     std::min<Milliseconds>(kHandshakeTimeout, listening->options.idle_timeout));
        auto shaking = handshake(connection);
        bool ok = co_await std::move(shaking);
        if (!ok) co_return;
        connection->certificate = verified_peer(connection->tls->native_handle());
    }
    auto answering =
        answer_all(listening, connection,
                   {listening->options.max_header, listening->options.max_body}, handler);
    co_await std::move(answering);
}

}  // namespace

Server::Impl::Impl(ServerOptions wanted, Handler to_call)
    : handler(std::move(to_call)), listening(std::move(wanted), [this](ConnectionPtr connection) {
          return serve(&listening, std::move(connection), &handler);
      }) {}

Result<TlsContext> Server::Impl::make_context(const TlsIdentity& identity) const {
    SslContext context = TRY(make_server_context(identity, listening.options.client));
    return std::make_shared<asio::ssl::context>(context.release());
}

Result<void> Server::Impl::start() {
    if (listening.options.tls) listening.tls = TRY(make_context(*listening.options.tls));
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

Result<void> Server::replace_tls(const TlsIdentity& identity) {
    if (!impl_->listening.options.tls) return fail(Code::invalid, "this server speaks plain HTTP");
    TlsContext context = TRY(impl_->make_context(identity));
    Listening* listening = &impl_->listening;
    asio::post(listening->io, [listening, context] { listening->tls = context; });
    return {};
}

void Server::stop() {
    impl_->listening.stop();
}

}  // namespace vouchsafe::net
