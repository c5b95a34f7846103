#include "vouchsafe/policy/maa/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

AttestationExplanation explained(std::string_view authorization, std::string_view claims,
                                 std::string_view issuance = "") {
    auto policy = MUST(AttestationPolicy::parse(
        fmt::format("version=1.2;\nauthorizationrules\n{{\n{}\n}};\nissuancerules{{{}}};",
                    authorization, issuance)));
    auto incoming =
        MUST(claims_from_json(MUST(parse_json(claims)), ClaimIssuer::attestation_service));
    auto explanation = MUST(explain(policy, incoming));
    EXPECT_EQ(explanation.verdict, MUST(evaluate(policy, incoming)).verdict);
    EXPECT_EQ(explanation.to_json()["rules"].size(), explanation.rules.size());
    for (const std::string& line : explanation.lines()) {
        for (char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
    }
    return explanation;
}

// change_of writes each change as "claim: found -> wanted".
std::vector<std::string> change_of(std::string_view authorization, std::string_view claims,
                                   bool verified = true) {
    auto explanation = explained(authorization, claims);
    EXPECT_EQ(explanation.change_verified, verified) << explanation.change_note;
    std::vector<std::string> out;
    for (const ClaimChange& change : explanation.smallest_change) {
        out.push_back(fmt::format("{}: {} -> {}", change.claim, change.found, change.wanted));
    }
    return out;
}

}  // namespace

TEST(AttestationPolicyExplanation, SaysWhichRulePermittedAndWhatItFound) {
    EXPECT_THAT(
        explained("[type==\"debug\",value==true]=>deny();\n[type==\"svn\",value>=3]=>permit();",
                  R"({"debug":false,"svn":5})",
                  "c:[type==\"svn\"]=>issue(type=\"s\",value=c.value);")
            .lines(),
        ElementsAre("PERMITTED: permitted: authorizationrules, rule 2 (line 5, column 1)",
                    "authorizationrules, rule 1 (line 4): deny did not fire",
                    R"(  FAILED [type == "debug", value == true])",
                    "           debug: value == true, found false",
                    "authorizationrules, rule 2 (line 5): permit fired: this decided",
                    R"(  ok     [type == "svn", value >= 3])",
                    "           svn: value >= 3, found 5",
                    "issuancerules, rule 1 (line 7): issue fired", R"(  ok     c:[type == "svn"])",
                    R"(           svn: type == "svn", found "svn")",
                    R"(  made   type == "s", value == 5, issuer == "AttestationPolicy")"));
}

TEST(AttestationPolicyExplanation, SaysWhatRefusedAndTheSmallestChange) {
    EXPECT_THAT(
        explained("[type==\"debug\",value==false]&&[type==\"svn\",value>=3]=>permit();",
                  R"({"debug":true,"svn":5})")
            .lines(),
        ElementsAre("REFUSED: no permit() fired in authorizationrules",
                    "authorizationrules, rule 1 (line 4): permit did not fire",
                    R"(  FAILED [type == "debug", value == false])",
                    "           debug: value == false, found true",
                    R"(  ok     [type == "svn", value >= 3])",
                    "           svn: value >= 3, found 5", "smallest change that would pass:",
                    "  debug: found true, wanted == false (line 4, column 1)"));
}

TEST(AttestationPolicyExplanation, TakesThePermitThatIsClosest) {
    constexpr std::string_view kPermits =
        "[type==\"a\",value==1]&&[type==\"b\",value==1]=>permit();"
        "[type==\"c\",value==\"x\"]=>permit();";
    EXPECT_THAT(change_of(kPermits, R"({"a":2,"b":2,"c":"y"})"),
                ElementsAre(R"(c: "y" -> == "x")"));
    EXPECT_THAT(change_of(kPermits, R"({"a":1,"b":2})"), ElementsAre("b: 2 -> == 1"));
    EXPECT_THAT(
        change_of("[type==\"a\",value==1]&&[type==\"b\",value==1]=>permit();", R"({"a":2,"b":2})"),
        ElementsAre("a: 2 -> == 1", "b: 2 -> == 1"));
}

TEST(AttestationPolicyExplanation, NamesClaimsThatAreMissing) {
    EXPECT_THAT(
        change_of("[type==\"svn\",value>=3,issuer==\"AttestationService\"]=>permit();", "{}"),
        ElementsAre(R"(svn: nothing -> value >= 3, issuer == "AttestationService")"));
    EXPECT_THAT(change_of("[type==\"svn\"]=>permit();", R"({"SVN":1})"),
                ElementsAre("svn: nothing -> to be there"));
    auto lines = explained("[type==\"svn\",value>=3]=>permit();", "{}").lines();
    EXPECT_EQ(lines[3], R"(           svn: type == "svn", found nothing)");
}

TEST(AttestationPolicyExplanation, LiftsEveryDenyThatFires) {
    constexpr std::string_view kDenies =
        "[type==\"debug\",value==true]=>deny();[type==\"svn\",value<3]=>deny();=>permit();";
    EXPECT_THAT(change_of(kDenies, R"({"debug":true,"svn":1})"),
                ElementsAre("debug: true -> != true", "svn: 1 -> >= 3"));
    EXPECT_THAT(change_of(kDenies, R"({"debug":false,"svn":1})"), ElementsAre("svn: 1 -> >= 3"));
    auto explanation = explained(kDenies, R"({"debug":true,"svn":1})");
    EXPECT_TRUE(explanation.rules[0].decided);
    EXPECT_FALSE(explanation.rules[1].ran);
    EXPECT_THAT(explanation.lines(),
                testing::Contains("authorizationrules, rule 2 (line 4): deny did not run; would "
                                  "fire"));
}

TEST(AttestationPolicyExplanation, CountsOneChangeThatServesTwoRulesOnce) {
    EXPECT_THAT(change_of("[type==\"debug\",value==true]=>deny();"
                          "[type==\"svn\",value==1]&&[type==\"debug\",value==true]=>deny();"
                          "=>permit();",
                          R"({"debug":true,"svn":1})"),
                ElementsAre("debug: true -> != true"));
}

TEST(AttestationPolicyExplanation, NegatedConditionsWantAClaimGoneOrThere) {
    EXPECT_THAT(change_of("![type==\"debug\"]=>permit();", R"({"debug":true})"),
                ElementsAre("debug: true -> not to be there"));
    EXPECT_THAT(change_of("![type==\"ok\",value==true]=>deny();=>permit();", "{}"),
                ElementsAre("ok: nothing -> value == true"));
}

TEST(AttestationPolicyExplanation, FollowsWhatConditionsBind) {
    EXPECT_THAT(change_of("c:[type==\"least\"]&&[type==\"svn\",value>=c.value]=>permit();",
                          R"({"least":7,"svn":5})"),
                ElementsAre("svn: 5 -> >= 7"));
    auto fired = explained("c:[type==\"a\"]&&[type==\"b\",value==c.value]=>permit();",
                           R"({"a":[1,2],"b":2})");
    EXPECT_TRUE(fired.rules[0].conditions[1].holds);
    EXPECT_EQ(fired.rules[0].conditions[1].tests[1].expected, "2");
}

TEST(AttestationPolicyExplanation, SaysSoWhenThePolicyDerivesTheClaim) {
    auto explanation = explained(
        "c:[type==\"x\"]=>add(type=\"y\",value=NegateBool(c.value));"
        "[type==\"y\",value==true]=>permit();",
        R"({"x":true})");
    EXPECT_TRUE(explanation.smallest_change[0].made_by_policy);
    EXPECT_THAT(explanation.lines().back(), HasSubstr("note: this was not seen to pass"));
    EXPECT_THAT(explanation.change_note, HasSubstr("derives claims from others"));
    EXPECT_EQ(explanation.to_json()["smallestChange"][0]["claim"], "y");
}

// Here no rule derives anything: one claim cannot be what two conditions want of it.
TEST(AttestationPolicyExplanation, SaysSoWhenConditionsStandAgainstEachOther) {
    for (const char* rules : {"[type==\"a\",value==1,valueType==\"String\"]=>permit();",
                              "[type==\"a\",value!=1]&&[type==\"a\",value<=1]=>permit();"}) {
        auto explanation = explained(rules, R"({"a":4})");
        EXPECT_FALSE(explanation.change_verified) << rules;
        EXPECT_EQ(explanation.change_note,
                  "this was not seen to pass: other conditions stand against it");
    }
}

TEST(AttestationPolicyExplanation, SaysSoWhenNothingHelps) {
    EXPECT_THAT(explained("=>deny();=>permit();", "{}").change_note, HasSubstr("cannot be lifted"));
    EXPECT_THAT(explained("", "{}").change_note, HasSubstr("no permit() can be made to fire"));
    auto failed = explained("=>add(type=\"x\",value=NegateBool(1));=>permit();", "{}");
    EXPECT_THAT(failed.change_note, HasSubstr("the policy itself has to change"));
    EXPECT_THAT(failed.lines(), testing::Contains(HasSubstr("add failed to run: this decided")));
}

TEST(AttestationPolicyExplanation, ShowsHostileTextInAscii) {
    auto explanation = explained("[type==\"caf\xC3\xA9\",value==\"\xE2\x82\xAC\"]=>permit();",
                                 R"({"caf\u00e9":"\u001b[31m"})");
    EXPECT_EQ(explanation.smallest_change[0].found, R"("\u001b[31m")");
}

TEST(AttestationPolicyExplanation, HostilePoliciesAreExplainedSoonOrNotAtAll) {
    Json many = Json::array();
    for (int i = 0; i < 400; ++i) many.push_back(i);
    std::string denies;
    for (int i = 0; i < 40; ++i)
        denies += "[type==\"a\",value>=0]&&[type==\"a\",value<=500]=>deny();";
    EXPECT_THAT(explained(denies, dump_json(Json{{"a", many}})).change_note,
                HasSubstr("no permit() can be made to fire"));
    EXPECT_THAT(explained("=>permit();" + denies, dump_json(Json{{"a", many}})).change_note,
                HasSubstr("more than 16 deny rules fire"));
}
