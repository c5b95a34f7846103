// Outlets of a front door, and tunnels to them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::connect_to;
using test::Door;
using test::eventually;
using test::listen_tcp;
using test::port_of;
using test::RawClient;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kOpen = "HTTP/1.1 200 Connection established\r\n\r\n";

// Far is the far end of an outlet, with blocking calls.
class Far {
  public:
    // give makes a pair of sockets, keeps one, and returns the other.
    UniqueFd give() {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        fd_.reset(pair[0]);
        return UniqueFd(pair[1]);
    }
    int fd() const { return fd_.get(); }
    void close() { fd_.reset(); }
    bool send(std::string_view text) {
        while (!text.empty()) {
            ssize_t sent = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            text.remove_prefix(static_cast<size_t>(sent));
        }
        return true;
    }
    std::string read_all() {
        std::string out;
        char chunk[4096];
        for (ssize_t count; (count = ::recv(fd(), chunk, sizeof chunk, 0)) > 0;) {
            out.append(chunk, static_cast<size_t>(count));
        }
        return out;
    }

  private:
    UniqueFd fd_;
};

// Outside is a door with an outlet to port 22 of one address, and to some that fail.
class OutletTest : public testing::Test {
  protected:
    OutletTest() : door_([this](FrontDoorOptions& options) { change(options); }) {}

    void change(FrontDoorOptions& options) {
        options.outlet_idle_timeout = milliseconds(1500);
        options.outlet = [this](const Authority& to) -> std::optional<Result<UniqueFd>> {
            ++asked_;
            if (to.host == "login.example.org" && to.port == 22) return far_.give();
            if (to.host == "closed.example.org") {
                return fail(Code::forbidden, "port {} is not open", *to.port);
            }
            if (to.host == "dead.example.org") return fail(Code::unavailable, "it is off");
            if (to.host == "evil.example.org") {
                return fail(Code::unavailable, "a\r\nSet-Cookie: b");
            }
            if (to.host == "none.example.org") return UniqueFd();
            if (to.host == "file.example.org") return UniqueFd(::open("/dev/null", O_RDWR));
            if (to.host == "loose.example.org") return UniqueFd(::socket(AF_UNIX, SOCK_STREAM, 0));
            if (to.host == "20.61.0.4" && to.port == 22) return far_.give();
            return std::nullopt;
        };
    }

    std::atomic<int> asked_ = 0;
    Far far_;
    Door door_;
};

TEST_F(OutletTest, CarriesBothWaysAndEndsEachWayByItself) {
    for (const char* target : {"20.61.0.4:22", "login.example.org:22"}) {
        RawClient client(door_.port());
        ASSERT_TRUE(client.send(connect_to(target)));
        EXPECT_EQ(client.read_until("\r\n\r\n"), kOpen);
        ASSERT_TRUE(far_.send("SSH-2.0-server\r\n"));
        EXPECT_EQ(client.read_until("\n"), "SSH-2.0-server\r\n");
        ASSERT_TRUE(client.send("SSH-2.0-client\r\n"));
        ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
        EXPECT_EQ(far_.read_all(), "SSH-2.0-client\r\n");
        ASSERT_TRUE(far_.send("still here"));
        EXPECT_EQ(client.read_until("here"), "still here");
        far_.close();
        EXPECT_TRUE(client.closed(milliseconds(1000)));
    }
    EXPECT_THAT(door_.events(),
                ElementsAre("20.61.0.4 CONNECT  200", "login.example.org CONNECT  200"));
}

TEST_F(OutletTest, LetsTheFarEndBeDoneFirst) {
    RawClient client(door_.port());
    ASSERT_TRUE(client.send(connect_to("20.61.0.4:22")));
    client.read_until("\r\n\r\n");
    ASSERT_TRUE(far_.send("bye"));
    ASSERT_EQ(::shutdown(far_.fd(), SHUT_WR), 0);
    EXPECT_EQ(client.read_all(), "bye");  // up to the end
    ASSERT_TRUE(client.send("and you"));
    ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
    EXPECT_EQ(far_.read_all(), "and you");
}

TEST_F(OutletTest, MayBeATcpSocket) {
    UniqueFd listener = listen_tcp();
    Door door([&](FrontDoorOptions& options) {
        options.outlet = [&](const Authority&) -> std::optional<Result<UniqueFd>> {
            UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            socklen_t size = sizeof address;
            ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
            if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
                return fail(Code::unavailable, "nobody listens");
            }
            return fd;
        };
    });
    RawClient client(door.port());
    ASSERT_TRUE(client.send(connect_to("[::1]:8443")));
    EXPECT_EQ(client.read_until("\r\n\r\n"), kOpen);
    UniqueFd far(::accept(listener.get(), nullptr, nullptr));
    ASSERT_TRUE(client.send("hello"));
    char text[6] = {};
    EXPECT_EQ(::recv(far.get(), text, 5, MSG_WAITALL), 5);
    EXPECT_STREQ(text, "hello");
    far.reset();
    EXPECT_TRUE(client.closed(milliseconds(1000)));
}

TEST_F(OutletTest, IsAskedForWhatNoHostServesAlone) {
    EXPECT_THAT(MUST(door_.client().send({.url = "https://login.example.org/"})).body,
                StartsWith("login "));
    EXPECT_THAT(door_.say(connect_to("20.61.0.4:22") + "SSH"),
                StartsWith("HTTP/1.1 400 nothing may follow"));
    EXPECT_THAT(door_.say("CONNECT 127.1:22 HTTP/1.1\r\nHost: h\r\n\r\n"),
                StartsWith("HTTP/1.1 400"));
    EXPECT_EQ(asked_, 0);
    // What it does not know is refused as without it.
    EXPECT_THAT(door_.say(connect_to("20.61.0.4:23")),
                StartsWith("HTTP/1.1 403 only port 443 can be connected to, not 23\r\n"));
    EXPECT_THAT(door_.say(connect_to("20.61.0.5:443")),
                StartsWith("HTTP/1.1 403 20.61.0.5 is not served here"));
    EXPECT_EQ(asked_, 2);
}

TEST_F(OutletTest, SaysWhyItDoesNotOpen) {
    EXPECT_THAT(door_.say(connect_to("closed.example.org:8080")),
                AllOf(StartsWith("HTTP/1.1 403 port 8080 is not open\r\n"),
                      testing::EndsWith("port 8080 is not open\n")));
    EXPECT_THAT(door_.say(connect_to("dead.example.org:22")),
                StartsWith("HTTP/1.1 502 it is off\r\n"));
    std::string evil = door_.say(connect_to("evil.example.org:22"));
    EXPECT_THAT(evil, StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
    EXPECT_EQ(evil.find("Set-Cookie"), evil.find("\r\n\r\n") + 7) << evil;  // in the body alone
    for (const char* target :
         {"none.example.org:22", "file.example.org:22", "loose.example.org:22"})
        EXPECT_THAT(door_.say(connect_to(target)), StartsWith("HTTP/1.1 502 the outlet is no"));
    EXPECT_THAT(door_.events(), testing::Contains("dead.example.org CONNECT  502"));
}

TEST_F(OutletTest, EndsWhereNobodyIs) {
    // The far end is gone at once, or never takes or says anything.
    RawClient gone(door_.port());
    ASSERT_TRUE(gone.send(connect_to("20.61.0.4:22")));
    gone.read_until("\r\n\r\n");
    far_.close();
    EXPECT_TRUE(gone.closed(milliseconds(1000)));

    RawClient silent(door_.port());
    ASSERT_TRUE(silent.send(connect_to("20.61.0.4:22")));
    silent.read_until("\r\n\r\n");
    ASSERT_EQ(::fcntl(silent.fd(), F_SETFL, O_NONBLOCK), 0);
    while (silent.send(std::string(1 << 16, 'x'))) {
    }
    auto begin = test::Clock::now();
    EXPECT_TRUE(silent.closed(milliseconds(4000)));
    EXPECT_GT(test::since(begin), milliseconds(1000));
}

TEST_F(OutletTest, DeliversTheLastWordsOfAFarEndThatIsGone) {
    RawClient client(door_.port());
    ASSERT_TRUE(client.send(connect_to("20.61.0.4:22")));
    client.read_until("\r\n\r\n");
    // It says as much as fits anywhere on the way while the client takes nothing, and goes.
    const std::string words(1 << 16, 'y');
    size_t said = 0;
    for (auto last = test::Clock::now(); test::since(last) < milliseconds(200);) {
        ssize_t count = ::send(far_.fd(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0) continue;
        said += static_cast<size_t>(count);
        last = test::Clock::now();
    }
    far_.close();
    client.send("are you there?");
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_EQ(client.read_all(milliseconds(5000)).size(), said);
}

TEST_F(OutletTest, KeepsNobodyElseWaiting) {
    std::promise<void> go;
    std::shared_future<void> gone(go.get_future());
    std::atomic<int> inside = 0;
    Door door([&](FrontDoorOptions& options) {
        options.outlet = [&](const Authority&) -> std::optional<Result<UniqueFd>> {
            ++inside;
            gone.wait();
            return std::nullopt;
        };
    });
    RawClient slow(door.port());
    ASSERT_TRUE(slow.send(connect_to("20.61.0.4:22")));
    ASSERT_TRUE(eventually([&] { return inside == 1; }));
    EXPECT_EQ(MUST(door.client().send({.url = "https://login.example.org/"})).status, 200);
    go.set_value();
    EXPECT_THAT(slow.read_all(), StartsWith("HTTP/1.1 403"));
}

TEST_F(OutletTest, StopsWithTunnelsOpen) {
    RawClient client(door_.port());
    ASSERT_TRUE(client.send(connect_to("20.61.0.4:22")));
    client.read_until("\r\n\r\n");
    auto begin = test::Clock::now();
    door_.door().stop();
    EXPECT_LT(test::since(begin), milliseconds(1000));
    EXPECT_TRUE(client.closed());
    EXPECT_EQ(far_.read_all(), "");
}

}  // namespace
}  // namespace vouchsafe::net
