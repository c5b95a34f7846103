// The smallest change: it passes, it is no larger than needed, and it widens nothing else.
#include "vouchsafe/policy/release/release_change.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/release/evaluate.h"

namespace vouchsafe::policy::release_change_test {
namespace {

constexpr const char* kIssuer = "https://a.example";

ReleasePolicy policy_of(const std::string& conditions) {
    return MUST(ReleasePolicy::parse(fmt::format(
        R"({{"version":"1.0.0","anyOf":[{{"authority":"https://a.example/",{}}}]}})", conditions)));
}
bool passes(const ReleasePolicy& policy, const char* claims) {
    return explain_claims(policy, kIssuer, MUST(parse_json(claims))).passed();
}
// changed gives the policy after the smallest change, which lets the claims pass.
ReleasePolicy changed(const ReleasePolicy& policy, const char* claims, size_t conditions) {
    auto change = smallest_change(policy, kIssuer, MUST(parse_json(claims)));
    EXPECT_TRUE(change.has_value()) << claims;
    EXPECT_EQ(change->conditions.size(), conditions) << claims;
    ReleasePolicy next = MUST(ReleasePolicy::parse(change->policy));
    EXPECT_TRUE(passes(next, claims)) << change->policy;
    return next;
}

TEST(ReleaseChange, AddsTheValueThatWasFound) {
    const auto policy =
        policy_of(R"("allOf":[{"claim":"a","equals":"x"},{"claim":"b","equals":1}])");
    const auto next = changed(policy, R"({"a":"y","b":1})", 1);
    EXPECT_TRUE(passes(next, R"({"a":"x","b":1})"));
    EXPECT_FALSE(passes(next, R"({"a":"z","b":1})"));
    EXPECT_FALSE(passes(next, R"({"a":"y","b":2})"));
    changed(policy, R"({"a":"y","b":2})", 2);
}

TEST(ReleaseChange, TellsTheConditionBeforeAndAfter) {
    const auto policy = policy_of(R"("allOf":[{"claim":"a","equals":"x"}])");
    const auto change = smallest_change(policy, kIssuer, MUST(parse_json(R"({"a":"y"})")));
    ASSERT_TRUE(change.has_value());
    const ConditionChange& only = change->conditions.at(0);
    EXPECT_EQ(only.path, "anyOf[0].allOf[0]");
    EXPECT_EQ(only.found, "\"y\"");
    EXPECT_EQ(only.old_condition, R"({"claim":"a","equals":"x"})");
    EXPECT_EQ(only.new_condition,
              R"({"anyOf":[{"claim":"a","equals":"x"},{"claim":"a","equals":"y"}]})");
}

TEST(ReleaseChange, MovesABoundNoFurtherThanNeeded) {
    const auto policy = policy_of(R"("allOf":[{"claim":"svn","greater":8}])");
    const auto next = changed(policy, R"({"svn":7})", 1);
    EXPECT_FALSE(passes(next, R"({"svn":6})"));
    const auto upper = changed(policy_of(R"("allOf":[{"claim":"n","less":"5"}])"), R"({"n":9})", 1);
    EXPECT_TRUE(passes(upper, R"({"n":9})"));
    EXPECT_FALSE(passes(upper, R"({"n":10})"));
    changed(policy, R"({"svn":"seven"})", 1);
}

TEST(ReleaseChange, LetsAnAbsentClaimBeAbsentAndAListBeThere) {
    const auto policy = policy_of(R"("allOf":[{"claim":"a","equals":"x"}])");
    EXPECT_FALSE(passes(changed(policy, "{}", 1), R"({"a":"y"})"));
    changed(policy, R"({"a":["x"]})", 1);
    changed(policy_of(R"("allOf":[{"claim":"a","exists":false}])"), R"({"a":"y"})", 1);
    changed(policy_of(R"("allOf":[{"claim":"a","exists":true}])"), "{}", 1);
    changed(policy_of(R"("allOf":[{"claim":"a","notEquals":"y"}])"), R"({"a":"y"})", 1);
}

TEST(ReleaseChange, GoesTheNearestWay) {
    const auto policy =
        policy_of(R"("anyOf":[{"allOf":[{"claim":"a","equals":1},{"claim":"b","equals":1}]},)"
                  R"({"claim":"c","equals":1}])");
    const auto next = changed(policy, R"({"a":2,"b":2,"c":2})", 1);
    EXPECT_FALSE(passes(next, R"({"a":2,"b":2})"));
}

TEST(ReleaseChange, SaysNothingWhereThereIsNothingSmall) {
    const auto policy = policy_of(R"("allOf":[{"claim":"a","equals":"x"}])");
    const Json good = MUST(parse_json(R"({"a":"x"})"));
    EXPECT_FALSE(smallest_change(policy, kIssuer, good).has_value());
    EXPECT_FALSE(smallest_change(policy, "https://b.example", Json::object()).has_value());
}

TEST(ReleaseChange, LeavesOutAPolicyOverTheLimits) {
    std::string deep = R"({"claim":"a","equals":"x"})";
    for (size_t i = 1; i < kMaxDepth; ++i) deep = R"({"allOf":[)" + deep + "]}";
    const auto policy = policy_of(R"("allOf":[)" + deep + "]");
    const auto change = smallest_change(policy, kIssuer, Json::object());
    ASSERT_TRUE(change.has_value());
    EXPECT_EQ(change->conditions.size(), 1u);
    EXPECT_EQ(change->policy, "");
}

}  // namespace
}  // namespace vouchsafe::policy::release_change_test
