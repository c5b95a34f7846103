// Entrances of a front door.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/un.h>

#include <atomic>
#include <fstream>
#include <future>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::Door;
using test::enter_http;
using test::enter_https;
using test::Entered;
using test::eventually;
using test::kUnrecognizedName;
using test::listen_tcp;
using test::port_of;
using test::RawClient;
using test::say_remote;
using test::TlsClient;
using test::Visitor;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

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

// listen_unix is a socket that listens at a name that the kernel chooses.
UniqueFd listen_unix(sockaddr_un& address, socklen_t& size) {
    UniqueFd out(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    address = {};
    address.sun_family = AF_UNIX;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(out.get(), name, sizeof(sa_family_t)), 0);
    EXPECT_EQ(::listen(out.get(), 8), 0);
    size = sizeof address;
    EXPECT_EQ(::getsockname(out.get(), name, &size), 0);
    return out;
}

TEST(Entrance, MayBeAUnixSocketWithAnAddressOfItsOwn) {
    Door door(
        [](FrontDoorOptions& options) { options.hosts.add("who.example.org", {say_remote}); });
    auto enter = [&](Entrance::Kind kind, const std::string& address) -> UniqueFd {
        sockaddr_un at{};
        socklen_t size = 0;
        Entrance entrance;
        entrance.listener = listen_unix(at, size);
        entrance.kind = kind;
        entrance.name = "vm1";
        entrance.address = address;
        if (kind == Entrance::Kind::http) entrance.plain = say_remote;
        auto added = door.door().add_entrance(std::move(entrance));
        if (!added) return {};
        UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
        return client;
    };
    const UniqueFd https = enter(Entrance::Kind::https, "10.0.0.4");
    TlsClient client(https.get(), "who.example.org", door.authority().pem());
    ASSERT_EQ(client.shake(), 0);
    EXPECT_THAT(client.get("who.example.org"), HasSubstr("10.0.0.4 who.example.org / tls"));
    const UniqueFd stranger = enter(Entrance::Kind::https, "10.0.0.4");
    TlsClient other(stranger.get(), "www.example.com", door.authority().pem());
    EXPECT_EQ(other.shake(), kUnrecognizedName);

    const UniqueFd http = enter(Entrance::Kind::http, "10.0.0.5");
    const std::string_view request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    ASSERT_EQ(::send(http.get(), request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char chunk[1024];
    for (ssize_t count; (count = ::recv(http.get(), chunk, sizeof chunk, 0)) > 0;) {
        answer.append(chunk, static_cast<size_t>(count));
    }
    EXPECT_THAT(answer, HasSubstr("10.0.0.5 h / plain"));
    // Who comes in there has no address of its own that could be told.
    EXPECT_FALSE(enter(Entrance::Kind::http, ""));
}

TEST(Entrance, TakesNothingButAListeningStreamSocket) {
    Door door;
    auto refused = [&](int fd) {
        Entrance entrance;
        entrance.listener = UniqueFd(fd);
        entrance.address = "10.0.0.4";
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
    EXPECT_TRUE(refused(::socket(AF_UNIX, SOCK_STREAM, 0)));
    int local = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
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

// Blocking is a handler that waits until it is let go, and how many are in it.
struct Blocking {
    std::promise<void> go;
    std::shared_future<void> gone{go.get_future()};
    std::atomic<int> inside = 0;
    std::atomic<int> calls = 0;

    Handler handler() {
        return [this](const Request&) {
            ++calls;
            ++inside;
            gone.wait_for(std::chrono::seconds(5));  // so that a test that fails ends
            --inside;
            return text_response(200, "late");
        };
    }
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// ask_all has so many clients send one request each.
std::vector<std::unique_ptr<RawClient>> ask_all(uint16_t port, int count) {
    std::vector<std::unique_ptr<RawClient>> out;
    for (int i = 0; i < count; ++i) {
        out.push_back(std::make_unique<RawClient>(port));
        EXPECT_TRUE(out.back()->send(kGet));
    }
    return out;
}

bool is_served(Door& door) {
    Client client = door.client();
    auto answer = client.send({.url = "https://login.example.org/"});
    return answer && answer->status == 200;
}

TEST(Entrance, ResumesNoSession) {
    Door door;
    Entered entered = enter_https(door);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Visitor visitor(door, entered, "login.example.org", version);
        ASSERT_EQ(visitor.tls.shake(), 0);
        EXPECT_THAT(visitor.tls.get("login.example.org"), StartsWith("HTTP/1.1 200"));
        EXPECT_FALSE(visitor.tls.resumable()) << version;
    }
}

TEST(Entrance, MakesCertificatesBesideEverythingElse) {
    Blocking minting;
    Door door([&](FrontDoorOptions& options) {
        options.mint = [&, mint = options.mint](const std::string& name) {
            if (name.starts_with("slow")) minting.handler()({});
            return mint(name);
        };
    });
    Entered entered = enter_https(door);
    auto slow = std::async(std::launch::async, [&] {
        Visitor visitor(door, entered, "slow.vault.example.org");
        return visitor.tls.shake();
    });
    ASSERT_TRUE(eventually([&] { return minting.inside == 1; }));
    EXPECT_TRUE(is_served(door));
    Visitor other(door, entered, "login.example.org");
    EXPECT_EQ(other.tls.shake(), 0);
    minting.go.set_value();
    EXPECT_EQ(slow.get(), 0);
}

TEST(Entrance, EndsTheHandshakeIfNoCertificateCanBeMade) {
    Door door([](FrontDoorOptions& options) {
        options.mint = [](const std::string&) -> Result<TlsIdentity> {
            return fail(Code::io, "secret");
        };
    });
    Entered entered = enter_https(door);
    Visitor visitor(door, entered, "login.example.org");
    EXPECT_NE(visitor.tls.shake(), 0);
    EXPECT_TRUE(eventually([&] { return !door.events().empty(); }));
    EXPECT_THAT(door.events(), ElementsAre("login.example.org   0 by vm1"));
}

TEST(Entrance, HasSoManyConnectionsAndNoMore) {
    Door door([](FrontDoorOptions& options) {
        options.max_connections = 4;
        options.max_connections_per_entrance = 3;
    });
    Entered one = enter_http(door, say_remote, "vm1");
    Entered two = enter_http(door, say_remote, "vm2");
    auto opened = [](RawClient& client) {
        return client.send(kGet) && client.read_until(" plain") != "";
    };
    std::vector<std::unique_ptr<RawClient>> ones;
    for (int i = 0; i < 3; ++i) {
        ones.push_back(std::make_unique<RawClient>(one.port));
        EXPECT_TRUE(opened(*ones.back()));
    }
    RawClient fourth(one.port);
    EXPECT_TRUE(fourth.closed(milliseconds(500)));
    // All entrances together have four, and the door itself four of its own.
    RawClient first_of_two(two.port);
    EXPECT_TRUE(opened(first_of_two));
    RawClient second_of_two(two.port);
    EXPECT_TRUE(second_of_two.closed(milliseconds(500)));
    EXPECT_TRUE(is_served(door));
    ones.pop_back();
    EXPECT_TRUE(eventually([&] {
        RawClient again(two.port);
        return opened(again);
    }));
}

TEST(Entrance, KeepsItselfWaitingAndNobodyElse) {
    Blocking one_blocks, two_blocks;
    Door door([](FrontDoorOptions& options) { options.workers = 4; });
    Entered one = enter_http(door, one_blocks.handler(), "vm1");
    auto ones = ask_all(one.port, 6);
    ASSERT_TRUE(eventually([&] { return one_blocks.inside == 2; }));
    // Another machine, and the door.
    Entered quick = enter_https(door, "vm3");
    Visitor visitor(door, quick, "login.example.org");
    ASSERT_EQ(visitor.tls.shake(), 0);
    EXPECT_THAT(visitor.tls.get("login.example.org"), StartsWith("HTTP/1.1 200"));
    EXPECT_TRUE(is_served(door));
    // Two machines together have three of four workers.
    Entered two = enter_http(door, two_blocks.handler(), "vm2");
    auto twos = ask_all(two.port, 6);
    ASSERT_TRUE(eventually([&] { return two_blocks.inside == 1; }));
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_EQ(one_blocks.inside, 2);
    EXPECT_EQ(two_blocks.inside, 1);
    EXPECT_TRUE(is_served(door));
    one_blocks.go.set_value();
    two_blocks.go.set_value();
    for (auto* clients : {&ones, &twos}) {
        for (auto& client : *clients) {
            EXPECT_THAT(client->read_until("late"), StartsWith("HTTP/1.1 200"));
        }
    }
}

TEST(Entrance, IsClosedWithItsConnectionsAndItsHandlerIsWaitedFor) {
    Blocking blocks;
    Door door([](FrontDoorOptions& options) { options.workers = 4; });
    Entered entered = enter_http(door, blocks.handler());
    Entered other = enter_http(door, say_remote, "vm2");
    RawClient idle(entered.port);
    RawClient stays(other.port);
    auto asking = ask_all(entered.port, 6);
    ASSERT_TRUE(eventually([&] { return blocks.inside == 2; }));
    std::vector<std::future<void>> removing;
    for (int i = 0; i < 2; ++i) {
        removing.push_back(
            std::async(std::launch::async, [&] { door.door().remove_entrance(entered.id); }));
    }
    EXPECT_TRUE(idle.closed());
    for (auto& client : asking) EXPECT_EQ(client->read_all(), "");
    EXPECT_FALSE(RawClient(entered.port).connected());
    for (auto& thread : removing) {
        EXPECT_EQ(thread.wait_for(milliseconds(50)), std::future_status::timeout);
    }
    blocks.go.set_value();
    for (auto& thread : removing) thread.get();
    EXPECT_EQ(blocks.inside, 0);
    EXPECT_EQ(blocks.calls, 2);  // those that waited for a worker are not begun
    door.door().remove_entrance(entered.id);
    door.door().remove_entrance(12345);
    ASSERT_TRUE(stays.send(kGet));
    EXPECT_THAT(stays.read_until(" plain"), StartsWith("HTTP/1.1 200"));
}

TEST(Entrance, CanBeRemovedByARequestThatCameThroughIt) {
    Door* whole = nullptr;
    uint64_t id = 0;
    std::atomic<bool> removed = false;
    Door door([&](FrontDoorOptions& options) {
        options.hosts.add("management.example.org", {[&](const Request&) {
                              whole->door().remove_entrance(id);
                              removed = true;
                              return text_response(200, "deleted");
                          }});
    });
    whole = &door;
    Entered entered = enter_https(door);
    id = entered.id;
    Visitor visitor(door, entered, "management.example.org");
    ASSERT_EQ(visitor.tls.shake(), 0);
    EXPECT_EQ(visitor.tls.get("management.example.org"), "");
    EXPECT_TRUE(eventually([&] { return removed.load(); }));
    EXPECT_FALSE(RawClient(entered.port).connected());
    EXPECT_TRUE(is_served(door));
}

TEST(Entrance, IsRemovedWhileACertificateIsMade) {
    Blocking minting;
    Door door([&](FrontDoorOptions& options) {
        options.mint = [&, mint = options.mint](const std::string& name) {
            minting.handler()({});
            return mint(name);
        };
    });
    Entered entered = enter_https(door);
    auto shaking = std::async(std::launch::async, [&] {
        Visitor visitor(door, entered, "login.example.org");
        return visitor.tls.shake();
    });
    ASSERT_TRUE(eventually([&] { return minting.inside == 1; }));
    door.door().remove_entrance(entered.id);
    EXPECT_NE(shaking.get(), 0);
    minting.go.set_value();
    EXPECT_TRUE(is_served(door));
}

TEST(Entrance, StopsWithTheDoor) {
    Blocking blocks;
    Door door;
    Entered http = enter_http(door, blocks.handler());
    Entered https = enter_https(door);
    RawClient silent(https.port);
    auto asking = ask_all(http.port, 4);
    ASSERT_TRUE(eventually([&] { return blocks.inside == 4; }));
    auto waiting = ask_all(http.port, 4);
    auto stopping = std::async(std::launch::async, [&] { door.door().stop(); });
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(eventually([&] { return !RawClient(http.port).connected(); }));
    blocks.go.set_value();
    stopping.get();
    // As a server's stop does: what runs is answered for, and nobody is left hanging.
    for (auto& client : asking) {
        EXPECT_THAT(client->read_until("late"), StartsWith("HTTP/1.1 200"));
    }
    for (auto& client : waiting) EXPECT_TRUE(client->closed());
    door.door().remove_entrance(http.id);
    door.door().remove_entrance(https.id);
}

TEST(Entrance, OfAListenerThatSomebodyElseEndsIsLeftAlone) {
    Door door;
    Entrance entrance;
    entrance.listener = listen_tcp();
    UniqueFd copy(::dup(entrance.listener.get()));
    uint64_t id = MUST(door.door().add_entrance(std::move(entrance)));
    EXPECT_TRUE(eventually([&] { return RawClient(port_of(copy.get())).connected(); }));
    ASSERT_EQ(::shutdown(copy.get(), SHUT_RD), 0);
    EXPECT_TRUE(is_served(door));
    door.door().remove_entrance(id);
    EXPECT_TRUE(is_served(door));
}

int threads_of_this_process() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
    }
    return -1;
}

TEST(Entrance, CostsNoThread) {
    Door door;
    const int before = threads_of_this_process();
    std::vector<Entered> entered;
    for (int i = 0; i < 100; ++i) {
        entered.push_back(enter_https(door, fmt::format("vm{}", i)));
        entered.push_back(enter_http(door, say_remote, fmt::format("vm{}", i)));
    }
    for (size_t i = 1; i < entered.size(); i += 2) {
        RawClient client(entered[i].port);
        ASSERT_TRUE(client.send(kGet));
        EXPECT_THAT(client.read_until(" plain"), StartsWith("HTTP/1.1 200"));
    }
    EXPECT_EQ(threads_of_this_process(), before);
    for (const Entered& one : entered) door.door().remove_entrance(one.id);
}

TEST(Entrance, ComesAndGoesWhileClientsCome) {
    Door door;
    std::atomic<bool> done = false;
    std::atomic<uint16_t> https_port = 0, http_port = 0;
    std::atomic<int> answered = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 2; ++i) {
        clients.emplace_back([&] {
            while (!done) {
                RawClient raw(https_port);
                if (!raw.connected()) continue;
                TlsClient tls(raw.fd(), "login.example.org", door.authority().pem());
                if (tls.shake() == 0 && tls.get("login.example.org") != "") ++answered;
            }
        });
        clients.emplace_back([&] {
            while (!done) {
                RawClient raw(http_port);
                if (raw.connected() && raw.send(kGet) && raw.read_until(" plain") != "") ++answered;
            }
        });
    }
    for (int i = 0; i < 60; ++i) {
        // What a handler borrows goes when its entrance has: nobody may be in it then.
        auto borrowed = std::make_unique<std::string>("alive");
        Entered https = enter_https(door);
        Entered http = enter_http(door, [text = borrowed.get()](const Request& request) {
            EXPECT_EQ(*text, "alive");
            return say_remote(request);
        });
        https_port = https.port;
        http_port = http.port;
        std::this_thread::sleep_for(milliseconds(10));
        door.door().remove_entrance(https.id);
        door.door().remove_entrance(http.id);
        *borrowed = "gone";
        borrowed.reset();
    }
    done = true;
    for (std::thread& client : clients) client.join();
    EXPECT_GT(answered, 20);
    EXPECT_TRUE(is_served(door));
}

}  // namespace
}  // namespace vouchsafe::net
