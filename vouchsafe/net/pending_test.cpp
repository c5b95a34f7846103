// Answers that come later, and who serves what becomes ready while others are busy.
#include "vouchsafe/net/pending.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <stdexcept>
#include <thread>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::RawClient;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Kept collects what pending answers wait for.
class Kept {
  public:
    // pend is a handler: of "/now" the answer is there at once, and of all others when release() is
    // called. Of "/again" it is given by what may take long, and "/bad" throws.
    Handler pend() {
        return [this](const Request& request) -> Response {
            EXPECT_TRUE(request.may_pend);
            Response response;
            const std::string target = request.target;
            response.pending = std::make_shared<Pending>(
                request,
                [this, target](Pending::Ready ready) {
                    if (target == "/now") return ready();
                    std::lock_guard lock(mutex_);
                    waiting_.push_back(std::move(ready));
                },
                [target, &request]() -> std::optional<Response> {
                    if (target == "/bad") throw std::runtime_error("secret");
                    if (target == "/again") return std::nullopt;
                    return text_response(200, "finished " + request.target);
                },
                [&request] { return text_response(200, "again " + request.target); });
            return finished(std::move(response),
                            [](Response& answer) { answer.headers.set("X-Step", "done"); });
        };
    }
    void wait_for(size_t count) {
        ASSERT_TRUE(test::eventually([&] {
            std::lock_guard lock(mutex_);
            return waiting_.size() >= count;
        }));
    }
    void release() {
        std::vector<Pending::Ready> ready;
        {
            std::lock_guard lock(mutex_);
            ready.swap(waiting_);
        }
        for (const Pending::Ready& one : ready) one();
    }

  private:
    std::mutex mutex_;
    std::vector<Pending::Ready> waiting_;
};

std::string asks(std::string_view target) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target);
}

TEST(PendingAnswers, AnswersThatWaitHoldNoHandler) {
    constexpr size_t kClients = 20;
    Kept kept;
    ServerOptions options;
    options.workers = 1;
    auto server = test::start(kept.pend(), options);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (size_t i = 0; i < kClients; ++i) {
        clients.push_back(std::make_unique<RawClient>(server->port()));
        ASSERT_TRUE(clients.back()->send(asks(fmt::format("/{}", i))));
    }
    kept.wait_for(kClients);
    RawClient beside(server->port());
    ASSERT_TRUE(beside.send(asks("/now")));
    EXPECT_THAT(beside.read_all(), HasSubstr("finished /now"));
    kept.release();
    for (size_t i = 0; i < kClients; ++i) {
        const std::string answer = clients[i]->read_all();
        EXPECT_THAT(answer, HasSubstr(fmt::format("finished /{}", i)));
        EXPECT_THAT(answer, HasSubstr("X-Step: done\r\n"));
    }
}

TEST(PendingAnswers, APendingAnswerMayTakeASecondHandlingOrFail) {
    Kept kept;
    auto server = test::start(kept.pend());
    RawClient again(server->port()), bad(server->port());
    ASSERT_TRUE(again.send(asks("/again")));
    ASSERT_TRUE(bad.send(asks("/bad")));
    kept.wait_for(2);
    kept.release();
    EXPECT_THAT(again.read_all(), HasSubstr("again /again"));
    const std::string failed = bad.read_all();
    EXPECT_THAT(failed, StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(failed, Not(HasSubstr("secret")));
}

TEST(PendingAnswers, StopWaitsForPendingAnswers) {
    Kept kept;
    auto server = test::start(kept.pend());
    RawClient client(server->port());
    ASSERT_TRUE(client.send(asks("/a")));
    kept.wait_for(1);
    std::atomic<bool> stopped = false;
    std::thread stopping([&] {
        server->stop();
        stopped = true;
    });
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_FALSE(stopped);
    kept.release();
    EXPECT_THAT(client.read_all(), HasSubstr("finished /a"));
    stopping.join();
}

// Gate is closed until it is opened.
class Gate {
  public:
    void open() { opened_.set_value(); }
    bool pass() const { return future_.wait_for(std::chrono::seconds(10)) == kReady; }

  private:
    static constexpr auto kReady = std::future_status::ready;
    std::promise<void> opened_;
    std::shared_future<void> future_ = opened_.get_future().share();
};

// Of two answers that become ready together the second one's is not held up by what the first has
// to do, whichever threads take them.
TEST(PendingAnswers, WhatBecomesReadyDoesNotWaitForWhatBecameReadyBefore) {
    for (int round = 0; round < 20; ++round) {
        Gate answered;
        std::mutex mutex;
        std::vector<Pending::Ready> waiting;
        const auto handle = [&](const Request& request) {
            Response response;
            response.pending = std::make_shared<Pending>(
                request,
                [&](Pending::Ready ready) {
                    std::lock_guard lock(mutex);
                    waiting.push_back(std::move(ready));
                },
                []() -> std::optional<Response> { return std::nullopt; },
                [&] {
                    const bool first = request.target == "/first";
                    return text_response(200, !first || answered.pass() ? "in time" : "too late");
                });
            return response;
        };
        const auto arrived = [&](size_t count) {
            return test::eventually([&] {
                std::lock_guard lock(mutex);
                return waiting.size() == count;
            });
        };
        auto server = test::start(handle);
        RawClient first(server->port()), second(server->port());
        ASSERT_TRUE(first.send(asks("/first")));
        ASSERT_TRUE(arrived(1));
        ASSERT_TRUE(second.send(asks("/second")));
        ASSERT_TRUE(arrived(2));
        for (const Pending::Ready& one : waiting) one();
        EXPECT_THAT(second.read_all(), HasSubstr("in time"));
        answered.open();
        EXPECT_THAT(first.read_all(), HasSubstr("in time"));
    }
}

// A handler that has waited goes on, and there is a thread more than are needed: what becomes ready
// now is not left to that one.
TEST(PendingAnswers, WhatBecomesReadyIsAnsweredByWhoStays) {
    Gate begun, waited, going_on, done;
    Kept kept;
    const Handler pends = kept.pend();
    const auto handle = [&](const Request& request) {
        if (request.target == "/later") return pends(request);
        if (request.target == "/beside") return text_response(200, "beside");
        {
            const Blocking blocking;
            begun.open();
            EXPECT_TRUE(waited.pass());
        }
        going_on.open();
        return text_response(200, done.pass() ? "in time" : "too late");
    };
    auto server = test::start(handle);
    RawClient waiting(server->port()), later(server->port()), beside(server->port());
    ASSERT_TRUE(later.send(asks("/later")));
    kept.wait_for(1);
    ASSERT_TRUE(waiting.send(asks("/waiting")));
    ASSERT_TRUE(begun.pass());
    ASSERT_TRUE(beside.send("GET /beside HTTP/1.1\r\nHost: h\r\n\r\n"));  // nothing follows
    EXPECT_THAT(beside.read_until("\r\n\r\nbeside"), HasSubstr("beside"));
    std::this_thread::sleep_for(milliseconds(50));  // whoever came for it waits now too
    waited.open();
    ASSERT_TRUE(going_on.pass());
    kept.release();
    EXPECT_THAT(later.read_all(), HasSubstr("finished /later"));
    done.open();
    EXPECT_THAT(waiting.read_all(), HasSubstr("in time"));
}

// later is a response that is there when `begin` has said so.
Response later(const Request& request, Pending::Begin begin) {
    Response response;
    response.pending = std::make_shared<Pending>(
        request, std::move(begin),
        [&request]() -> std::optional<Response> {
            return text_response(200, "later " + request.target);
        },
        [] { return text_response(500, "not called"); });
    return response;
}

// Who begins what an answer waits for may wait itself, as who commits for others does.
TEST(PendingAnswers, OthersAreAnsweredWhileOneIsBegun) {
    for (const bool announced : {false, true}) {
        Gate done;
        std::atomic<int> inside = 0;
        const auto wait = [&] {
            std::optional<Blocking> blocking;
            if (announced) blocking.emplace();
            ++inside;
            EXPECT_TRUE(done.pass());
        };
        const auto handle = [&](const Request& request) {
            if (request.target == "/begin") {
                return later(request, [&](Pending::Ready ready) {
                    wait();
                    ready();
                });
            }
            if (request.target == "/wait") wait();
            return text_response(200, "answered " + request.target);
        };
        auto server = test::start(handle, {.workers = 4});
        RawClient beginning(server->port());
        ASSERT_TRUE(beginning.send(asks("/begin")));
        ASSERT_TRUE(test::eventually([&] { return inside == 1; }));
        std::vector<std::unique_ptr<RawClient>> waiting;
        for (int i = 0; i < 4; ++i) {
            RawClient beside(server->port());
            ASSERT_TRUE(beside.send(asks("/beside")));
            EXPECT_THAT(beside.read_all(), HasSubstr("answered /beside")) << i;
            waiting.push_back(std::make_unique<RawClient>(server->port()));
            ASSERT_TRUE(waiting.back()->send(asks("/wait")));
            ASSERT_TRUE(test::eventually([&] { return inside == i + 2; }));
        }
        // All turns are taken, and still there is who reads.
        RawClient bad(server->port());
        ASSERT_TRUE(bad.send("nonsense\r\n\r\n"));
        EXPECT_THAT(bad.read_all(), StartsWith("HTTP/1.1 400 "));
        done.open();
        EXPECT_THAT(beginning.read_all(), HasSubstr("later /begin"));
        for (auto& client : waiting) {
            EXPECT_THAT(client->read_all(), HasSubstr("answered /wait"));
        }
    }
}

// A turn that was given back is not kept waiting by what its last owner begins.
TEST(PendingAnswers, WhoseTurnCameIsAnsweredWhileOneIsBegun) {
    Gate queued, done;
    const auto handle = [&](const Request& request) {
        if (request.target != "/begin") return text_response(200, "answered");
        EXPECT_TRUE(queued.pass());
        return later(request, [&](Pending::Ready ready) {
            const Blocking blocking;
            EXPECT_TRUE(done.pass());
            ready();
        });
    };
    auto server = test::start(handle, {.workers = 1});
    RawClient beginning(server->port()), next(server->port());
    ASSERT_TRUE(beginning.send(asks("/begin")));
    std::this_thread::sleep_for(milliseconds(100));  // it has its turn
    ASSERT_TRUE(next.send(asks("/next")));
    std::this_thread::sleep_for(milliseconds(100));  // it waits for its turn
    queued.open();
    EXPECT_THAT(next.read_all(), HasSubstr("answered"));
    done.open();
    EXPECT_THAT(beginning.read_all(), HasSubstr("later /begin"));
}

// A handler that commits for others tells them, and goes on.
TEST(PendingAnswers, AreGivenThoughTheHandlerThatSaidSoGoesOn) {
    Gate answered;
    Kept kept;
    const Handler pends = kept.pend();
    const auto handle = [&](const Request& request) {
        if (request.target != "/tells") return pends(request);
        kept.release();
        return text_response(200, answered.pass() ? "in time" : "too late");
    };
    auto server = test::start(handle);
    RawClient later(server->port()), tells(server->port());
    ASSERT_TRUE(later.send(asks("/later")));
    kept.wait_for(1);
    ASSERT_TRUE(tells.send(asks("/tells")));
    EXPECT_THAT(later.read_all(), HasSubstr("finished /later"));
    answered.open();
    EXPECT_THAT(tells.read_all(), HasSubstr("in time"));
}

// Readier has a thread of its own on which pending answers become ready, a moment later.
class Readier {
  public:
    Readier() : thread_([this] { run(); }) {}
    ~Readier() {
        {
            std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    Readier(const Readier&) = delete;
    Readier& operator=(const Readier&) = delete;

    void take(Pending::Ready ready) {
        {
            std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(ready));
        }
        changed_.notify_one();
    }

  private:
    void run() {
        for (;;) {
            std::vector<Pending::Ready> now;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
                if (waiting_.empty()) return;
                now.swap(waiting_);
            }
            for (const Pending::Ready& one : now) one();
        }
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Pending::Ready> waiting_;
    bool ending_ = false;
    std::thread thread_;
};

// Requests of all kinds at once: answered at once, after waiting in the handler, later by another
// thread, and later by the handler's own thread. None is forgotten, and none gets another's answer.
TEST(PendingAnswers, AnswersEveryRequestWhateverTheOthersDo) {
    constexpr int kClients = 8, kEach = 400;
    Readier readier;
    const auto handle = [&](const Request& request) {
        const int kind = std::stoi(request.target.substr(1)) % 5;
        if (kind == 1) {
            const Blocking blocking;
            std::this_thread::sleep_for(std::chrono::microseconds(300));
        }
        if (kind < 2) return text_response(200, "(" + request.target + ")");
        Response response;
        response.pending = std::make_shared<Pending>(
            request,
            [&readier, kind](Pending::Ready ready) {
                if (kind == 2) return ready();
                readier.take(std::move(ready));
            },
            [&request, kind]() -> std::optional<Response> {
                if (kind == 4) return std::nullopt;
                return text_response(200, "(" + request.target + ")");
            },
            [&request] { return text_response(200, "(" + request.target + ")"); });
        return response;
    };
    auto server = test::start(handle);
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int c = 0; c < kClients; ++c) {
        threads.emplace_back([&, c] {
            RawClient client(server->port());
            for (int i = 0; i < kEach; ++i) {
                const std::string target = fmt::format("/{}", (c * kEach) + (i * 7));
                if (!client.send(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target))) return;
                const std::string wanted = "(" + target + ")";
                if (!client.read_until(wanted, milliseconds(20000)).ends_with(wanted)) return;
                ++right;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, kClients * kEach);
}

TEST(PendingAnswers, PendingAnswersOfOneConnectionKeepTheirOrder) {
    Kept kept;
    auto server = test::start(kept.pend());
    RawClient client(server->port());
    ASSERT_TRUE(client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n" + asks("/now")));
    kept.wait_for(1);
    kept.release();
    const std::string all = client.read_all();
    EXPECT_LT(all.find("finished /1"), all.find("finished /now"));
    EXPECT_NE(all.find("finished /now"), std::string::npos);
}

}  // namespace
}  // namespace vouchsafe::net
