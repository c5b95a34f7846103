// What becomes of CONNECT: a host of the door, or a real host.
#include "vouchsafe/base/log.h"
#include "vouchsafe/net/front_door_impl.h"
#include "vouchsafe/net/tunnel.h"

namespace vouchsafe::net {

namespace {

using Door = FrontDoor::Impl;

constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";

// refuse_connect answers a CONNECT that comes to nothing, and ends the connection. The reason also
// is the reason phrase: many clients show nothing else.
Awaitable<void> refuse_connect(Door* door, ConnectionPtr connection, int status, std::string why) {
    DoorEvent event{connection->request.host, "CONNECT", "", status, 0, why, ""};
    event.host = event.host.substr(0, event.host.rfind(':'));
    door->tell(event);
    connection->response = text_response(status, why + "\n");
    ResponseForm form;
    form.keep_alive = false;
    if (is_header_value(why)) form.reason = std::move(why);
    auto sending = send_response(&door->listening, connection, form);
    co_await std::move(sending);
}

// establish tells the client that its tunnel is there. False: the connection is over.
Awaitable<bool> establish(Door* door, ConnectionPtr connection) {
    connection->request = {};
    connection->output = kEstablished;
    set_deadline(connection, door->options.idle_timeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    connection->output = {};
    co_return written;
}

Awaitable<void> serve_host(Door* door, ConnectionPtr connection, std::string name) {
    auto minting = take_certificate(door, connection, name);
    TlsContext context = co_await std::move(minting);
    if (!context) {
        auto refusing =
            refuse_connect(door, connection, 502, "no certificate could be made for this host");
        co_await std::move(refusing);
        co_return;
    }
    auto establishing = establish(door, connection);
    bool established = co_await std::move(establishing);
    if (!established) co_return;
    connection->use_tls(context);
    set_deadline(connection, std::min<Milliseconds>(kHandshakeTimeout, door->options.idle_timeout));
    auto shaking = handshake(connection);
    bool ok = co_await std::move(shaking);
    if (!ok) {
        door->tell({name, "CONNECT", "", 0, 0,
                    "no TLS came about: does the client trust the door's authority?", ""});
        co_return;
    }
    auto answering = answer_host(door, connection, name, "");
    co_await std::move(answering);
}

Awaitable<void> pass_through(Door* door, ConnectionPtr connection, std::string name) {
    std::string host = name;
    std::string port = std::to_string(kHttps);
    auto known = door->options.connect_to.find(fmt::format("{}:{}", name, port));
    if (known != door->options.connect_to.end()) {
        size_t colon = known->second.rfind(':');
        host = known->second.substr(0, colon);
        port = known->second.substr(colon + 1);
    }
    auto connecting = connect_upstream(connection, host, port);
    bool connected = co_await std::move(connecting);
    if (!connected) {
        auto refusing = refuse_connect(door, connection, 502, name + " cannot be reached");
        co_await std::move(refusing);
        co_return;
    }
    auto establishing = establish(door, connection);
    bool established = co_await std::move(establishing);
    if (!established) co_return;
    door->tell({name, "CONNECT", "", 200, 0, "passed through to the real host", ""});
    auto running = run_tunnel(connection, door->options.tunnel_idle_timeout);
    co_await std::move(running);
}

}  // namespace

Awaitable<TlsContext> take_certificate(FrontDoor::Impl* door, ConnectionPtr connection,
                                       std::string name) {
    Result<TlsContext> context = fail(Code::internal, "not made");
    auto minting = run_in_turn(&door->listening, connection,
                               [door, &context, &name] { context = door->minted.take(name); });
    bool ran = co_await std::move(minting);
    if (!ran) co_return nullptr;
    if (context) co_return std::move(*context);
    log_event(LogLevel::error, "no certificate could be made",
              {{"host", name}, {"reason", context.error().message}});
    co_return nullptr;
}

Awaitable<void> answer_host(FrontDoor::Impl* door, ConnectionPtr connection, std::string name,
                            std::string entrance) {
    std::shared_ptr<const HostTable> table = door->table();
    const HostTable::Host* host = table->find(name);
    if (host == nullptr) co_return;
    WireLimits limits{door->options.max_header, host->max_body};
    table = nullptr;  // requests look for themselves: the host may go, or another take its place
    Handler handler = door->told(
        [door, name](const Request& request) { return door->answer_inside(request, name); }, name,
        std::move(entrance));
    auto answering = answer_all(&door->listening, connection, limits, &handler);
    co_await std::move(answering);
}

Awaitable<void> serve_connect(FrontDoor::Impl* door, ConnectionPtr connection) {
    Door::Judgement judged = door->judge(connection->request.host, !connection->input.empty());
    if (judged.served) {
        auto serving = serve_host(door, connection, judged.to.host);
        co_await std::move(serving);
        co_return;
    }
    if (judged.tunnel) {
        auto passing = pass_through(door, connection, judged.to.host);
        co_await std::move(passing);
        co_return;
    }
    auto refusing = refuse_connect(door, connection, judged.status, judged.why);
    co_await std::move(refusing);
}

}  // namespace vouchsafe::net
