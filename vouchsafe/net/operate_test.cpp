#include "vouchsafe/net/operate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "vouchsafe/base/json.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;

constexpr HealthTiming kNoKeeping{milliseconds(0), milliseconds(100)};

struct Told {
    int status = 0;
    Json body;
};

Told ask(const Handler& handler, const char* path) {
    Request request;
    request.method = "GET";
    request.path = {path};
    Response response = handler(request);
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
    return {response.status, MUST(parse_json(response.body))};
}

HealthCheck check_that(std::string name, const bool& holds, int* runs = nullptr) {
    return {std::move(name), [&holds, runs]() -> Result<void> {
                if (runs != nullptr) ++*runs;
                if (!holds) return fail(Code::io, "/secret/place is broken");
                return {};
            }};
}

TEST(Operate, IsAliveAsLongAsItsChecksHold) {
    Metrics metrics;
    bool store = true;
    Operate operate("vault", metrics, {check_that("store", store)}, kNoKeeping);
    Told told = ask(operate.handler(), "healthz");
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body, Json({{"service", "vault"},
                               {"status", "ok"},
                               {"checks", {"store"}},
                               {"failed", Json::array()}}));
    store = false;
    testing::internal::CaptureStderr();
    told = ask(operate.handler(), "healthz");
    ask(operate.handler(), "healthz");
    std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.status, 503);
    EXPECT_EQ(told.body["status"], "failed");
    EXPECT_EQ(told.body["failed"], Json::array({"store"}));
    EXPECT_EQ(told.body.dump().find("secret"), std::string::npos);
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;  // once, not at each probe
    EXPECT_NE(log.find("/secret/place is broken"), std::string::npos);
    store = true;
    testing::internal::CaptureStderr();
    EXPECT_EQ(ask(operate.handler(), "healthz").status, 200);
    EXPECT_NE(testing::internal::GetCapturedStderr().find("holds again"), std::string::npos);
}

TEST(Operate, IsReadyOnlyWhileTheServiceAcceptsAndItsChecksHold) {
    Metrics metrics;
    bool key = true;
    bool policies = true;
    Operate operate("attestation", metrics, {}, kNoKeeping);
    Told told = ask(operate.handler(), "readyz");
    EXPECT_EQ(told.status, 503);
    EXPECT_EQ(told.body["status"], "starting");
    EXPECT_EQ(ask(operate.handler(), "healthz").status, 200);

    operate.accept({check_that("key", key), check_that("policies", policies)});
    told = ask(operate.handler(), "readyz");
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body["checks"], Json::array({"key", "policies"}));

    policies = false;
    testing::internal::CaptureStderr();
    told = ask(operate.handler(), "readyz");
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.status, 503);
    EXPECT_EQ(told.body["failed"], Json::array({"policies"}));
    EXPECT_EQ(ask(operate.handler(), "healthz").status, 200);
    policies = true;
    testing::internal::CaptureStderr();
    EXPECT_EQ(ask(operate.handler(), "readyz").status, 200);
    testing::internal::GetCapturedStderr();

    operate.stop_accepting();
    told = ask(operate.handler(), "readyz");
    EXPECT_EQ(told.status, 503);
    EXPECT_EQ(told.body["status"], "stopping");
    EXPECT_EQ(ask(operate.handler(), "healthz").status, 200);
}

TEST(Operate, WhoeverAsksOftenGetsWhatWasFoundALittleAgo) {
    Metrics metrics;
    bool store = true;
    int runs = 0;
    Operate operate("vault", metrics, {check_that("store", store, &runs)},
                    {.keep = std::chrono::hours(1)});
    for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(operate.handler(), "healthz").status, 200);
    EXPECT_EQ(runs, 1);
}

// SlowCheck takes until it is let go, once it was made slow.
struct SlowCheck {
    std::atomic<bool> slow = false;
    std::atomic<int> running = 0;

    HealthCheck check() {
        return {"slow", [this]() -> Result<void> {
                    ++running;
                    while (slow) std::this_thread::sleep_for(milliseconds(1));
                    --running;
                    return {};
                }};
    }
};

TEST(Operate, NobodyWaitsForACheckThatAnotherRuns) {
    Metrics metrics;
    SlowCheck store;
    Operate operate("vault", metrics, {store.check()}, kNoKeeping);
    operate.accept({store.check()});
    store.slow = true;
    std::thread first([&] { EXPECT_EQ(ask(operate.handler(), "readyz").status, 200); });
    std::thread second([&] { EXPECT_EQ(ask(operate.handler(), "healthz").status, 200); });
    while (store.running < 2) std::this_thread::yield();
    for (const char* path : {"readyz", "healthz"}) {
        EXPECT_EQ(ask(operate.handler(), path).status, 200) << path;  // as found last
    }
    std::this_thread::sleep_for(kNoKeeping.slow + milliseconds(20));
    for (const char* path : {"readyz", "healthz"}) {
        Told told = ask(operate.handler(), path);
        EXPECT_EQ(told.status, 503) << path;
        EXPECT_EQ(told.body["failed"], Json::array({"slow"})) << path;
    }
    store.slow = false;
    first.join();
    second.join();
    EXPECT_EQ(ask(operate.handler(), "readyz").status, 200);
}

TEST(Operate, StoppingWaitsForARunningCheckAndIsSaidMeanwhile) {
    Metrics metrics;
    SlowCheck store;
    Operate operate("vault", metrics, {}, kNoKeeping);
    operate.accept({store.check()});
    store.slow = true;
    std::thread asking(
        [&] { EXPECT_EQ(ask(operate.handler(), "readyz").body["status"], "stopping"); });
    while (store.running == 0) std::this_thread::yield();
    std::thread stopping([&] {
        operate.stop_accepting();
        EXPECT_EQ(store.running, 0);
    });
    while (ask(operate.handler(), "readyz").body["status"] != "stopping") std::this_thread::yield();
    EXPECT_EQ(store.running, 1);
    store.slow = false;
    stopping.join();
    asking.join();
    EXPECT_EQ(ask(operate.handler(), "readyz").body["status"], "stopping");
}

TEST(Operate, ACheckThatThrowsHasFailed) {
    Metrics metrics;
    testing::internal::CaptureStderr();
    Operate operate("vault", metrics,
                    {{"broken", []() -> Result<void> { throw std::runtime_error("no"); }}});
    Told told = ask(operate.handler(), "healthz");
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.status, 503);
    EXPECT_EQ(told.body["failed"], Json::array({"broken"}));
}

TEST(Operate, ServesItsMetricsAndNothingElse) {
    Metrics metrics;
    metrics.gauge<0>("now", "Of now.", {}).set({}, 3);
    Operate operate("vault", metrics, {});
    Request request;
    request.method = "GET";
    request.path = {"metrics"};
    Response response = operate.handler()(request);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(response.body, metrics.text());
    request.method = "HEAD";
    EXPECT_EQ(operate.handler()(request).status, 200);
    request.method = "POST";
    EXPECT_EQ(operate.handler()(request).status, 405);
    request.path = {};
    EXPECT_EQ(operate.handler()(request).status, 404);
}

}  // namespace
}  // namespace vouchsafe::net
