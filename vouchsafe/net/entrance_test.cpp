// Entrances of a front door.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/un.h>

#include <future>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::Door;
using test::eventually;
using test::listen_tcp;
using test::port_of;
using test::RawClient;
using test::TlsClient;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kUnrecognizedName = 112;  // RFC 6066, 3

Response say_remote(const Request& request) {
    return text_response(200, fmt::format("{} {} {} {}", request.remote, request.host,
                                          request.target, request.tls ? "tls" : "plain"));
}

// Entered is an entrance of a door.
struct Entered {
    uint64_t id = 0;
    uint16_t port = 0;
};

Entered enter_https(Door& door, const std::string& name = "vm1") {
    Entrance entrance;
    entrance.listener = listen_tcp();
    entrance.name = name;
    entrance.address = "10.0.0.4";
    const uint16_t port = port_of(entrance.listener.get());
    return {MUST(door.door().add_entrance(std::move(entrance))), port};
}

Entered enter_http(Door& door, Handler plain, const std::string& name = "vm1") {
    Entrance entrance;
    entrance.listener = listen_tcp();
    entrance.kind = Entrance::Kind::http;
    entrance.name = name;
    entrance.address = "10.0.0.4";
    entrance.plain = std::move(plain);
    const uint16_t port = port_of(entrance.listener.get());
    return {MUST(door.door().add_entrance(std::move(entrance))), port};
}

// Visitor is a TLS client at an entrance.
struct Visitor {
    Visitor(const Door& door, const Entered& entered, const std::string& name, int version = 0)
        : raw(entered.port), tls(raw.fd(), name, door.authority().pem(), version) {}
    RawClient raw;
    TlsClient tls;
};

TEST(Entrance, ServesTheHostThatTheClientNames) {
    Door door(
        [](FrontDoorOptions& options) { options.hosts.add("who.example.org", {say_remote}); });
    Entered entered = enter_https(door);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Visitor visitor(door, entered, "who.example.org", version);
        ASSERT_EQ(visitor.tls.shake(), 0);
        EXPECT_THAT(
            visitor.tls.get("who.example.org", "/a?b=c"),
            AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("10.0.0.4 who.example.org /a?b=c tls")));
        EXPECT_THAT(visitor.tls.get("WHO.example.org:443"), StartsWith("HTTP/1.1 200"));
    }
    Visitor vault(door, entered, "My.Vault.Example.org");
    ASSERT_EQ(vault.tls.shake(), 0);
    EXPECT_THAT(vault.tls.get("my.vault.example.org"), HasSubstr("vault my.vault.example.org"));
    EXPECT_THAT(door.minted(), ElementsAre("who.example.org", "my.vault.example.org"));
    EXPECT_THAT(door.events(), testing::Contains("who.example.org GET /a 200 by vm1"));
}

TEST(Entrance, RefusesTheHandshakeWithoutANameThatIsServed) {
    Door door;
    Entered entered = enter_https(door);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const char* name : {"", "www.example.com", "vault.example.org", "localhost",
                                 "a.b.vault.example.org", "127.0.0.1", "login.example.org.",
                                 "login.example.org:443", "user@login.example.org", "*"}) {
            Visitor visitor(door, entered, name, version);
            EXPECT_EQ(visitor.tls.shake(), kUnrecognizedName) << name;
        }
    }
    EXPECT_THAT(door.minted(), ElementsAre());
    EXPECT_THAT(door.events(), testing::Contains("www.example.com   0 by vm1"));
}

TEST(Entrance, LetsAConnectionReachTheNamedHostAlone) {
    Door door;
    Entered entered = enter_https(door);
    for (const char* host : {"my.vault.example.org", "login.example.org:8443", "169.254.169.254"}) {
        Visitor visitor(door, entered, "login.example.org");
        ASSERT_EQ(visitor.tls.shake(), 0);
        EXPECT_THAT(visitor.tls.get(host), StartsWith("HTTP/1.1 421")) << host;
    }
}

TEST(Entrance, AnswersPlainRequestsWithItsOwnHandler) {
    Door door;
    Entered one = enter_http(door, say_remote);
    RawClient client(one.port);
    ASSERT_TRUE(
        client.send("GET /metadata/instance?x=1 HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"));
    EXPECT_THAT(client.read_until(" plain"),
                HasSubstr("10.0.0.4 169.254.169.254 /metadata/instance?x=1 plain"));
    EXPECT_THAT(door.events(), ElementsAre("169.254.169.254 GET /metadata/instance 200 by vm1"));
    // It is no proxy, nor the way to the door's pages.
    RawClient other(one.port);
    ASSERT_TRUE(other.send(test::connect_to("login.example.org:443")));
    EXPECT_THAT(other.read_all(), StartsWith("HTTP/1.1 400"));
}

TEST(Entrance, TakesNothingButAListeningTcpSocket) {
    Door door;
    auto refused = [&](int fd) {
        Entrance entrance;
        entrance.listener = UniqueFd(fd);
        auto added = door.door().add_entrance(std::move(entrance));
        return !added && added.error().code == Code::invalid;
    };
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    EXPECT_TRUE(refused(-1));
    EXPECT_TRUE(refused(pipe[0]));
    EXPECT_TRUE(refused(pipe[1]));
    EXPECT_TRUE(refused(::socket(AF_INET, SOCK_STREAM, 0)));  // does not listen
    EXPECT_TRUE(refused(::socket(AF_INET, SOCK_DGRAM, 0)));
    int local = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un anywhere{};
    anywhere.sun_family = AF_UNIX;
    ASSERT_EQ(::bind(local, reinterpret_cast<sockaddr*>(&anywhere), sizeof(sa_family_t)), 0);
    ASSERT_EQ(::listen(local, 1), 0);
    EXPECT_TRUE(refused(local));
    Entrance no_handler;
    no_handler.listener = listen_tcp();
    no_handler.kind = Entrance::Kind::http;
    EXPECT_FALSE(door.door().add_entrance(std::move(no_handler)));
    door.door().stop();
    Entrance late;
    late.listener = listen_tcp();
    auto added = door.door().add_entrance(std::move(late));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Code::unavailable);
}

}  // namespace
}  // namespace vouchsafe::net
