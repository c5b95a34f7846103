#include "vouchsafe/net/connection.h"

#include <boost/asio/write.hpp>

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kFarewellTimeout{2'000};  // for the peer to read the last answer
constexpr size_t kFarewellBytes = 16 << 20;      // read and dropped meanwhile

}  // namespace

namespace {

// look_when_due has the timer look when `due` has come, which may be later by then. A wait that is
// replaced ends with an error.
void look_when_due(const ConnectionPtr& connection) {
    connection->looks = connection->due;
    connection->deadline.expires_at(connection->due);
    connection->deadline.async_wait([connection](ErrorCode error) {
        if (error) return;
        connection->looks = Timer::time_point::max();
        if (connection->due == Timer::time_point::max()) return;
        if (connection->due > std::chrono::steady_clock::now()) return look_when_due(connection);
        connection->close();
    });
}

}  // namespace

void set_deadline(const ConnectionPtr& connection, Milliseconds time) {
    connection->due = std::chrono::steady_clock::now() + time;
    if (connection->looks > connection->due) look_when_due(connection);
}

void clear_deadline(const ConnectionPtr& connection) {
    connection->due = Timer::time_point::max();
}

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

}  // namespace vouchsafe::net
