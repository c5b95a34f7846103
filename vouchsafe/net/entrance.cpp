// Entrances of a front door: listeners that were made elsewhere, for clients that know no proxy.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "vouchsafe/net/front_door_impl.h"

namespace vouchsafe::net {

namespace {

using Door = FrontDoor::Impl;

// Way is what the connections of an entrance have to know of it.
struct Way {
    std::string name;
    Handler plain;
};
using WayPtr = std::shared_ptr<const Way>;

// listener_option is a number that a socket knows about itself; -1: it is no socket.
int listener_option(int fd, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_tcp(int fd) {
    const int domain = listener_option(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) &&
           listener_option(fd, SO_PROTOCOL) == IPPROTO_TCP;
}

bool is_unix_stream(int fd) {
    return listener_option(fd, SO_DOMAIN) == AF_UNIX && listener_option(fd, SO_TYPE) == SOCK_STREAM;
}

// adopt has `acceptor` take over a socket that listens already. Of what Asio does with a socket of
// TCP it needs accepting, reading, writing and closing, which are the same for Unix sockets; their
// peers have no address, so nobody may ask for it.
Result<void> adopt(tcp::acceptor& acceptor, UniqueFd listener, bool has_address) {
    const int fd = listener.get();
    if (!is_tcp(fd) && !(is_unix_stream(fd) && has_address)) {
        return fail(Code::invalid, "an entrance needs a TCP socket, or a Unix one with an address");
    }
    if (listener_option(fd, SO_ACCEPTCONN) != 1) {
        return fail(Code::invalid, "an entrance needs a socket that listens");
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ErrorCode error;
    acceptor.assign(listener_option(fd, SO_DOMAIN) == AF_INET6 ? tcp::v6() : tcp::v4(), fd, error);
    if (error) return fail(Code::io, "the listener cannot be used: {}", error.message());
    listener.release();
    return {};
}

void tell_no_tls(const Door* door, const Way& way, const std::optional<std::string>& name,
                 std::string why) {
    door->tell({name.value_or(""), "", "", 0, 0, std::move(why), "", way.name});
}

std::string why_no_certificate(const Door* door, const std::optional<std::string>& name) {
    if (!name) return "no TLS came about: it must begin with the name of a host (SNI)";
    if (!door->serves(*name)) return *name + " is not served here";
    return "no TLS came about";
}

Awaitable<void> serve_https(Door* door, ConnectionPtr connection, WayPtr way) {
    const auto time = std::min<Milliseconds>(kHandshakeTimeout, door->options.idle_timeout);
    connection->use_tls(door->naming);
    ssl_st* tls = connection->tls->handle();
    set_deadline(connection, time);
    auto greeting = handshake(connection);
    co_await std::move(greeting);  // never done: it stops where a certificate is needed
    std::optional<std::string> name = asked_name(tls);
    if (!wants_identity(tls) || !name) {
        tell_no_tls(door, *way, name, why_no_certificate(door, name));
        co_return;
    }
    auto minting = take_certificate(door, connection, *name);
    TlsContext context = co_await std::move(minting);
    if (!context || !use_identity(tls, context.get())) {
        tell_no_tls(door, *way, name, "no certificate could be made for this host");
        co_return;
    }
    set_deadline(connection, time);
    auto shaking = handshake(connection);
    bool ok = co_await std::move(shaking);
    if (!ok) {
        tell_no_tls(door, *way, name,
                    "no TLS came about: does the client trust the door's authority?");
        co_return;
    }
    auto answering = answer_host(door, connection, *name, way->name);
    co_await std::move(answering);
}

// answer_entrance calls `plain` unless the entrance was removed, which waits for it.
Response answer_entrance(Door* door, Intake& intake, const Way& way, const Request& request) {
    if (!door->listening.enter(intake)) return text_response(503, "this entrance was closed\n");
    Response response = call_handler(way.plain, request);
    door->listening.leave(intake);
    return response;
}

Awaitable<void> serve_http(Door* door, ConnectionPtr connection, WayPtr way) {
    IntakePtr intake = connection->intake;
    Handler handler = door->told(
        [door, intake, way](const Request& request) {
            return answer_entrance(door, *intake, *way, request);
        },
        "", way->name);
    WireLimits limits{door->options.max_header, ServerOptions().max_body};
    auto answering = answer_all(&door->listening, connection, limits, &handler);
    co_await std::move(answering);
}

}  // namespace

Result<uint64_t> FrontDoor::Impl::add_entrance(Entrance entrance) {
    const bool http = entrance.kind == Entrance::Kind::http;
    if (http && !entrance.plain) return fail(Code::invalid, "an http entrance needs a handler");
    auto way = std::make_shared<const Way>(Way{entrance.name, std::move(entrance.plain)});
    auto intake = std::make_shared<Intake>(listening.io, [this, http, way](ConnectionPtr client) {
        return http ? serve_http(this, std::move(client), way)
                    : serve_https(this, std::move(client), way);
    });
    TRY(adopt(intake->acceptor, std::move(entrance.listener), !entrance.address.empty()));
    intake->name = fmt::format("{}, {}", listening.options.name, entrance.name);
    intake->remote = std::move(entrance.address);
    intake->max_connections = options.max_connections_per_entrance;
    return listening.add(std::move(intake));
}

}  // namespace vouchsafe::net
