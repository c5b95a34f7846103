// A visit (connection, TLS 1.3 handshake, one request) through an entrance of the front door, by
// the name that the client asks for, beside the same through CONNECT and at a plain server. Client
// and server are one process; the ways take turns.
#include <cstdio>

#include "bench/environment.h"
#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::bench {
namespace {

using net::test::RawClient;
using net::test::TlsClient;

constexpr int kRounds = 20;
constexpr int kVisits = 50;  // in a round
const std::string kName = "login.example.org";

struct Kind {
    const char* name;
    uint16_t port;
    bool connect;
    double wall = 0;
    double cpu = 0;
};

void need(bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "%s failed\n", what);
    std::exit(1);
}

void visit(const Kind& kind, const std::string& authority) {
    RawClient client(kind.port);
    if (kind.connect) {
        need(client.send(net::test::connect_to(kName + ":443")), "CONNECT");
        need(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"), "CONNECT");
    }
    TlsClient tls(client.fd(), kName, authority);
    need(tls.shake() == 0, "handshake");
    need(tls.get(kName).starts_with("HTTP/1.1 200"), "request");
}

void run(Kind& kind, const std::string& authority) {
    const double cpu = cpu_seconds();
    const Stopwatch watch;
    for (int i = 0; i < kVisits; ++i) visit(kind, authority);
    kind.wall += watch.seconds();
    kind.cpu += cpu_seconds() - cpu;
}

void measure() {
    net::test::Authority authority;
    const net::Handler handler = [](const net::Request&) { return net::text_response(200, "ok"); };
    net::FrontDoorOptions options;
    options.hosts.add(kName, {handler});
    options.mint = [&](const std::string& name) { return authority.issue(name); };
    auto door = MUST(net::FrontDoor::start(std::move(options)));
    net::Entrance entrance;
    entrance.listener = net::test::listen_tcp();
    const uint16_t port = net::test::port_of(entrance.listener.get());
    MUST(door->add_entrance(std::move(entrance)));
    net::ServerOptions plain;
    plain.tls = authority.issue(kName);
    auto server = MUST(net::Server::start(std::move(plain), handler));

    Kind kinds[] = {{"CONNECT", door->port(), true},
                    {"entrance", port, false},
                    {"server", server->port(), false}};
    const std::string pem = authority.pem();
    for (Kind& kind : kinds) visit(kind, pem);  // certificates are made
    for (int i = 0; i < kRounds; ++i) {
        for (Kind& kind : kinds) run(kind, pem);
    }
    for (const Kind& kind : kinds) {
        constexpr int kAll = kRounds * kVisits;
        std::printf("%-8s  %.3f ms a visit (%.2f of CONNECT), %.3f ms of CPU (%.2f)\n", kind.name,
                    kind.wall / kAll * 1000, kind.wall / kinds[0].wall, kind.cpu / kAll * 1000,
                    kind.cpu / kinds[0].cpu);
    }
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::measure();
}
