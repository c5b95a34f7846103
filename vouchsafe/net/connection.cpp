#include "vouchsafe/net/connection.h"

#include <boost/asio/dispatch.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace vouchsafe::net {

namespace {

constexpr Milliseconds kFarewellTimeout{2'000};  // for the peer to read the last answer
constexpr size_t kFarewellBytes = 16 << 20;      // read and dropped meanwhile

using Chunk = std::array<char, kReadSize>;

// Step reads or writes as much as goes without waiting.
using Step = Io (*)(Connection&);

// receive returns how much came: of an end or an error, 0 with Io::over.
Io receive(int socket, Chunk& chunk, size_t& count) {
    const ssize_t got = ::recv(socket, chunk.data(), chunk.size(), 0);
    count = got > 0 ? static_cast<size_t>(got) : 0;
    if (got > 0) return Io::done;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? Io::wants_read : Io::over;
}

// drop reads what nobody will look at.
Io drop(int socket, size_t& count) {
    Chunk chunk;
    return receive(socket, chunk, count);
}

Io read_step(Connection& connection) {
    if (connection.tls) return connection.tls->read(connection.input);
    Chunk chunk;
    size_t count = 0;
    const Io io = receive(connection.waiter.socket.get(), chunk, count);
    connection.input.append(chunk.data(), count);
    return io;
}

Io write_step(Connection& connection) {
    const std::string& output = connection.output;
    if (connection.tls) return connection.tls->write(output, connection.sent);
    while (connection.sent < output.size()) {
        const ssize_t count =
            ::send(connection.waiter.socket.get(), output.data() + connection.sent,
                   output.size() - connection.sent, MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN || errno == EINTR ? Io::wants_write : Io::over;
        connection.sent += static_cast<size_t>(count);
    }
    return Io::done;
}

Io shake_step(Connection& connection) {
    return connection.tls->shake();
}

// take repeats a step until it is done, and waits in between. False: the connection is over.
Awaitable<bool> take(ConnectionPtr connection, Step step) {
    for (;;) {
        const Io io = step(*connection);
        if (io == Io::done) co_return true;
        if (io == Io::over) co_return false;
        auto waiting = wait_for(connection, io);
        bool ready = co_await std::move(waiting);
        if (!ready) co_return false;
    }
}

// look_when_due has the timer look when `due` has come, which may be later by then. A wait that is
// replaced ends with an error. On the I/O thread.
void look_when_due(const ConnectionPtr& connection) {
    Connection::Instant due;
    bool over = false;
    {
        std::lock_guard lock(connection->mutex);
        due = connection->looks = connection->due;
        over = due <= std::chrono::steady_clock::now();
        if (over) connection->ended = true;
    }
    if (over) return end(*connection);
    if (due == Connection::kNever) return;
    connection->deadline.expires_at(due);
    connection->deadline.async_wait([connection](ErrorCode error) {
        if (!error) look_when_due(connection);
    });
}

}  // namespace

void set_deadline(const ConnectionPtr& connection, Milliseconds time) {
    const Connection::Instant due = std::chrono::steady_clock::now() + time;
    {
        std::lock_guard lock(connection->mutex);
        connection->due = due;
        if (connection->looks <= due) return;
        connection->looks = due;
    }
    asio::dispatch(connection->deadline.get_executor(),
                   [connection] { look_when_due(connection); });
}

void clear_deadline(Connection& connection) {
    std::lock_guard lock(connection.mutex);
    connection.due = Connection::kNever;
}

bool has_deadline(Connection& connection) {
    std::lock_guard lock(connection.mutex);
    return connection.due != Connection::kNever;
}

void end(Connection& connection) {
    {
        std::lock_guard lock(connection.mutex);
        connection.ended = true;
    }
    ErrorCode ignored;
    ::shutdown(connection.waiter.socket.get(), SHUT_RDWR);
    if (connection.client) connection.client->close(ignored);
    if (connection.upstream) connection.upstream->close(ignored);
}

bool end_unless_busy(Connection& connection) {
    {
        std::lock_guard lock(connection.mutex);
        if (connection.busy) return false;
        connection.ended = true;
    }
    end(connection);
    return true;
}

void close(Connection& connection) {
    clear_deadline(connection);
    connection.deadline.cancel();
    connection.client.reset();
    connection.upstream.reset();
    connection.waiter.socket.reset();
}

bool begin_answer(Connection& connection) {
    std::lock_guard lock(connection.mutex);
    connection.due = Connection::kNever;
    connection.busy = !connection.ended;
    return connection.busy;
}

void end_answer(Connection& connection) {
    std::lock_guard lock(connection.mutex);
    connection.busy = false;
}

Awaitable<bool> wait_for(const ConnectionPtr& connection, Io wanted) {
    return connection->crew.wait(&connection->waiter, wanted);
}

Awaitable<bool> let_others_first(const ConnectionPtr& connection) {
    // Who takes his answers can be written to, and is at the end of the line then.
    return wait_for(connection, Io::wants_write);
}

Awaitable<bool> read_some(ConnectionPtr connection) {
    return take(std::move(connection), read_step);
}

Awaitable<bool> write_output(ConnectionPtr connection) {
    connection->sent = 0;
    return take(std::move(connection), write_step);
}

Awaitable<bool> handshake(ConnectionPtr connection) {
    return take(std::move(connection), shake_step);
}

Awaitable<void> say_farewell(ConnectionPtr connection) {
    set_deadline(connection, kFarewellTimeout);
    if (connection->tls) connection->tls->say_farewell();
    const int socket = connection->waiter.socket.get();
    ::shutdown(socket, SHUT_WR);
    for (size_t dropped = 0; dropped < kFarewellBytes;) {
        size_t count = 0;
        const Io io = drop(socket, count);
        if (io == Io::over) co_return;
        dropped += count;
        if (io == Io::done) continue;
        auto waiting = wait_for(connection, io);
        bool ready = co_await std::move(waiting);
        if (!ready) co_return;
    }
}

}  // namespace vouchsafe::net
