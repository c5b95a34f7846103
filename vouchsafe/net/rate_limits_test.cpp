// Token buckets: what passes, what the next one is told, and that nobody empties another's.
#include "vouchsafe/net/rate_limits.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::net::rate_limits_test {
namespace {

using std::chrono::milliseconds;

class RateLimitsTest : public ::testing::Test {
  protected:
    bool passes(LimitScope scope, std::string_view name) {
        return !limits_.take(scope, name).has_value();
    }
    void drain(LimitScope scope, std::string_view name, int count) {
        for (int i = 0; i < count; ++i) EXPECT_TRUE(passes(scope, name)) << i;
        EXPECT_FALSE(passes(scope, name));
    }

    RateLimits::Instant now_{std::chrono::hours(1)};
    std::vector<LimitScope> told_;
    RateLimits limits_{{.address = 2, .principal = 1, .service = 0},
                       [this](LimitScope scope) { told_.push_back(scope); },
                       [this] { return now_; }};
};

TEST_F(RateLimitsTest, ABurstPassesAndThenTheRate) {
    drain(LimitScope::address, "10.0.0.1", 20);
    now_ += milliseconds(500);
    drain(LimitScope::address, "10.0.0.1", 1);
    now_ += std::chrono::hours(1);
    drain(LimitScope::address, "10.0.0.1", 20);
}

TEST_F(RateLimitsTest, WhatIsRefusedDoesNotCount) {
    drain(LimitScope::principal, "alice", 10);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(passes(LimitScope::principal, "alice"));
    now_ += std::chrono::seconds(1);
    drain(LimitScope::principal, "alice", 1);
}

TEST_F(RateLimitsTest, ItSaysWhenToComeBackInWholeSeconds) {
    drain(LimitScope::principal, "alice", 10);
    const auto over = limits_.take(LimitScope::principal, "alice");
    ASSERT_TRUE(over);
    EXPECT_EQ(over->retry_after, Seconds(1));
    EXPECT_EQ(over->scope, LimitScope::principal);
    Request request;
    request.headers.set("x-ms-client-request-id", "mine");
    const Response answer = throttled_response(*over, request);
    EXPECT_EQ(answer.headers.get("x-ms-client-request-id"), "mine");
    EXPECT_EQ(throttled_response(*over, {}).headers.find("x-ms-client-request-id"), nullptr);
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.headers.get("Retry-After"), "1");
    EXPECT_EQ(MUST(parse_json_object(answer.body))["error"]["code"], "Throttled");
}

TEST_F(RateLimitsTest, EachNameAndEachScopeHasItsOwn) {
    drain(LimitScope::principal, "alice", 10);
    drain(LimitScope::principal, "bob", 10);
    drain(LimitScope::address, "alice", 20);
    EXPECT_EQ(told_, (std::vector<LimitScope>{LimitScope::principal, LimitScope::principal,
                                              LimitScope::address}));
}

TEST_F(RateLimitsTest, ZeroIsNoLimit) {
    for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(passes(LimitScope::service, "v"));
}

TEST_F(RateLimitsTest, WhoHasAnIpv6NetworkHasOneBucket) {
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(passes(LimitScope::address, fmt::format("2001:db8::{:x}", i)));
    }
    EXPECT_FALSE(passes(LimitScope::address, "2001:db8:0:0:ffff::1"));
    EXPECT_TRUE(passes(LimitScope::address, "2001:db8:0:1::1"));
    EXPECT_EQ(address_place("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
    EXPECT_EQ(address_place("fe80::1%eth0"), address_place("fe80::ffff:2%eth0"));
    EXPECT_NE(address_place("fe80::1%eth0"), address_place("fe80::1%eth1"));
    for (const char* text : {"rubbish", "%", "10.0.0.1", ""}) EXPECT_EQ(address_place(text), text);
}

TEST_F(RateLimitsTest, ManyNamesDoNotFillTheMemoryNorEmptyKnownBuckets) {
    EXPECT_TRUE(passes(LimitScope::address, "10.0.0.1"));
    int passed = 0;
    for (int i = 0; i < 30'000; ++i) {
        passed += passes(LimitScope::address, fmt::format("stranger-{}", i)) ? 1 : 0;
    }
    EXPECT_LT(passed, 20'100);  // those without a bucket share one
    EXPECT_TRUE(passes(LimitScope::address, "10.0.0.1"));
    now_ += std::chrono::seconds(20);  // all are full: room again
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_TRUE(passes(LimitScope::address, fmt::format("other-{}", i)));
    }
}

TEST_F(RateLimitsTest, AClockThatStandsStillGivesNothing) {
    drain(LimitScope::principal, "alice", 10);
    now_ -= std::chrono::seconds(5);
    EXPECT_FALSE(passes(LimitScope::principal, "alice"));
}

}  // namespace
}  // namespace vouchsafe::net::rate_limits_test
