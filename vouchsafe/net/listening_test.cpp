// What holds while handlers take all the time there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using test::eventually;
using test::RawClient;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kAsk = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

// Blocked is a server whose handlers wait until it is told to let them go.
class Blocked {
  public:
    // announced: the handlers say that they wait.
    explicit Blocked(ServerOptions options, bool announced = false) {
        const auto wait = [this, announced](const Request& request) {
            std::optional<Blocking> blocking;
            if (announced) blocking.emplace();
            std::unique_lock lock(mutex_);
            most_ = std::max(most_, ++running_);
            changed_.wait(lock, [this] { return open_; });
            --running_;
            return text_response(200, "answered " + request.target);
        };
        server_ = test::start(wait, std::move(options));
    }
    ~Blocked() { let_go(); }
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

    Server& server() { return *server_; }
    uint16_t port() const { return server_->port(); }
    unsigned running() {
        std::lock_guard lock(mutex_);
        return running_;
    }
    unsigned most_at_once() {
        std::lock_guard lock(mutex_);
        return most_;
    }
    void let_go() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    unsigned running_ = 0;
    unsigned most_ = 0;
    std::unique_ptr<Server> server_;  // last: stops before the rest goes away
};

// ask sends requests on so many connections.
std::vector<std::unique_ptr<RawClient>> ask(Blocked& blocked, size_t count) {
    std::vector<std::unique_ptr<RawClient>> out;
    while (out.size() < count) {
        out.push_back(std::make_unique<RawClient>(blocked.port()));
        EXPECT_TRUE(out.back()->send(kAsk));
    }
    return out;
}

TEST(BusyServer, RunsSoManyHandlersAtOnceAndAnswersTheOthersLater) {
    Blocked blocked({.idle_timeout = milliseconds(150), .workers = 3});
    auto clients = ask(blocked, 12);
    ASSERT_TRUE(eventually([&] { return blocked.running() == 3; }));
    // Longer than a request may take to arrive: they have arrived.
    std::this_thread::sleep_for(milliseconds(400));
    EXPECT_EQ(blocked.most_at_once(), 3U);
    blocked.let_go();
    for (auto& client : clients) {
        EXPECT_THAT(client->read_until("answered /a"), StartsWith("HTTP/1.1 200 "));
    }
    EXPECT_EQ(blocked.most_at_once(), 3U);
}

// More requests come than threads were awake: each one that waits has another come.
TEST(BusyServer, RunsAsManyHandlersAsItMayWhetherTheySayThatTheyWaitOrNot) {
    for (const bool announced : {false, true}) {
        for (int round = 0; round < 5; ++round) {
            Blocked blocked({.workers = 16}, announced);
            auto clients = ask(blocked, 20);
            ASSERT_TRUE(eventually([&] { return blocked.running() == 16; })) << announced;
            blocked.let_go();
            for (auto& client : clients) {
                EXPECT_THAT(client->read_until("answered /a"), StartsWith("HTTP/1.1 200 "));
            }
            EXPECT_EQ(blocked.most_at_once(), 16U);
        }
    }
}

TEST(BusyServer, StillEndsSlowClients) {
    Blocked blocked({.idle_timeout = milliseconds(150), .workers = 1});
    auto clients = ask(blocked, 2);  // one waits for its turn
    ASSERT_TRUE(eventually([&] { return blocked.running() == 1; }));
    auto begin = test::Clock::now();
    RawClient silent(blocked.port());
    RawClient half(blocked.port());
    ASSERT_TRUE(half.send(kAsk.substr(0, 20)));
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(half.closed());
    EXPECT_GE(test::since(begin), milliseconds(140));
    EXPECT_LT(test::since(begin), milliseconds(1500));
    EXPECT_EQ(blocked.running(), 1U);
}

TEST(BusyServer, StillRefusesWhatIsNoRequest) {
    Blocked blocked({.max_body = 1000, .max_header = 1000, .workers = 1});
    auto clients = ask(blocked, 2);
    ASSERT_TRUE(eventually([&] { return blocked.running() == 1; }));
    const std::string long_header(2000, 'x');
    for (auto& [request, status] : std::map<std::string, std::string>{
             {"\x01\r\n\r\n", "400"},
             {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", "413"},
             {"GET / HTTP/1.1\r\nHost: h\r\nX: " + long_header + "\r\n\r\n", "431"}}) {
        RawClient client(blocked.port());
        ASSERT_TRUE(client.send(request));
        EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 " + status));
    }
    EXPECT_EQ(blocked.running(), 1U);
}

TEST(BusyServer, StillShakesHandsAndKeepsItsLimitOfConnections) {
    const test::Authority authority;
    Blocked blocked({.tls = authority.issue("busy.test"), .max_connections = 3, .workers = 1});
    std::vector<std::unique_ptr<RawClient>> raw;
    std::vector<std::unique_ptr<test::TlsClient>> clients;
    for (int i = 0; i < 3; ++i) {
        raw.push_back(std::make_unique<RawClient>(blocked.port()));
        clients.push_back(
            std::make_unique<test::TlsClient>(raw.back()->fd(), "busy.test", authority.pem()));
        EXPECT_EQ(clients.back()->shake(), 0);
        EXPECT_TRUE(clients.back()->send(kAsk));
    }
    ASSERT_TRUE(eventually([&] { return blocked.running() == 1; }));
    RawClient fourth(blocked.port());
    EXPECT_TRUE(fourth.closed());
    blocked.let_go();
    for (auto& client : clients) EXPECT_THAT(client->read_answer(), HasSubstr("answered /a"));
}

TEST(BusyServer, AnswersWhoWaitsForHisTurnBeforeItStops) {
    Blocked blocked({.workers = 1});
    auto clients = ask(blocked, 3);
    RawClient idle(blocked.port());
    ASSERT_TRUE(eventually([&] { return blocked.running() == 1; }));
    std::this_thread::sleep_for(milliseconds(100));  // the others were read
    std::thread stopping([&] { blocked.server().stop(); });
    EXPECT_TRUE(idle.closed());
    EXPECT_FALSE(RawClient(blocked.port()).connected());
    blocked.let_go();
    stopping.join();
    for (auto& client : clients) {
        EXPECT_THAT(client->read_all(),
                    AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Connection: close\r\n")));
    }
}

// Whose bytes never end holds no thread: there are two here, and four such clients.
TEST(BusyServer, ReadsOthersBesideClientsThatSendWithoutEnd) {
    auto server =
        test::start([](const Request&) { return text_response(200, "here"); }, {.workers = 1});
    std::atomic<bool> over = false;
    std::vector<std::thread> floods;
    for (int i = 0; i < 4; ++i) {
        floods.emplace_back([&] {
            RawClient client(server->port());
            client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            std::string chunks;  // of one byte, as long as they may be
            for (int k = 0; k < 64; ++k) chunks += "1;" + std::string(16'000, 'x') + "\r\nx\r\n";
            while (!over && client.send(chunks)) {
            }
        });
    }
    std::this_thread::sleep_for(milliseconds(200));
    for (int i = 0; i < 3; ++i) {
        RawClient client(server->port());
        EXPECT_TRUE(client.send(kAsk));
        EXPECT_THAT(client.read_until("here", milliseconds(1000)), StartsWith("HTTP/1.1 200 "));
    }
    over = true;
    for (std::thread& flood : floods) flood.join();
}

}  // namespace
}  // namespace vouchsafe::net
