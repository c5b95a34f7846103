#include "vouchsafe/vault/keys/rotation_policy.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::vault {
namespace {

Time at(std::string_view text) {
    return MUST(parse_rfc3339(text));
}

TEST(Period, MovesByTheCalendar) {
    struct {
        const char *period, *from, *to;
    } const cases[] = {
        {"P90D", "2026-01-01T10:00:00Z", "2026-04-01T10:00:00Z"},
        {"P1M", "2026-01-31T23:59:59Z", "2026-02-28T23:59:59Z"},
        {"P1M", "2028-01-31", "2028-02-29"},
        {"P1Y", "2028-02-29", "2029-02-28"},
        {"P2W", "2026-12-25", "2027-01-08"},
        {"P1Y2M3W4D", "2026-01-01", "2027-03-26"},
        {"P100Y", "2026-01-01", "2126-01-01"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(MUST(Period::parse(c.period)).after(at(c.from)), at(c.to)) << c.period;
    }
    EXPECT_EQ(MUST(Period::parse("P1M")).before(at("2026-03-31")), at("2026-02-28"));
    EXPECT_EQ(MUST(Period::parse("P30D")).before(at("2026-03-31")), at("2026-03-01"));
    EXPECT_EQ(MUST(Period::parse("P1Y")).before(at("2028-02-29T01:02:03Z")),
              at("2027-02-28T01:02:03Z"));
}

TEST(Period, WritesItselfWithoutWhatIsZero) {
    EXPECT_EQ(MUST(Period::parse("P1Y6M2W3D")).text(), "P1Y6M2W3D");
    EXPECT_EQ(MUST(Period::parse("P0Y90D")).text(), "P90D");
    EXPECT_EQ(MUST(Period::parse("P007D")).text(), "P7D");
    EXPECT_EQ(MUST(Period::parse("P1Y1M1W1D")).days(), 365 + 30 + 7 + 1);
}

TEST(Period, RefusesWhatIsNone) {
    for (const char* bad : {"",         "P",
                            "PD",       "P1",
                            "1D",       "p1d",
                            "P1d",      "P1H",
                            "PT1H",     "P1DT1H",
                            "P-1D",     "P+1D",
                            "P1.5D",    "P1D1Y",
                            "P1D1D",    "P 1D",
                            "P1D ",     "P0D",
                            "P101Y",    "P36501D",
                            "P99999D",  "P999999999999D",
                            "P1M1200M", "90",
                            "P1D\n",    "\xff"}) {
        EXPECT_FALSE(Period::parse(bad)) << bad;
    }
    EXPECT_FALSE(Period::parse(std::string_view("P1\0D", 4)));
}

Result<RotationPolicy> parse(const char* json) {
    return parse_rotation_policy(MUST(parse_json(json)));
}

TEST(RotationPolicyRules, AcceptsWhatAzuresClientsSend) {
    const char* const good[] = {
        R"({})",
        R"({"lifetimeActions":[],"attributes":{}})",
        R"({"lifetimeActions":null,"attributes":null})",
        R"({"id":null,"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D","timeBeforeExpiry":null},
            "action":{"type":"Rotate"}}],"attributes":{"expiryTime":null}})",
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"notify"}}],
            "attributes":{"expiryTime":"P90D"}})",
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P7D"},"action":{"type":"rotate"}},
            {"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],
            "attributes":{"expiryTime":"P28D"}})",
        R"({"LifetimeActions":[{"Trigger":{"TimeAfterCreate":"P7D"},"Action":{"Type":"ROTATE"}}]})",
    };
    for (const char* json : good) {
        const auto policy = parse(json);
        ASSERT_TRUE(policy) << json << policy.error().message;
        EXPECT_EQ(MUST(parse_rotation_policy(encode_rotation_policy(*policy))), *policy) << json;
    }
}

TEST(RotationPolicyRules, RefusesWhatCannotBeMeant) {
    const char* const bad[] = {
        R"([])",
        R"({"lifetimeActions":{}})",
        R"({"lifetimeActions":[1]})",
        R"({"lifetimeActions":[{}]})",
        R"({"lifetimeActions":[{"action":{"type":"Rotate"}}]})",
        R"({"lifetimeActions":[{"trigger":{},"action":{"type":"Rotate"}}]})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"}}]})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Delete"}}]})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":"Rotate"}]})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":90},"action":{"type":"Rotate"}}]})",
        // Two triggers, two of a kind, three actions.
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D","timeBeforeExpiry":"P30D"},
            "action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P1Y"}})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}},
            {"trigger":{"timeAfterCreate":"P80D"},"action":{"type":"rotate"}}]})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}},
            {"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Notify"}},
            {"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Notify"}}]})",
        // The limits, each by a day.
        R"({"attributes":{"expiryTime":"P27D"}})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P6D"},"action":{"type":"Rotate"}}]})",
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P6D"},"action":{"type":"Rotate"}}],
            "attributes":{"expiryTime":"P90D"}})",
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P84D"},"action":{"type":"Rotate"}}],
            "attributes":{"expiryTime":"P90D"}})",
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P84D"},"action":{"type":"Rotate"}}],
            "attributes":{"expiryTime":"P90D"}})",
        // Before an expiry that new versions will not have.
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Rotate"}}]})",
        R"({"attributes":[]})",
        R"({"attributes":{"expiryTime":"1Y"}})",
        R"({"attributes":{"created":"now"}})",
    };
    for (const char* json : bad) {
        const auto policy = parse(json);
        ASSERT_FALSE(policy) << json;
        EXPECT_EQ(policy.error().code, Code::invalid) << json;
    }
}

TEST(RotationPolicyRules, SayWhenAVersionIsDue) {
    const Time made = at("2026-01-01");
    const Time ends = at("2026-12-31");
    const auto after = MUST(parse(
        R"({"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}}]})"));
    const auto before = MUST(parse(
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Rotate"}}],
            "attributes":{"expiryTime":"P1Y"}})"));
    EXPECT_EQ(rotation_due(after, made, {}), at("2026-04-01"));
    EXPECT_EQ(rotation_due(after, made, ends), at("2026-04-01"));
    EXPECT_EQ(rotation_due(before, made, ends), at("2026-12-01"));
    EXPECT_EQ(rotation_due(before, made, {}), std::nullopt);
    EXPECT_EQ(rotation_due(before, made, at("2026-01-20")), at("2026-01-08"));
    // A hundred months are more days than the limits count.
    const auto mixed = MUST(parse(
        R"({"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P100M"},"action":{"type":"Rotate"}}],
            "attributes":{"expiryTime":"P3007D"}})"));
    EXPECT_EQ(rotation_due(mixed, made, mixed.expiry->after(made)), at("2026-01-08"));
    EXPECT_EQ(rotation_due(default_rotation_policy(), made, ends), std::nullopt);
}

}  // namespace
}  // namespace vouchsafe::vault
