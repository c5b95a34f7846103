#include "vouchsafe/policy/release/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::jose {
// The tests' own way to make claims. The program's is in jose/jwt.cpp, which is not linked here.
struct VerifiedClaimsMaker {
    static VerifiedClaims make(std::string issuer, std::string_view json) {
        return VerifiedClaims(std::move(issuer),
                              std::make_shared<const Json>(MUST(parse_json(json))));
    }
};
}  // namespace vouchsafe::jose

namespace vouchsafe::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

static_assert(!std::is_constructible_v<Grant, std::string, VerifiedClaims, Explanation>);
static_assert(!std::is_default_constructible_v<Grant>);
static_assert(!std::is_default_constructible_v<VerifiedClaims>);

constexpr std::string_view kIssuer = "https://sharedweu.weu.attest.azure.net";
constexpr std::string_view kClaims = R"({
    "iss": "https://sharedweu.weu.attest.azure.net",
    "secureboot": true,
    "x-ms-azurevm-attested-pcrs": [0, 1, 2, 3, 4, 5, 6, 7],
    "x-ms-azurevm-osversion-major": 22,
    "x-ms-ver": "1.0",
    "score": 2.5,
    "count": "8",
    "nothing": null,
    "dotted.name": "top",
    "dotted": {"name": "nested", "other": "nested"},
    "x-ms-isolation-tee": {
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-compliance-status": "azure-compliant-cvm",
        "x-ms-sevsnpvm-microcode-svn": 115,
        "x-ms-sevsnpvm-is-debuggable": false
    }
})";

VerifiedClaims claims(std::string_view json = kClaims, std::string_view issuer = kIssuer) {
    return jose::VerifiedClaimsMaker::make(std::string(issuer), json);
}

ReleasePolicy policy(std::string_view json) {
    return MUST(ReleasePolicy::parse(json));
}

ReleasePolicy policy_with(std::string_view conditions, std::string_view list = "allOf",
                          std::string_view authority = kIssuer) {
    return policy(fmt::format(R"({{"anyOf":[{{"authority":"{}","{}":[{}]}}]}})", authority, list,
                              conditions));
}

bool granted(const ReleasePolicy& rules, const VerifiedClaims& token = claims()) {
    Checks checks;
    auto grant = evaluate(rules, token, checks);
    EXPECT_EQ(grant.has_value(), explain(rules, token).passed());
    EXPECT_FALSE(checks.list().empty());
    if (!grant) {
        EXPECT_EQ(grant.error().code, Code::forbidden);
        EXPECT_NE(grant.error().reason(), nullptr);
    }
    return grant.has_value();
}

// holds tells whether one condition holds on kClaims.
bool holds(std::string_view claim, std::string_view op, std::string_view value) {
    return granted(policy_with(fmt::format(R"({{"claim":"{}","{}":{}}})", claim, op, value)));
}

std::vector<std::string> codes(const Checks& checks) {
    std::vector<std::string> out;
    for (const Check& check : checks.list()) {
        out.push_back(
            fmt::format("{} {} {}", check.passed ? "ok" : "FAILED", check.code, check.field));
    }
    return out;
}

TEST(Evaluate, GrantsTheTutorialsPolicyAndSaysWhatPassed) {
    ReleasePolicy rules = policy_with(
        R"({"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"sevsnpvm"},)"
        R"({"claim":"x-ms-isolation-tee.x-ms-compliance-status","equals":"azure-compliant-cvm"})");
    Checks checks;
    auto grant = evaluate(rules, claims(), checks);
    ASSERT_TRUE(grant) << grant.error().message;
    EXPECT_EQ(grant->authority(), kIssuer);
    EXPECT_EQ(grant->claims().issuer(), kIssuer);
    EXPECT_TRUE(grant->explanation().passed());
    EXPECT_THAT(codes(checks),
                ElementsAre("ok POLICY-AUTHORITY iss",
                            "ok POLICY-CLAIM-MISMATCH x-ms-isolation-tee.x-ms-attestation-type",
                            "ok POLICY-CLAIM-MISMATCH x-ms-isolation-tee.x-ms-compliance-status"));
}

TEST(Evaluate, SaysWhichClaimDiffers) {
    Checks checks;
    auto grant = evaluate(
        policy_with(R"({"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"tdxvm"})"),
        claims(), checks);
    ASSERT_FALSE(grant);
    EXPECT_EQ(grant.error().code, Code::forbidden);
    const Check* reason = grant.error().reason();
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason->code, "POLICY-CLAIM-MISMATCH");
    EXPECT_EQ(reason->field, "x-ms-isolation-tee.x-ms-attestation-type");
    EXPECT_EQ(reason->expected, "equals \"tdxvm\"");
    EXPECT_EQ(reason->found, "\"sevsnpvm\"");
}

TEST(Evaluate, SaysWhichClaimIsMissing) {
    Checks checks;
    auto grant = evaluate(policy_with(R"({"claim":"x-ms-attestation-type","equals":"sevsnpvm"})"),
                          claims(), checks);
    ASSERT_FALSE(grant);
    const Check* reason = grant.error().reason();
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason->code, "POLICY-CLAIM-MISSING");
    EXPECT_EQ(reason->field, "x-ms-attestation-type");
    EXPECT_EQ(reason->expected, "equals \"sevsnpvm\"");
    EXPECT_EQ(reason->found, "nothing");
}

TEST(Evaluate, SaysWhichAuthoritiesThePolicyKnows) {
    ReleasePolicy rules =
        policy(R"({"anyOf":[{"authority":"https://sharedeus.eus.attest.azure.net/","allOf":[)"
               R"({"claim":"x-ms-ver","equals":"1.0"}]},{"authority":"https://b.example","allOf":[)"
               R"({"claim":"x-ms-ver","equals":"1.0"}]}]})");
    Checks checks;
    auto grant = evaluate(rules, claims(), checks);
    ASSERT_FALSE(grant);
    const Check* reason = grant.error().reason();
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason->code, "POLICY-AUTHORITY");
    EXPECT_EQ(reason->field, "iss");
    EXPECT_EQ(reason->expected,
              "\"https://sharedeus.eus.attest.azure.net/\", \"https://b.example\"");
    EXPECT_EQ(reason->found, "\"https://sharedweu.weu.attest.azure.net\"");
}

TEST(Evaluate, MatchesAuthoritiesButForOneSlashAndTheCaseOfTheHost) {
    constexpr std::string_view kAny = R"({"claim":"x-ms-ver","equals":"1.0"})";
    EXPECT_TRUE(granted(policy_with(kAny, "allOf", "https://A.example"),
                        claims(kClaims, "https://a.example/")));
    EXPECT_TRUE(granted(policy_with(kAny, "allOf", "HTTPS://a.example/"),
                        claims(kClaims, "https://a.example")));
    for (std::string_view issuer :
         {"", "https://a.example//", "https://a.example.evil", "https://a.example/x",
          "http://a.example", "https://a.exampl", "https://a.example:443", "a.example",
          "https://evil/https://a.example"}) {
        EXPECT_FALSE(
            granted(policy_with(kAny, "allOf", "https://a.example"), claims(kClaims, issuer)))
            << issuer;
    }
    EXPECT_FALSE(granted(policy_with(kAny, "allOf", "https://a.example/T"),
                         claims(kClaims, "https://a.example/t")));
}

TEST(Evaluate, ComparesByTextualForm) {
    EXPECT_TRUE(holds("secureboot", "equals", "true"));
    EXPECT_TRUE(holds("secureboot", "equals", "\"true\""));
    EXPECT_FALSE(holds("secureboot", "equals", "\"True\""));
    EXPECT_FALSE(holds("secureboot", "equals", "1"));
    EXPECT_TRUE(holds("x-ms-azurevm-osversion-major", "equals", "22"));
    EXPECT_TRUE(holds("x-ms-azurevm-osversion-major", "equals", "22.0"));
    EXPECT_TRUE(holds("x-ms-azurevm-osversion-major", "equals", "\"22\""));
    EXPECT_FALSE(holds("x-ms-azurevm-osversion-major", "equals", "\"22.0\""));
    EXPECT_TRUE(holds("count", "equals", "8"));
    EXPECT_TRUE(holds("score", "equals", "2.5"));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-attestation-type", "equals", "\"SevSnpVm\""));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-attestation-type", "equals", "\"sevsnpvm \""));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-attestation-type", "equals", "\"sevsnpv\""));
}

TEST(Evaluate, NegatesEqualityOnlyOfPresentScalars) {
    EXPECT_TRUE(holds("x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable", "notEquals", "\"true\""));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable", "notEquals", "\"false\""));
    EXPECT_FALSE(holds("absent", "notEquals", "1"));
    EXPECT_FALSE(holds("nothing", "notEquals", "1"));
    EXPECT_FALSE(holds("x-ms-azurevm-attested-pcrs", "notEquals", "1"));
    EXPECT_FALSE(holds("x-ms-isolation-tee", "notEquals", "1"));
}

TEST(Evaluate, OrdersNumbersOnly) {
    constexpr std::string_view kSvn = "x-ms-isolation-tee.x-ms-sevsnpvm-microcode-svn";  // 115
    EXPECT_TRUE(holds(kSvn, "greater", "114"));
    EXPECT_FALSE(holds(kSvn, "greater", "115"));
    EXPECT_TRUE(holds(kSvn, "greaterOrEquals", "115"));
    EXPECT_FALSE(holds(kSvn, "greaterOrEquals", "116"));
    EXPECT_TRUE(holds(kSvn, "less", "116"));
    EXPECT_FALSE(holds(kSvn, "less", "115"));
    EXPECT_TRUE(holds(kSvn, "lessOrEquals", "115"));
    EXPECT_FALSE(holds(kSvn, "lessOrEquals", "114"));
    EXPECT_TRUE(holds(kSvn, "greater", "\"9\""));  // as text "115" would stand before "9"
    EXPECT_TRUE(holds("count", "greater", "7.5"));
    EXPECT_TRUE(holds("score", "less", "2.50001"));
    EXPECT_FALSE(holds("secureboot", "greater", "0"));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-attestation-type", "greater", "\"a\""));
    EXPECT_FALSE(holds("x-ms-isolation-tee.x-ms-attestation-type", "less", "\"z\""));
    EXPECT_FALSE(holds("absent", "less", "1"));
}

TEST(Evaluate, AsksWhetherAClaimExists) {
    EXPECT_TRUE(holds("secureboot", "exists", "true"));
    EXPECT_TRUE(holds("secureboot", "exists", "\"true\""));
    EXPECT_FALSE(holds("secureboot", "exists", "false"));
    EXPECT_TRUE(holds("x-ms-azurevm-attested-pcrs", "exists", "true"));
    EXPECT_TRUE(holds("x-ms-isolation-tee", "exists", "true"));
    EXPECT_FALSE(holds("absent", "exists", "true"));
    EXPECT_TRUE(holds("absent", "exists", "false"));
    EXPECT_TRUE(holds("nothing", "exists", "false"));
    EXPECT_FALSE(holds("nothing", "exists", "true"));
}

TEST(Evaluate, NeverMatchesArraysAndObjects) {
    EXPECT_FALSE(holds("x-ms-azurevm-attested-pcrs", "equals", "\"[0,1,2,3,4,5,6,7]\""));
    EXPECT_FALSE(holds("x-ms-azurevm-attested-pcrs", "equals", "0"));
    EXPECT_FALSE(holds("x-ms-azurevm-attested-pcrs.0", "equals", "0"));
    EXPECT_FALSE(holds("x-ms-azurevm-attested-pcrs[0]", "equals", "0"));
    EXPECT_FALSE(holds("dotted", "equals", "\"nested\""));
}

TEST(Evaluate, FollowsDotsAndTriesADottedTopLevelNameFirst) {
    EXPECT_TRUE(holds("dotted.name", "equals", "\"top\""));
    EXPECT_FALSE(holds("dotted.name", "equals", "\"nested\""));
    EXPECT_TRUE(holds("dotted.other", "equals", "\"nested\""));
    EXPECT_FALSE(holds("dotted.other.deeper", "exists", "true"));
    EXPECT_FALSE(holds("Dotted.other", "exists", "true"));
    EXPECT_FALSE(holds("x-ms-ver.x", "exists", "true"));
}

TEST(Evaluate, CombinesNestedLists) {
    constexpr std::string_view kTrue = R"({"claim":"x-ms-ver","equals":"1.0"})";
    constexpr std::string_view kFalse = R"({"claim":"x-ms-ver","equals":"2.0"})";
    auto both = [](std::string_view list, std::string_view a, std::string_view b) {
        return fmt::format(R"({{"{}":[{},{}]}})", list, a, b);
    };
    EXPECT_TRUE(granted(policy_with(fmt::format("{},{}", kTrue, both("anyOf", kFalse, kTrue)))));
    EXPECT_FALSE(granted(policy_with(fmt::format("{},{}", kTrue, both("anyOf", kFalse, kFalse)))));
    EXPECT_FALSE(granted(policy_with(fmt::format("{},{}", kFalse, both("anyOf", kTrue, kTrue)))));
    EXPECT_TRUE(
        granted(policy_with(fmt::format("{},{}", kFalse, both("allOf", kTrue, kTrue)), "anyOf")));
    EXPECT_FALSE(
        granted(policy_with(fmt::format("{},{}", kFalse, both("allOf", kTrue, kFalse)), "anyOf")));
}

TEST(Evaluate, TakesAnyAuthorityOfThisIssuerWhoseConditionsHold) {
    auto three = [](std::string_view second) {
        return policy(fmt::format(
            R"({{"anyOf":[{{"authority":"{0}","allOf":[{{"claim":"x-ms-ver","equals":"2.0"}}]}},)"
            R"({{"authority":"{1}","allOf":[{{"claim":"x-ms-ver","equals":"1.0"}}]}}]}})",
            kIssuer, second));
    };
    Checks checks;
    auto grant = evaluate(three("https://sharedweu.weu.attest.azure.net/"), claims(), checks);
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->authority(), "https://sharedweu.weu.attest.azure.net/");
    // The conditions that hold are another authority's: its word is not this issuer's.
    EXPECT_FALSE(granted(three("https://sharedneu.neu.attest.azure.net")));
}

TEST(Evaluate, ReportsTheWayClosestToPassing) {
    ReleasePolicy rules = policy(fmt::format(
        R"({{"anyOf":[)"
        R"({{"authority":"https://other.example","allOf":[{{"claim":"x-ms-ver","equals":"1.0"}}]}},)"
        R"({{"authority":"{0}","allOf":[{{"claim":"a","equals":1}},{{"claim":"b","equals":1}}]}},)"
        R"({{"authority":"{0}","anyOf":[{{"allOf":[{{"claim":"c","equals":1}},{{"claim":"d","equals":1}}]}},)"
        R"({{"allOf":[{{"claim":"x-ms-ver","equals":"1.0"}},{{"claim":"secureboot","equals":false}}]}}]}},)"
        R"({{"authority":"{0}","allOf":[{{"claim":"count","equals":9}}]}}]}})",
        kIssuer));
    Checks checks;
    auto grant = evaluate(rules, claims(), checks);
    ASSERT_FALSE(grant);
    EXPECT_THAT(codes(checks),
                ElementsAre("ok POLICY-AUTHORITY iss", "ok POLICY-CLAIM-MISMATCH x-ms-ver",
                            "FAILED POLICY-CLAIM-MISMATCH secureboot"));
}

TEST(Evaluate, ShortensLongValuesForDisplay) {
    std::string text(5000, 'a');
    Checks checks;
    auto grant = evaluate(policy_with(R"({"claim":"long","equals":"b"})"),
                          claims(fmt::format(R"({{"long":"{}"}})", text)), checks);
    ASSERT_FALSE(grant);
    EXPECT_EQ(checks.list().back().found.size(), 120U);
    EXPECT_THAT(checks.list().back().found, ::testing::EndsWith("aaa..."));
    // Only what is shown is shortened.
    EXPECT_TRUE(granted(policy_with(fmt::format(R"({{"claim":"long","equals":"{}"}})", text)),
                        claims(fmt::format(R"({{"long":"{}"}})", text))));
    EXPECT_FALSE(granted(policy_with(fmt::format(R"({{"claim":"long","equals":"{}"}})", text)),
                         claims(fmt::format(R"({{"long":"{}b"}})", text))));
}

TEST(Evaluate, SelectsTheAuthorityToContact) {
    ReleasePolicy rules = policy_with(R"({"claim":"a","equals":1})", "allOf", "https://A.example/");
    Checks checks;
    EXPECT_EQ(MUST(select_authority(rules, "HTTPS://a.example", checks)), "https://a.example");
    EXPECT_TRUE(checks.list().empty());
    auto refused = select_authority(rules, "https://evil.example", checks);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason()->code, "POLICY-AUTHORITY");
}

TEST(Explain, ShowsEveryConditionWithItsPathAlsoForASuccess) {
    Explanation explanation =
        explain(policy_with(R"({"claim":"x-ms-ver","equals":"1.0"},{"anyOf":[)"
                            R"({"claim":"absent","exists":true},{"claim":"score","less":3}]})"),
                claims());
    EXPECT_TRUE(explanation.passed());
    EXPECT_THAT(
        explanation.lines(),
        ElementsAre("ok     policy: any of its authorities",
                    "ok       anyOf[0] authority: issuer and conditions",
                    "ok         anyOf[0].authority: iss equals "
                    "\"https://sharedweu.weu.attest.azure.net\", found "
                    "\"https://sharedweu.weu.attest.azure.net\"",
                    "ok         anyOf[0].allOf: all of",
                    "ok           anyOf[0].allOf[0]: x-ms-ver equals \"1.0\", found \"1.0\"",
                    "ok           anyOf[0].allOf[1].anyOf: any of",
                    "FAILED         anyOf[0].allOf[1].anyOf[0]: absent exists true, found nothing",
                    "ok             anyOf[0].allOf[1].anyOf[1]: score less 3, found 2.5"));
}

TEST(Explain, WritesTheTreeAsJson) {
    Explanation explanation =
        explain(policy_with(R"({"claim":"secureboot","equals":"false"})"), claims());
    Json json = explanation.to_json();
    EXPECT_EQ(json["passed"], false);
    EXPECT_EQ(json["kind"], "policy");
    const Json& authority = json["members"][0];
    EXPECT_EQ(authority["members"][0]["kind"], "issuer");
    EXPECT_EQ(authority["members"][0]["passed"], true);
    const Json& claim = authority["members"][1]["members"][0];
    EXPECT_EQ(claim, MUST(parse_json(R"({"kind":"claim","path":"anyOf[0].allOf[0]","passed":false,)"
                                     R"("claim":"secureboot","operator":"equals",)"
                                     R"("expected":"\"false\"","found":"true"})")));
}

TEST(Explain, LetsNoControlCharacterThrough) {
    Explanation explanation =
        explain(policy_with("{\"claim\":\"\u202ename\",\"equals\":\"x\"}"),
                claims("{\"\u202ename\":\"\\u001b[2J\\n\x7f\u009b\"}", "https://\n\x1b"));
    for (const std::string& line : explanation.lines()) {
        for (char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
    }
    EXPECT_THAT(explanation.lines().back(), HasSubstr(R"(\u202ename equals "x")"));
}

}  // namespace
}  // namespace vouchsafe::policy
