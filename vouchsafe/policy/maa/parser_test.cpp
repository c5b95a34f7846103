#include "vouchsafe/policy/maa/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/file.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::HasSubstr;

namespace {

std::string parse_error(std::string_view text) {
    auto policy = AttestationPolicy::parse(text);
    if (policy) return "parsed";
    EXPECT_EQ(policy.error().code, Code::invalid);
    constexpr std::string_view kPrefix = "attestation policy, ";
    EXPECT_TRUE(policy.error().message.starts_with("attestation policy"));
    return policy.error().message.substr(kPrefix.size());
}

// in_rules puts rules into a policy, each block on a line of its own: authorization on line 2.
std::string in_rules(std::string_view version, std::string_view authorization,
                     std::string_view issuance = "") {
    return fmt::format("version={};\nauthorizationrules{{ {} }};\nissuancerules{{ {} }};", version,
                       authorization, issuance);
}

void expect_round_trip(std::string_view text) {
    auto policy = MUST(AttestationPolicy::parse(text));
    auto again = MUST(AttestationPolicy::parse(policy.to_text()));
    EXPECT_EQ(policy, again) << policy.to_text();
    EXPECT_EQ(policy.to_text(), again.to_text());
}

}  // namespace

TEST(AttestationPolicyParser, ReadsTheSmallestPolicy) {
    auto policy = MUST(AttestationPolicy::parse("version=1.0;authorizationrules{};"));
    EXPECT_EQ(policy.version(), PolicyVersion::v1_0);
    ASSERT_EQ(policy.blocks().size(), 1u);
    EXPECT_TRUE(policy.blocks()[0].rules.empty());
    EXPECT_EQ(policy.block(PolicySection::issuance), nullptr);
    EXPECT_EQ(parse_error("version=1.0;authorizationrules{}"),
              "line 1, column 33: found the end, expected ';'; a block ends with };");
}

TEST(AttestationPolicyParser, ReadsEveryPartOfARule) {
    auto policy = MUST(AttestationPolicy::parse(
        "version = 1.2 ; // spaces are free\n"
        "authorizationrules {\n"
        "  c:[type == \"a\\\"b\\\\c\", value >= 0x1F, issuer != \"CustomClaim\"] &&\n"
        "  ![valueType==\"Integer\", value == c.value] => permit();\n"
        "};\n"
        "issuancerules {\n"
        "  c:[type==\"x\"] => issue(type = \"y\", valueType=\"Boolean\",\n"
        "     value=ContainsOnlyValue(c.value, NegateBool(true)), issuer=\"AttestationPolicy\");\n"
        "  d:[value==false] => issue(claim = d);\n"
        "};"));
    const PolicyRule& rule = policy.blocks()[0].rules[0];
    ASSERT_EQ(rule.conditions.size(), 2u);
    EXPECT_EQ(rule.conditions[0].identifier, "c");
    EXPECT_EQ(rule.conditions[0].tests[0].expected.literal, ClaimValue(std::string("a\"b\\c")));
    EXPECT_EQ(rule.conditions[0].tests[1].comparison, Comparison::greater_or_equal);
    EXPECT_EQ(rule.conditions[0].tests[1].expected.literal, ClaimValue(int64_t{31}));
    EXPECT_TRUE(rule.conditions[1].negated);
    EXPECT_EQ(rule.conditions[1].at.line, 4u);
    EXPECT_EQ(rule.conditions[1].at.column, 3u);
    EXPECT_EQ(rule.conditions[1].tests[1].expected.identifier, "c");
    const PolicyRule& issue = policy.blocks()[1].rules[0];
    EXPECT_EQ(rule_text(issue),
              "c:[type == \"x\"] => issue(type = \"y\", value = ContainsOnlyValue(c.value, "
              "NegateBool(true)), valueType = \"Boolean\");");
    EXPECT_EQ(policy.blocks()[1].rules[1].action.claim, "d");
    expect_round_trip(policy.to_text());
}

TEST(AttestationPolicyParser, RefusesAPolicyThatDoesNotBeginWithAVersionItKnows) {
    EXPECT_EQ(parse_error(""),
              "line 1, column 1: found the end, expected 'version'; a policy begins with "
              "version=1.2;");
    EXPECT_THAT(parse_error("authorizationrules{};"), HasSubstr("expected 'version'"));
    EXPECT_EQ(parse_error("version=1.3;"),
              "line 1, column 9: found '1.3', expected a version: 1.0, 1.1 or 1.2");
    EXPECT_THAT(parse_error("version=1;"), HasSubstr("column 9: found '1', expected a version"));
    EXPECT_THAT(parse_error("version=1.00;"), HasSubstr("expected a version"));
    EXPECT_EQ(parse_error("version=1.0\n[type==\"x\"]"),
              "line 2, column 1: found '[', expected ';'");
    EXPECT_THAT(parse_error("\xEF\xBB\xBFversion=1.0;"), HasSubstr("byte order mark"));
}

TEST(AttestationPolicyParser, WantsBlocksInTheirOrderAndEachOnce) {
    constexpr std::string_view kOrder =
        "version=1.1;configurationrules{};authorizationrules{};issuancerules{};";
    EXPECT_TRUE(AttestationPolicy::parse(kOrder));
    EXPECT_EQ(parse_error("version=1.0;\nissuancerules{};\nauthorizationrules{};"),
              "line 3, column 1: found 'authorizationrules', expected the end or a block that "
              "comes later; the order is configurationrules, authorizationrules, issuancerules, "
              "each once");
    EXPECT_THAT(parse_error("version=1.0;authorizationrules{};authorizationrules{};"),
                HasSubstr("expected the end or a block that comes later"));
    EXPECT_EQ(parse_error("version=1.0;issuancerules{};"),
              "line 1, column 29: found the end, expected a block authorizationrules");
    EXPECT_THAT(parse_error("version=1.0;AuthorizationRules{};"), HasSubstr("in lower case"));
    EXPECT_THAT(parse_error("version=1.0;authorizationrules{ => permit();"),
                HasSubstr("found the end, expected a rule or '}'"));
}

TEST(AttestationPolicyParser, KnowsWhatEachVersionHas) {
    EXPECT_EQ(parse_error("version=1.0;\nconfigurationrules{};authorizationrules{};"),
              "line 2, column 1: found 'configurationrules': configuration rules need version 1.1, "
              "and this policy says 1.0");
    EXPECT_TRUE(AttestationPolicy::parse("version=1.1;configurationrules{};authorizationrules{};"));
    EXPECT_EQ(parse_error(in_rules("1.1", "![type==\"x\"] => permit();")),
              "line 2, column 21: found '!': negated conditions need version 1.2, and this policy "
              "says 1.1");
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.2", "![type==\"x\"] => permit();")));
    EXPECT_EQ(parse_error(in_rules("1.0", "=> add(type=\"x\", value=NegateBool(true));")),
              "line 2, column 44: found 'NegateBool': functions need version 1.2, and this policy "
              "says 1.0");
    EXPECT_TRUE(
        AttestationPolicy::parse(in_rules("1.2", "=> add(type=\"x\", value=NegateBool(true));")));
}

TEST(AttestationPolicyParser, RefusesASingleEqualsSignInAConditionWithAHint) {
    EXPECT_EQ(parse_error(in_rules("1.0", "[type=\"x\"] => permit();")),
              "line 2, column 26: found '=', expected '=='; a condition compares by ==, = sets "
              "arguments");
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(type==\"x\", value=1);")),
                HasSubstr("expected '='; arguments are set by ="));
}

TEST(AttestationPolicyParser, AllowsEachActionInItsBlocksAlone) {
    EXPECT_THAT(parse_error(in_rules("1.0", "=> issue(type=\"x\", value=1);")),
                HasSubstr("found 'issue', expected permit, deny or add; this is the block "
                          "authorizationrules"));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> issueproperty(type=\"x\", value=1);")),
                HasSubstr("expected permit, deny or add"));
    EXPECT_THAT(parse_error(in_rules("1.0", "", "=> permit();")),
                HasSubstr("line 3, column 19: found 'permit', expected add, issue or "
                          "issueproperty"));
    EXPECT_THAT(parse_error("version=1.1;configurationrules{=>add(type=\"x\",value=1);};"),
                HasSubstr("found 'add', expected issueproperty"));
    EXPECT_TRUE(AttestationPolicy::parse(in_rules(
        "1.0", "=> add(type=\"x\", value=1); => deny();",
        "=> add(type=\"x\", value=1); => issue(type=\"x\", value=1); => issueproperty(type=\"x\", "
        "value=1);")));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> allow();")), HasSubstr("found 'allow', expected"));
}

TEST(AttestationPolicyParser, WantsTypeAndValueOfAClaimOnceEach) {
    EXPECT_EQ(parse_error(in_rules("1.0", "=> add(type=\"x\");")),
              "line 2, column 36: add needs a value: write add(type = ..., value = ...)");
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(value=1);")), HasSubstr("add needs a type"));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add();")), HasSubstr("found ')', expected type"));
    EXPECT_EQ(parse_error(in_rules("1.0", "=> add(type=\"x\", type=\"y\", value=1);")),
              "line 2, column 38: 'type' is given twice");
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(type=1, value=1);")),
                HasSubstr("line 2, column 33: type is text"));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(type=\"\", value=1);")),
                HasSubstr("not empty"));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(type=\"x\", value=1, valueType=\"Int\");")),
                HasSubstr("valueType is \"String\", \"Integer\" or \"Boolean\""));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> add(\"x\", value=1);")),
                HasSubstr("found \"x\", expected type, value or valueType"));
    EXPECT_THAT(parse_error(in_rules("1.0", "=> permit(type=\"x\");")),
                HasSubstr("permit and deny have no arguments"));
}

TEST(AttestationPolicyParser, LetsNoPolicyForgeAnIssuer) {
    EXPECT_THAT(
        parse_error(in_rules("1.0", "=> add(type=\"x\", value=1, issuer=\"AttestationService\");")),
        HasSubstr("line 2, column 54: claims made by a policy have the issuer"));
    EXPECT_THAT(parse_error(in_rules("1.0",
                                     "c:[type==\"x\"] => add(type=\"x\", value=1, "
                                     "issuer=c.issuer);")),
                HasSubstr("claims made by a policy have the issuer"));
    EXPECT_THAT(parse_error(in_rules("1.0",
                                     "=> add(type=\"x\", value=1, "
                                     "issuer=\"AttestationPolicy\", "
                                     "issuer=\"AttestationPolicy\");")),
                HasSubstr("'issuer' is given twice"));
}

TEST(AttestationPolicyParser, BindsIdentifiersBeforeTheyAreUsed) {
    EXPECT_EQ(parse_error(in_rules("1.0", "[type==c.value] && c:[type==\"x\"] => permit();")),
              "line 2, column 28: 'c' names no condition before this place in the rule");
    EXPECT_THAT(parse_error(in_rules("1.0", "c:[type==c.value] => permit();")),
                HasSubstr("'c' names no condition before"));
    EXPECT_THAT(parse_error(in_rules("1.0", "c:[type==\"x\"] => permit(); => add(claim=c);")),
                HasSubstr("'c' names no condition before"));
    EXPECT_THAT(parse_error(in_rules("1.0", "c:[type==\"x\"] && c:[type==\"y\"] => permit();")),
                HasSubstr("line 2, column 38: 'c' names a second condition"));
    EXPECT_THAT(parse_error(in_rules("1.2", "!c:[type==\"x\"] => add(claim=c);")),
                HasSubstr("'c' names a condition with '!'"));
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.2", "!c:[type==\"x\"] => permit();")));
    EXPECT_THAT(parse_error(in_rules("1.0", "c:[type==\"x\"] => add(type=c, value=1);")),
                HasSubstr("expected '.' or '('"));
    EXPECT_THAT(parse_error(in_rules("1.0", "c:[type==\"x\"] => add(type=c.name, value=1);")),
                HasSubstr("found 'name', expected type, value, valueType or issuer"));
}

TEST(AttestationPolicyParser, OrdersIntegersAndComparesTextWithText) {
    EXPECT_THAT(
        parse_error(in_rules("1.0", "[value > \"5\"] => permit();")),
        HasSubstr("line 2, column 30: found \"5\", expected an integer: > orders integers"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[value <= true] => permit();")),
                HasSubstr("expected an integer"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type >= 5] => permit();")),
                HasSubstr("found '>=', expected == or !=; type is text"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[issuer == 5] => permit();")),
                HasSubstr("found 5, expected text in double quotes: issuer is text"));
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.0", "[value > 5] => permit();")));
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.0", "[value != \"5\"] => permit();")));
}

TEST(AttestationPolicyParser, ReadsIntegersOf63Bits) {
    for (std::string_view good :
         {"0", "007", "9223372036854775807", "0x7fffffffffffffff", "0XfF"}) {
        EXPECT_TRUE(AttestationPolicy::parse(
            in_rules("1.0", fmt::format("[value=={}] => permit();", good))))
            << good;
    }
    for (std::string_view bad :
         {"9223372036854775808", "0x8000000000000000", "0x", "12ab", "1_0"}) {
        EXPECT_THAT(parse_error(in_rules("1.0", fmt::format("[value=={}] => permit();", bad))),
                    HasSubstr("line 2, column 29: found \"" + std::string(bad) +
                              "\", which is no integer"));
    }
    EXPECT_THAT(parse_error(in_rules("1.0", "[value==-1] => permit();")),
                HasSubstr("integers of a policy have no sign"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[value==1.5] => permit();")),
                HasSubstr("found '1.5', expected text, an integer, true, false"));
}

TEST(AttestationPolicyParser, ReadsTextWithItsTwoEscapesAlone) {
    EXPECT_EQ(parse_error(in_rules("1.0", "[type==\"x] => permit();")),
              "line 2, column 28: the text that begins here has no closing '\"' on its line");
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"a\\nb\"] => permit();")),
                HasSubstr("line 2, column 30: found a backslash within text before neither"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"a\x01\"] => permit();")),
                HasSubstr("control character"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type=='x'] => permit();")),
                HasSubstr("text stands in double quotes"));
    EXPECT_EQ(AttestationPolicy::parse("version=1.0;\"\xff\"").error().message,
              "attestation policy: this is not UTF-8");
    // Columns count characters.
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"\xC3\xA9\xE2\x82\xAC\"] > permit();")),
                HasSubstr("line 2, column 34: found '>', expected '=>'"));
}

TEST(AttestationPolicyParser, PointsAtOtherCommonSlips) {
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"x\"] => permit()")),
                HasSubstr("found '}', expected ';'; a rule ends with ;"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[] => permit();")),
                HasSubstr("found ']', expected type, value, valueType or issuer"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"x\" value==1] => permit();")),
                HasSubstr("found 'value', expected ']'; tests are separated by commas"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"x\"] || [type==\"y\"] => permit();")),
                HasSubstr("there is no 'or'"));
    EXPECT_THAT(parse_error(in_rules("1.0", "[type==\"x\"] & [type==\"y\"] => permit();")),
                HasSubstr("conditions are joined by &&"));
    EXPECT_THAT(parse_error(in_rules("1.0", "c[type==\"x\"] => permit();")),
                HasSubstr("found '[', expected ':'"));
    EXPECT_THAT(parse_error(in_rules("1.0", "true:[type==\"x\"] => permit();")),
                HasSubstr("found 'true', expected a condition"));
    EXPECT_THAT(parse_error("version=1.0; /* no */"), HasSubstr("comments are written //"));
    EXPECT_THAT(parse_error(in_rules("1.2", "=> add(type=\"x\", value=NegateBol(true));")),
                HasSubstr("found 'NegateBol', expected a function"));
    EXPECT_THAT(parse_error(in_rules("1.2", "=> add(type=\"x\", value=NegateBool());")),
                HasSubstr("line 2, column 44: NegateBool takes 1 argument, not 0"));
    EXPECT_THAT(parse_error(in_rules("1.2", "=> add(type=\"x\", value=JmesPath(\"{}\"));")),
                HasSubstr("JmesPath takes 2 arguments, not 1"));
}

TEST(AttestationPolicyParser, HoldsItsLimits) {
    std::string rules;
    for (size_t i = 0; i < kMaxPolicyRules; ++i) rules += "=>permit();";
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.0", rules)));
    EXPECT_THAT(parse_error(in_rules("1.0", rules + "=>permit();")), HasSubstr("more than 1024"));

    std::string conditions = "[value==1]";
    for (size_t i = 1; i < kMaxRuleConditions; ++i) conditions += "&&[value==1]";
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.0", conditions + "=>permit();")));
    EXPECT_THAT(parse_error(in_rules("1.0", conditions + "&&[value==1]=>permit();")),
                HasSubstr("more than 32 conditions"));

    std::string tests = "value==1";
    for (size_t i = 1; i < kMaxPropertyTests; ++i) tests += ",value==1";
    EXPECT_TRUE(AttestationPolicy::parse(in_rules("1.0", "[" + tests + "]=>permit();")));
    EXPECT_THAT(parse_error(in_rules("1.0", "[" + tests + ",value==1]=>permit();")),
                HasSubstr("more than 32 tests"));

    auto nested = [](size_t depth) {
        std::string call = "true";
        for (size_t i = 1; i < depth; ++i) call = "NegateBool(" + call + ")";
        return in_rules("1.2", "=> add(type=\"x\", value=" + call + ");");
    };
    EXPECT_TRUE(AttestationPolicy::parse(nested(kMaxCallDepth)));
    EXPECT_THAT(parse_error(nested(kMaxCallDepth + 1)), HasSubstr("nested deeper than 16"));

    std::string filler(kMaxAttestationPolicyBytes, ' ');
    std::string policy = "version=1.0;authorizationrules{};";
    filler.resize(kMaxAttestationPolicyBytes - policy.size());
    EXPECT_TRUE(AttestationPolicy::parse(policy + filler));
    EXPECT_THAT(AttestationPolicy::parse(policy + filler + " ").error().message,
                HasSubstr("more than 122880"));
}

TEST(AttestationPolicyParser, EqualityLooksAtWhatIsSaidAndNotAtWhere) {
    auto a = MUST(AttestationPolicy::parse(in_rules("1.0", "[value==16]=>permit();")));
    auto b = MUST(AttestationPolicy::parse(
        in_rules("1.0", "// sixteen\n  [ value  ==  0x10 ]  =>  permit ( ) ;")));
    auto c = MUST(AttestationPolicy::parse(in_rules("1.0", "[value==17]=>permit();")));
    auto d = MUST(AttestationPolicy::parse(in_rules("1.1", "[value==16]=>permit();")));
    EXPECT_EQ(a, b);
    EXPECT_FALSE(a == c);
    EXPECT_FALSE(a == d);
}
