#include "vouchsafe/net/tunnel.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <vector>

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kConnectTimeout{10'000};  // the DNS included

bool has_ended(Connection& connection) {
    std::lock_guard lock(connection.mutex);
    return connection.ended;
}

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
    if (!done || error) end(*connection);
}

}  // namespace

Awaitable<bool> connect_upstream(ConnectionPtr connection, std::string host, std::string port) {
    set_deadline(connection, kConnectTimeout);
    ErrorCode error;
    auto token = asio::redirect_error(kAwaitable, error);
    Executor executor = connection->deadline.get_executor();
    asio::ip::basic_resolver<tcp, Executor> resolver(executor);
    auto resolving = resolver.async_resolve(host, port, token);
    auto found = co_await std::move(resolving);
    if (error || has_ended(*connection)) co_return false;
    connection->upstream.emplace(executor);
    auto connecting = asio::async_connect(*connection->upstream, found, token);
    co_await std::move(connecting);
    co_return !error;
}

namespace {

// Inward is the direction from the real host to the client.
struct Inward {
    explicit Inward(const Executor& executor) : over(executor, Timer::time_point::max()) {}

    bool done = false;
    Timer over;  // cancelled when it is done
};

}  // namespace

Awaitable<void> run_tunnel(ConnectionPtr connection, Milliseconds idle) {
    Executor executor = connection->deadline.get_executor();
    auto going = asio::post(executor, kAwaitable);
    co_await std::move(going);
    if (has_ended(*connection)) co_return;
    connection->client.emplace(executor, tcp::v4(), connection->waiter.socket.release());
    auto inward = std::make_shared<Inward>(executor);
    Socket* client = &*connection->client;
    Socket* upstream = &*connection->upstream;
    asio::co_spawn(executor, carry(upstream, client, connection, idle),
                   [connection, inward](std::exception_ptr) {
                       inward->done = true;
                       inward->over.cancel();
                   });
    auto outward = carry(client, upstream, connection, idle);
    co_await std::move(outward);
    if (inward->done) co_return;
    ErrorCode cancelled;
    auto token = asio::redirect_error(kAwaitable, cancelled);
    auto waiting = inward->over.async_wait(token);
    co_await std::move(waiting);
}

}  // namespace vouchsafe::net
