#include "vouchsafe/net/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

#include <vector>

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kConnectTimeout{10'000};  // the DNS included

// carry takes bytes from one end of a connection to the other until the first is done.
Awaitable<void> carry(Socket* from, Socket* to, ConnectionPtr connection, Milliseconds idle) {
    std::vector<char> chunk(kReadSize);
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    auto space = asio::buffer(chunk);
    while (true) {
        set_deadline(connection, idle);
        auto reading = from->async_read_some(space, token);
        size_t count = co_await std::move(reading);
        if (error) break;
        auto bytes = asio::buffer(chunk.data(), count);
        auto writing = asio::async_write(*to, bytes, token);
        co_await std::move(writing);
        // It is gone, but what it sent before may still be on its way to the other.
        if (error == asio::error::broken_pipe) co_return;
        if (error) break;
    }
    bool done = error == asio::error::eof;
    if (done) to->shutdown(tcp::socket::shutdown_send, error);
    // The other may have gone already, which its own direction finds.
    if (error == asio::error::not_connected) error = {};
    if (!done || error) connection->close();
}

}  // namespace

Awaitable<bool> connect_upstream(ConnectionPtr connection, std::string host, std::string port) {
    set_deadline(connection, kConnectTimeout);
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    auto executor = connection->socket.get_executor();
    asio::ip::basic_resolver<tcp, Executor> resolver(executor);
    auto resolving = resolver.async_resolve(host, port, token);
    auto found = co_await std::move(resolving);
    if (error || !connection->socket.is_open()) co_return false;
    connection->upstream.emplace(executor);
    auto connecting = asio::async_connect(*connection->upstream, found, token);
    co_await std::move(connecting);
    co_return !error;
}

Awaitable<void> run_tunnel(ConnectionPtr connection, Milliseconds idle) {
    auto inward_done = std::make_shared<bool>(false);
    connection->answered.expires_at(Timer::time_point::max());
    Socket* client = &connection->socket;
    Socket* upstream = &*connection->upstream;
    asio::co_spawn(connection->socket.get_executor(), carry(upstream, client, connection, idle),
                   [connection, inward_done](std::exception_ptr) {
                       *inward_done = true;
                       connection->answered.cancel();
                   });
    auto outward = carry(client, upstream, connection, idle);
    co_await std::move(outward);
    if (*inward_done) co_return;
    ErrorCode cancelled;
    auto token = asio::redirect_error(kAwaitable, cancelled);
    auto waiting = connection->answered.async_wait(token);
    co_await std::move(waiting);
}

}  // namespace vouchsafe::net
