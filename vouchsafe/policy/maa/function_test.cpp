// The functions of version 1.2, through policies that call them.
#include <gtest/gtest.h>

#include "vouchsafe/policy/jmespath/jmespath.h"
#include "vouchsafe/policy/maa/evaluate.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;

namespace {

struct FunctionRun {
    std::string issued;   // as JSON text
    std::string problem;  // of the last rule
};

FunctionRun run_rules(std::string_view rules, std::string_view claims) {
    auto policy = MUST(AttestationPolicy::parse(
        fmt::format("version=1.2;authorizationrules{{=>permit();}};issuancerules{{{}}};", rules)));
    auto incoming =
        MUST(claims_from_json(MUST(parse_json(claims)), ClaimIssuer::attestation_service));
    PolicyTrace trace;
    auto outcome = MUST(evaluate(policy, incoming, &trace));
    return {dump_json(outcome.issued), trace.rules.back().problem};
}

// value_of gives x after `=> issue(type="x", value=EXPRESSION)`, with c bound to the claims "c".
std::string value_of(std::string_view expression, std::string_view claims = R"({"c":1})") {
    auto run =
        run_rules(fmt::format("c:[type==\"c\"]=>issue(type=\"x\",value={});", expression), claims);
    if (!run.problem.empty()) return run.problem;
    Json issued = MUST(parse_json(run.issued));
    return issued.contains("x") ? dump_json(issued["x"]) : "nothing";
}

}  // namespace

TEST(PolicyFunctions, JmesPathGivesJsonText) {
    EXPECT_EQ(value_of(R"(JmesPath("{\"foo\": \"bar\"}", "foo"))"), R"("\"bar\"")");
    EXPECT_EQ(value_of(R"(JmesPath("{\"values\": [0,1,2,3,4]}", "values[2]"))"), R"("2")");
    EXPECT_EQ(value_of(R"(JmesPath("{}", "a.b"))"), R"("null")");
    EXPECT_EQ(value_of(R"(JmesPath(c.value, "n"))", R"({"c":{"n":[1,{"m":2}]}})"),
              R"("[1,{\"m\":2}]")");
}

TEST(PolicyFunctions, JmesPathTakesJsonAndAQuery) {
    EXPECT_EQ(value_of(R"(JmesPath("{", "a"))"), "the JSON text cannot be read: no JSON at byte 2");
    EXPECT_EQ(value_of(R"(JmesPath("", "a"))"), "the JSON text cannot be read: no JSON at byte 1");
    EXPECT_EQ(value_of(R"(JmesPath("{}", ""))"),
              "JMESPath syntax, character 1: found the end, expected an expression");
    EXPECT_EQ(value_of(R"(JmesPath("{}", "a == 12"))"),
              "JMESPath syntax, character 6: found \"12\", expected an expression");
    EXPECT_EQ(value_of("JmesPath(c.value, \"a\")"),
              "the first argument of JmesPath must be a String, and is 1");
    EXPECT_EQ(value_of("JmesPath(\"{}\", true)"),
              "the second argument of JmesPath must be a String, and is true");
}

TEST(PolicyFunctions, JmesPathKnowsTheFunctionThatAzuresSamplesCall) {
    EXPECT_EQ(value_of("JmesPath(\"{\\\"f\\\":\\\"\\\\\\\\Windows\\\\\\\\WdBoot.sys\\\"}\", "
                       "\"equals_ignore_case(f, '\\\\windows\\\\wdboot.sys')\")"),
              R"("true")");
    EXPECT_EQ(value_of("JmesPath(\"{\\\"f\\\":\\\"a\\\"}\", \"equals_ignore_case(f, 'b')\")"),
              R"("false")");
}

TEST(PolicyFunctions, JsonToClaimValueMakesAClaimOfEachPrimitive) {
    EXPECT_EQ(value_of(R"(JsonToClaimValue("100"))"), "100");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("-1"))"), "-1");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("2.0"))"), "2");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("true"))"), "true");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("\"abc\""))"), R"("abc")");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("[0, \"abc\", true, null]"))"), R"([0,"abc",true])");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("null"))"), "nothing");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("[]"))"), "nothing");
}

TEST(PolicyFunctions, JsonToClaimValueRefusesWhatNoClaimCanHold) {
    EXPECT_EQ(value_of(R"(JsonToClaimValue("2.5"))"), "JsonToClaimValue makes no claim of 2.5");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("18446744073709551615"))"),
              "JsonToClaimValue makes no claim of 18446744073709551615");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("{}"))"), "JsonToClaimValue makes no claim of {}");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("[1,[2]]"))"), "JsonToClaimValue makes no claim of [2]");
    EXPECT_EQ(value_of(R"(JsonToClaimValue("abc"))"),
              "the JSON text cannot be read: no JSON at byte 1");
    EXPECT_EQ(value_of("JsonToClaimValue(5)"),
              "the argument of JsonToClaimValue must be a String, and is 5");
}

TEST(PolicyFunctions, IsSubsetOfComparesAllClaimsBoundAndMakesOne) {
    constexpr std::string_view kRule =
        "c1:[type==\"sub\"]&&c2:[type==\"super\"]=>issue(type=\"x\",value=IsSubsetOf(c1.value,"
        "c2.value));";
    EXPECT_EQ(run_rules(kRule, R"({"sub":["abc",100],"super":[true,"abc",100]})").issued,
              R"({"x":true})");
    EXPECT_EQ(run_rules(kRule, R"({"sub":["abc","100"],"super":[true,"abc",100]})").issued,
              R"({"x":false})");
    EXPECT_EQ(value_of(R"(IsSubsetOf(JsonToClaimValue("[]"), c.value))"), "true");
    EXPECT_EQ(value_of(R"(IsSubsetOf(c.value, JsonToClaimValue("null")))"), "false");
}

TEST(PolicyFunctions, ContainsOnlyValueWantsNothingElseAndSomething) {
    EXPECT_EQ(value_of("ContainsOnlyValue(c.value, true)", R"({"c":[true,true]})"), "true");
    EXPECT_EQ(value_of("ContainsOnlyValue(c.value, 100)", R"({"c":[100,101]})"), "false");
    EXPECT_EQ(value_of("ContainsOnlyValue(c.value, 1)", R"({"c":"1"})"), "false");
    EXPECT_EQ(value_of(R"(ContainsOnlyValue(JsonToClaimValue("[]"), 1))"), "false");
    EXPECT_EQ(value_of(R"(ContainsOnlyValue(c.value, JsonToClaimValue("[1,2]")))"),
              "the second argument of ContainsOnlyValue must be one value, and is 2");
}

TEST(PolicyFunctions, AppendStringAndNegateBoolTakeTheirTypesAlone) {
    EXPECT_EQ(value_of(R"(AppendString(c.value, "xyz"))", R"({"c":"abc"})"), R"("abcxyz")");
    EXPECT_EQ(value_of(R"(AppendString("", ""))"), R"("")");
    EXPECT_EQ(value_of(R"(AppendString(c.value, "x"))"),
              "the first argument of AppendString must be a String, and is 1");
    EXPECT_EQ(value_of("NegateBool(c.value)", R"({"c":true})"), "false");
    EXPECT_EQ(value_of("NegateBool(NegateBool(c.value))", R"({"c":true})"), "true");
    EXPECT_EQ(value_of("NegateBool(c.value)"),
              "the argument of NegateBool must be a Boolean, and is 1");
}

TEST(PolicyFunctions, WhatComesFromReadOnlyClaimsCannotBeIssued) {
    constexpr std::string_view kPcrs = R"({"pcrs":{"PCRs":[{"Index":0,"Digests":{"SHA1":"aa"}}]}})";
    constexpr std::string_view kProblem = "the claim \"x\" is read-only and cannot be issued";
    for (std::string_view expression :
         {"c.value", "JmesPath(c.value, \"PCRs\")", "AppendString(\"a\", c.value)",
          "AppendString(c.value, \"a\")", "JmesPath(\"{}\", JmesPath(c.value, \"'a'\"))",
          "JsonToClaimValue(JmesPath(c.value, \"length(PCRs)\"))",
          "NegateBool(JsonToClaimValue(JmesPath(c.value, \"`true`\")))"}) {
        auto run = run_rules(
            fmt::format("c:[type==\"pcrs\"]=>issue(type=\"x\",value={});", expression), kPcrs);
        EXPECT_EQ(run.problem, kProblem) << expression;
        EXPECT_EQ(run.issued, "{}") << expression;
    }
    EXPECT_EQ(run_rules("c:[type==\"pcrs\"]=>issue(claim=c);", kPcrs).problem,
              "the claim \"pcrs\" is read-only and cannot be issued");
    EXPECT_EQ(
        run_rules("c:[type==\"pcrs\"]=>issueproperty(type=\"x\",value=c.value);", kPcrs).problem,
        kProblem);
    // add keeps the taint, so the way round does not work either.
    EXPECT_EQ(run_rules("c:[type==\"pcrs\"]=>add(type=\"y\",value=c.value);"
                        "c:[type==\"y\"]=>issue(type=\"x\",value=c.value);",
                        kPcrs)
                  .problem,
              kProblem);
}

TEST(PolicyFunctions, SetFunctionsAndComparisonsClearReadOnly) {
    constexpr std::string_view kPcrs = R"({"pcrs":{"PCRs":[{"Index":0,"Digests":{"SHA1":"aa"}}]}})";
    EXPECT_EQ(run_rules("c:[type==\"pcrs\"]=>issue(type=\"x\",value=ContainsOnlyValue("
                        "JsonToClaimValue(JmesPath(c.value,\"PCRs[*].Index\")),0));",
                        kPcrs)
                  .issued,
              R"({"x":true})");
    EXPECT_EQ(
        run_rules("c:[type==\"pcrs\"]=>issue(type=\"x\",value=IsSubsetOf(c.value,c.value));", kPcrs)
            .issued,
        R"({"x":true})");
    EXPECT_EQ(run_rules("=>add(type=\"ok\",value=true);"
                        "c:[type==\"pcrs\"]&&d:[type==\"ok\",value==JsonToClaimValue(JmesPath("
                        "c.value,\"PCRs[?Index == `0`].Digests.SHA1 | @[0] == 'aa'\"))]"
                        "=>issue(claim=d);",
                        kPcrs)
                  .issued,
              R"({"ok":true})");
}

TEST(PolicyFunctions, ASetInALaterConditionIsAllThatFitTheEarlierOne) {
    constexpr std::string_view kRule =
        "c:[type==\"a\"]&&d:[type==\"all-one\",value==ContainsOnlyValue(c.value,1)]"
        "=>issue(claim=d);";
    EXPECT_EQ(run_rules(kRule, R"({"a":[1,1],"all-one":true})").issued, R"({"all-one":true})");
    EXPECT_EQ(run_rules(kRule, R"({"a":[1,2],"all-one":true})").issued, "{}");
    // Also where the same name is used for one claim at a time.
    constexpr std::string_view kBoth =
        "c:[type==\"a\"]&&[type==\"all-one\",value==ContainsOnlyValue(c.value,1)]"
        "=>issue(type=c.type,value=c.value);";
    EXPECT_EQ(run_rules(kBoth, R"({"a":[1,2],"all-one":false})").issued, R"({"a":[1,2]})");
    EXPECT_EQ(run_rules(kBoth, R"({"a":[1,2],"all-one":true})").issued, "{}");
}

TEST(PolicyFunctions, ASetInTheActionIsMadeOfTheCombinationsThatHold) {
    // d stands for one claim in the second condition; in the action for all that passed it.
    constexpr std::string_view kRule =
        "d:[type==\"a\"]&&[type==\"allowed\",value==d.value]"
        "=>issue(type=\"only-one\",value=ContainsOnlyValue(d.value,1));";
    EXPECT_EQ(run_rules(kRule, R"({"a":[1,2],"allowed":[1,3]})").issued, R"({"only-one":true})");
    EXPECT_EQ(run_rules(kRule, R"({"a":[1,2],"allowed":[1,2]})").issued, R"({"only-one":false})");
    // Beside a name that is used for one claim at a time, the set is that of its combinations.
    EXPECT_EQ(
        run_rules("t:[type==\"least\"]&&v:[type==\"v\",value>=t.value]"
                  "=>issue(type=AppendString(\"x\",t.type),value=ContainsOnlyValue(v.value,9));",
                  R"({"least":5,"v":[1,9]})")
            .issued,
        R"({"xleast":true})");
}

TEST(PolicyFunctions, QueriesAsPublishedSamplesWriteThemAreUnderstood) {
    for (std::string_view query :
         {"[?ProcessedData.UnicodeName == 'SecureBoot'] | length(@) == `1` && "
          "@[0].ProcessedData.VariableData == 'AQ'",
          "[*].EVENT_BITLOCKER_UNLOCK | @[? Value != `0`].Value | @[0]",
          "[*].EVENT_LOADEDMODULE_AGGREGATION[] | [? EVENT_IMAGEVALIDATED == `true` && "
          "(equals_ignore_case(EVENT_FILEPATH, '\\a\\b.sys') || "
          "equals_ignore_case(EVENT_FILEPATH, '\\c.sys'))] | @ != `null`",
          "Events[? EventTypeString == 'EV_EVENT_TAG' && PcrIndex == `20` && "
          "ProcessedData.A.SignatureValid != `null`] | length(@) == `1` && @[0] | "
          "@.{EventSeq:EventSeq, SignatureValid:ProcessedData.A.SignatureValid}",
          "PCRs[? Index == `0`].Digests.SHA1 | @[0] == `\"KCk6Ow\"`",
          "PCRs[? Index == `0`].Digests.SHA256 | @[0] =='4c83' "}) {
        EXPECT_TRUE(jmespath::check_syntax(query, jmespath::Dialect::azure)) << query;
    }
}
