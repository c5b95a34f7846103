#include "vouchsafe/policy/maa/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/policy/maa/engine.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::HasSubstr;

namespace {

using Verdict = AttestationOutcome::Verdict;

std::vector<Claim> service_claims(std::string_view json) {
    return MUST(claims_from_json(MUST(parse_json(json)), ClaimIssuer::attestation_service));
}

AttestationPolicy policy_of(std::string_view authorization, std::string_view issuance = "",
                            std::string_view configuration = "") {
    return MUST(AttestationPolicy::parse(
        fmt::format("version=1.2;configurationrules{{{}}};\nauthorizationrules{{{}}};\n"
                    "issuancerules{{{}}};",
                    configuration, authorization, issuance)));
}

AttestationOutcome judge(const AttestationPolicy& policy, std::string_view claims,
                         PolicyTrace* trace = nullptr) {
    return MUST(evaluate(policy, service_claims(claims), trace));
}

Verdict verdict_of(std::string_view authorization, std::string_view claims) {
    return judge(policy_of(authorization), claims).verdict;
}

// issued_by gives what the rules issue, as JSON text.
std::string issued_by(std::string_view issuance, std::string_view claims) {
    auto outcome = judge(policy_of("=>permit();", issuance), claims);
    EXPECT_TRUE(outcome.permitted()) << outcome.reason;
    return dump_json(outcome.issued);
}

// problem_of runs one issuance rule and gives why it failed.
std::string problem_of(std::string_view rule, std::string_view claims) {
    PolicyTrace trace;
    auto outcome = judge(policy_of("=>permit();", rule), claims, &trace);
    EXPECT_TRUE(outcome.permitted());
    return trace.rules.back().problem;
}

// holds tells whether a condition lets a permit fire.
bool holds(std::string_view condition, std::string_view claims) {
    return verdict_of(fmt::format("{} => permit();", condition), claims) == Verdict::permitted;
}

// steps_of tells how many steps a rule takes, by giving it ever more.
uint64_t steps_of(std::string_view condition, const std::vector<Claim>& claims) {
    const AttestationPolicy policy = policy_of(fmt::format("{}=>permit();", condition));
    const PolicyRule& rule = policy.block(PolicySection::authorization)->rules[0];
    for (uint64_t steps = 1; steps < 1000; ++steps) {
        RuleEngine engine(steps);
        MUST(engine.start(claims));
        if (engine.run(rule)) return steps - 1;
    }
    return 0;
}

TEST(EvaluatePolicy, PaysForClaimsOfOtherTypesThatItPassesOver) {
    const auto claims =
        service_claims(R"({"a":1,"b":2,"c":[3,4],"d":true,"e":"text"})");  // six claims
    EXPECT_EQ(steps_of(R"([type=="z"])", claims), 6u);
    EXPECT_EQ(steps_of(R"([type=="z", value==1])", claims), 6u);
    EXPECT_EQ(steps_of(R"(![type=="z"])", claims), 6u);
    EXPECT_EQ(steps_of(R"([type=="a"])", claims), 1u);
    EXPECT_EQ(steps_of(R"([type=="c"])", claims), 3u);  // the first that fits is enough
    EXPECT_EQ(steps_of(R"([type=="c", value==4])", claims), 6u);
    EXPECT_EQ(steps_of(R"([type=="c", value==5])", claims), 8u);
    EXPECT_EQ(steps_of(R"([value==5, type=="c"])", claims), 6u);
    // A type of 256 characters costs two steps for each claim.
    EXPECT_EQ(steps_of(fmt::format(R"([type=="{}"])", std::string(256, 'z')), claims), 12u);
}

}  // namespace

TEST(AttestationPolicyEvaluation, RefusesWithoutAPermit) {
    auto outcome = judge(policy_of(""), "{}");
    EXPECT_EQ(outcome.verdict, Verdict::not_permitted);
    EXPECT_EQ(outcome.reason, "no permit() fired in authorizationrules");
    EXPECT_FALSE(outcome.decided_by);
    EXPECT_EQ(verdict_of("[type==\"x\"]=>permit();", R"({"y":1})"), Verdict::not_permitted);
    EXPECT_EQ(verdict_of("=>permit();", "{}"), Verdict::permitted);
}

TEST(AttestationPolicyEvaluation, StopsAtTheFirstDenyEvenAfterAPermit) {
    PolicyTrace trace;
    auto outcome =
        judge(policy_of("=>permit();\n [type==\"debug\",value==true]=>deny(); =>permit();",
                        "=>issue(type=\"a\",value=1);"),
              R"({"debug":true})", &trace);
    EXPECT_EQ(outcome.verdict, Verdict::denied);
    EXPECT_EQ(outcome.decided_by, 1u);
    EXPECT_EQ(outcome.reason, "a deny() fired: authorizationrules, rule 2 (line 3, column 2)");
    EXPECT_EQ(trace.rules.size(), 2u);
    EXPECT_EQ(outcome.issued, Json::object());
    EXPECT_EQ(
        verdict_of("=>permit(); [type==\"debug\",value==true]=>deny();", R"({"debug":false})"),
        Verdict::permitted);
}

TEST(AttestationPolicyEvaluation, NamesTheRuleThatPermitted) {
    auto outcome = judge(policy_of("[type==\"a\"]=>permit();[type==\"b\"]=>permit();=>permit();"),
                         R"({"b":1})");
    EXPECT_EQ(outcome.decided_by, 1u);
    EXPECT_EQ(outcome.reason, "permitted: authorizationrules, rule 2 (line 2, column 42)");
}

TEST(AttestationPolicyEvaluation, ComparesByEachOperator) {
    constexpr std::string_view kClaims = R"({"i":5,"s":"5","b":true})";
    for (std::string_view yes :
         {"value==5", "value!=4", "value<6", "value<=5", "value>4", "value>=5"}) {
        EXPECT_TRUE(holds(fmt::format("[type==\"i\",{}]", yes), kClaims)) << yes;
    }
    for (std::string_view no :
         {"value==4", "value!=5", "value<5", "value<=4", "value>5", "value>=6"}) {
        EXPECT_FALSE(holds(fmt::format("[type==\"i\",{}]", no), kClaims)) << no;
    }
    EXPECT_TRUE(holds("[type==\"s\",value==\"5\"]", kClaims));
    EXPECT_FALSE(holds("[type==\"s\",value!=\"5\"]", kClaims));
    EXPECT_TRUE(holds("[type==\"b\",value!=false]", kClaims));
    EXPECT_FALSE(holds("[type==\"B\"]", kClaims));
}

TEST(AttestationPolicyEvaluation, KeepsTypesApart) {
    constexpr std::string_view kClaims = R"({"i":5,"s":"5","b":true})";
    EXPECT_FALSE(holds("[type==\"i\",value==\"5\"]", kClaims));
    EXPECT_TRUE(holds("[type==\"i\",value!=\"5\"]", kClaims));
    EXPECT_FALSE(holds("[type==\"b\",value==\"true\"]", kClaims));
    EXPECT_FALSE(holds("[type==\"s\",value>=0]", kClaims));
    EXPECT_FALSE(holds("[type==\"s\",value<=9]", kClaims));
    EXPECT_TRUE(holds("[type==\"i\",valueType==\"Integer\"]", kClaims));
    EXPECT_TRUE(holds("[type==\"b\",valueType!=\"String\"]", kClaims));
    EXPECT_FALSE(holds("[type==\"s\",valueType==\"Boolean\"]", kClaims));
}

TEST(AttestationPolicyEvaluation, TellsIssuersApart) {
    auto policy = policy_of("[type==\"a\",issuer==\"AttestationService\"]=>permit();");
    EXPECT_TRUE(judge(policy, R"({"a":1})").permitted());
    auto custom = MUST(claims_from_json(Json{{"a", 1}}, ClaimIssuer::custom_claim));
    EXPECT_FALSE(MUST(evaluate(policy, custom)).permitted());
    EXPECT_TRUE(
        MUST(evaluate(policy_of("[issuer==\"CustomClaim\"]=>permit();"), custom)).permitted());
    EXPECT_TRUE(holds("[issuer!=\"CustomClaim\"]", R"({"a":1})"));
}

TEST(AttestationPolicyEvaluation, AConditionHoldsIfOneClaimPassesAllItsTests) {
    constexpr std::string_view kClaims = R"({"pcr":[0,7,11],"other":4})";
    EXPECT_TRUE(holds("[type==\"pcr\",value==7]", kClaims));
    EXPECT_FALSE(holds("[type==\"pcr\",value==4]", kClaims));
    EXPECT_TRUE(holds("[type==\"pcr\",value>7,value<12]", kClaims));
    EXPECT_FALSE(holds("[type==\"pcr\",value>7,value<11]", kClaims));
    EXPECT_TRUE(holds("[value==4]", kClaims));
    EXPECT_TRUE(holds("[type==\"pcr\"]&&[type==\"other\"]", kClaims));
    EXPECT_FALSE(holds("[type==\"pcr\"]&&[type==\"third\"]", kClaims));
}

TEST(AttestationPolicyEvaluation, ANegatedConditionHoldsIfNoClaimPasses) {
    EXPECT_TRUE(holds("![type==\"a\"]", R"({"b":1})"));
    EXPECT_FALSE(holds("![type==\"a\"]", R"({"a":1})"));
    EXPECT_TRUE(holds("![type==\"a\",value==2]", R"({"a":1})"));
    EXPECT_FALSE(holds("![type==\"a\",value==1]", R"({"a":[2,1]})"));
    EXPECT_TRUE(holds("![type==\"a\"]", "{}"));
    EXPECT_FALSE(holds("[type==\"a\",value!=1]", "{}"));
}

TEST(AttestationPolicyEvaluation, JoinsConditionsByWhatTheyBind) {
    constexpr std::string_view kJoin = "f:[type==\"want\"]&&[type==\"have\",value==f.value]";
    EXPECT_TRUE(holds(kJoin, R"({"want":[1,2],"have":[2,3]})"));
    EXPECT_FALSE(holds(kJoin, R"({"want":[1,2],"have":[3,4]})"));
    EXPECT_TRUE(
        holds("f:[type==\"least\"]&&[type==\"svn\",value>=f.value]", R"({"least":3,"svn":3})"));
    EXPECT_FALSE(
        holds("f:[type==\"least\"]&&[type==\"svn\",value>=f.value]", R"({"least":3,"svn":2})"));
    EXPECT_TRUE(holds("f:[value==\"b\"]&&[type==f.value]", R"({"a":"b","b":1})"));
    EXPECT_FALSE(holds("f:[value==\"b\"]&&![type==f.value]", R"({"a":"b","b":1})"));
}

TEST(AttestationPolicyEvaluation, RunsAnActionForEachCombination) {
    EXPECT_EQ(
        issued_by("c:[type==\"a\"]=>issue(type=\"x\",value=c.value);", R"({"a":[1,"b",true]})"),
        R"({"x":[1,"b",true]})");
    EXPECT_EQ(issued_by("c:[type==\"a\"]&&d:[type==\"b\"]=>issue(type=c.value,value=d.value);",
                        R"({"a":["p","q"],"b":[1,2]})"),
              R"({"p":[1,2],"q":[1,2]})");
    EXPECT_EQ(issued_by("c:[type==\"a\"]&&d:[type==\"b\",value!=c.value]"
                        "=>issue(type=AppendString(c.value,d.value),value=true);",
                        R"({"a":["p","q"],"b":["p","q"]})"),
              R"({"pq":true,"qp":true})");
    // Conditions that the action does not use make no combinations.
    PolicyTrace trace;
    judge(policy_of("=>permit();", "c:[type==\"a\"]&&[type==\"b\"]=>add(type=\"x\",value=1);"),
          R"({"a":[1,2,3],"b":[1,2,3]})", &trace);
    EXPECT_EQ(trace.rules.back().combinations, 1u);
    EXPECT_EQ(trace.rules.back().made.size(), 1u);
}

TEST(AttestationPolicyEvaluation, AnotherPropertyThanTheValueMayBeUsed) {
    EXPECT_EQ(issued_by("c:[value==1]=>issue(type=\"x\",value=c.type);", R"({"a":1,"b":1,"c":2})"),
              R"({"x":["a","b"]})");
    EXPECT_EQ(issued_by("c:[type==\"a\"]=>issue(type=\"t\",value=c.valueType);"
                        "c:[type==\"a\"]=>issue(type=\"i\",value=c.issuer);",
                        R"({"a":1})"),
              R"({"i":"AttestationService","t":"Integer"})");
}

TEST(AttestationPolicyEvaluation, AddExtendsTheWorkingSetAndIssueTheTokenToo) {
    EXPECT_EQ(issued_by("=>add(type=\"a\",value=1);"
                        "[type==\"a\",issuer==\"AttestationPolicy\"]=>issue(type=\"b\",value=2);"
                        "[type==\"b\",issuer==\"AttestationPolicy\"]=>issue(type=\"c\",value=3);",
                        "{}"),
              R"({"b":2,"c":3})");
    // What authorization rules add, issuance rules see.
    auto outcome = judge(
        policy_of("=>add(type=\"a\",value=1);=>permit();", "c:[type==\"a\"]=>issue(claim=c);"),
        "{}");
    EXPECT_EQ(dump_json(outcome.issued), R"({"a":1})");
    // A rule does not see what it makes itself.
    EXPECT_EQ(issued_by("c:[value==1]=>issue(type=\"x\",value=1);"
                        "c:[type==\"x\"]=>issue(type=\"y\",value=c.value);",
                        R"({"a":1})"),
              R"({"x":1,"y":1})");
}

TEST(AttestationPolicyEvaluation, IssuesAClaimAsItIs) {
    PolicyTrace trace;
    auto outcome = judge(policy_of("=>permit();", "c:[type==\"a\"]=>issue(claim=c);"),
                         R"({"a":[1,2]})", &trace);
    EXPECT_EQ(dump_json(outcome.issued), R"({"a":[1,2]})");
    EXPECT_EQ(trace.claims.size(), 2u);  // it was in the working set already
    EXPECT_EQ(trace.rules.back().made[0].issuer, ClaimIssuer::attestation_service);
}

TEST(AttestationPolicyEvaluation, RepeatsNoValueOfAnIssuedClaim) {
    EXPECT_EQ(issued_by("=>issue(type=\"a\",value=1);=>issue(type=\"a\",value=1);", "{}"),
              R"({"a":1})");
    EXPECT_EQ(issued_by("=>issue(type=\"a\",value=1);=>issue(type=\"a\",value=\"1\");", "{}"),
              R"({"a":[1,"1"]})");
}

TEST(AttestationPolicyEvaluation, ChecksAValueTypeThatIsGiven) {
    EXPECT_EQ(issued_by("=>issue(type=\"a\",value=1,valueType=\"Integer\");", "{}"), R"({"a":1})");
    EXPECT_EQ(problem_of("=>issue(type=\"a\",value=1,valueType=\"String\");", "{}"),
              "valueType is \"String\", and the value is of type Integer");
    EXPECT_EQ(problem_of("c:[type==\"n\"]=>issue(type=c.value,value=1);", R"({"n":5})"),
              "the claim's type must be text that is not empty");
}

TEST(AttestationPolicyEvaluation, ErrorsOfIssuanceSkipTheRuleAlone) {
    EXPECT_EQ(issued_by("=>issue(type=\"a\",value=1);"
                        "c:[type==\"n\"]=>issue(type=\"b\",value=NegateBool(c.value));"
                        "=>issue(type=\"d\",value=2);",
                        R"({"n":[true,5]})"),
              R"({"a":1,"d":2})");
}

TEST(AttestationPolicyEvaluation, ErrorsOfAuthorizationRefuse) {
    auto outcome = judge(policy_of("=>permit(); =>add(type=\"a\",value=NegateBool(5));"), "{}");
    EXPECT_EQ(outcome.verdict, Verdict::failed);
    EXPECT_EQ(outcome.reason,
              "a rule failed to run: authorizationrules, rule 2 (line 2, column 32): the argument "
              "of NegateBool must be a Boolean, and is 5");
    EXPECT_EQ(verdict_of("=>permit(); [value==NegateBool(5)]=>deny();", R"({"a":1})"),
              Verdict::failed);
    EXPECT_EQ(verdict_of("=>permit(); [value==JsonToClaimValue(\"[1,2]\")]=>deny();", R"({"a":1})"),
              Verdict::failed);
}

TEST(AttestationPolicyEvaluation, SetsPropertiesAndChecksThoseItKnows) {
    auto outcome =
        judge(policy_of("=>permit();",
                        "=>issueproperty(type=\"report_validity_in_minutes\",value=1440);"
                        "=>issueproperty(type=\"omit_x5c\",value=true);"
                        "=>issueproperty(type=\"report_validity_in_minutes\",value=525601);"
                        "[type==\"omit_x5c\",value==true]=>issue(type=\"seen\",value=true);",
                        "=>issueproperty(type=\"required_pcr_mask\",value=0xF);"
                        "=>issueproperty(type=\"require_valid_aik_cert\",value=false);"
                        "=>issueproperty(type=\"x-ms-sgx-tcbidentifier\",value=\"azuredefault\");"
                        "=>issueproperty(type=\"later\",value=\"kept\");"),
              "{}");
    ASSERT_TRUE(outcome.permitted());
    EXPECT_EQ(outcome.properties.report_validity_in_minutes, 1440);
    EXPECT_EQ(outcome.properties.omit_x5c, true);
    EXPECT_EQ(dump_json(outcome.issued), R"({"seen":true})");
    EXPECT_EQ(outcome.configuration.required_pcr_mask, 15);
    EXPECT_EQ(outcome.configuration.require_valid_aik_cert, false);
    EXPECT_EQ(outcome.configuration.sgx_tcb_identifier, "azuredefault");
    EXPECT_EQ(outcome.configuration.all["later"], "kept");
    EXPECT_FALSE(outcome.configuration.omit_x5c);
    for (std::string_view bad :
         {"type=\"required_pcr_mask\",value=0x1000000", "type=\"required_pcr_mask\",value=true",
          "type=\"require_valid_aik_cert\",value=\"false\"", "type=\"omit_x5c\",value=1",
          "type=\"report_validity_in_minutes\",value=0", "type=\"x-ms-sgx-tcbidentifier\",value=10",
          "type=\"x-ms-sgx-tcbidentifier\",value=\"\""}) {
        auto policy = policy_of("=>permit();", "", fmt::format("=>issueproperty({});", bad));
        EXPECT_EQ(judge(policy, "{}").verdict, Verdict::failed) << bad;
        EXPECT_THAT(configure(policy).error().message, HasSubstr("a rule failed to run")) << bad;
    }
}

TEST(AttestationPolicyEvaluation, ConfigurationCanBeHadBeforeThereIsEvidence) {
    auto policy = policy_of("", "",
                            "=>issueproperty(type=\"required_pcr_mask\",value=7);"
                            "=>issueproperty(type=\"required_pcr_mask\",value=3);"
                            "[type==\"x\"]=>issueproperty(type=\"omit_x5c\",value=true);");
    auto configuration = MUST(configure(policy));
    EXPECT_EQ(configuration.required_pcr_mask, 3);
    EXPECT_FALSE(configuration.omit_x5c);
    EXPECT_EQ(MUST(configure(policy, service_claims(R"({"x":1})"))).omit_x5c, true);
    auto plain = MUST(AttestationPolicy::parse("version=1.0;authorizationrules{};"));
    EXPECT_EQ(MUST(configure(plain)).all, Json::object());
}

TEST(AttestationPolicyEvaluation, HostilePoliciesEndSoon) {
    Json many = Json::array();
    for (int i = 0; i < 100; ++i) many.push_back(i);
    std::string claims = dump_json(Json{{"a", many}});
    auto error_of = [&](std::string_view authorization) {
        auto outcome = evaluate(policy_of(authorization), service_claims(claims));
        return outcome ? "permitted" : outcome.error().message;
    };
    EXPECT_THAT(error_of("a:[type==\"a\"]&&b:[type==\"a\"]&&c:[type==\"a\"]"
                         "=>add(type=\"x\",value=IsSubsetOf(a.value,b.value));=>permit();"),
                "permitted");
    EXPECT_THAT(error_of("a:[type==\"a\"]&&b:[type==\"a\"]=>add(type=a.type,value=b.value);"),
                HasSubstr("more than 4096 combinations in a rule"));
    std::string growing;
    for (int i = 0; i < 8; ++i) growing += "a:[type==\"a\"]=>add(type=\"a\",value=a.value);";
    EXPECT_THAT(error_of(growing), HasSubstr("more than 4096 claims"));
    EXPECT_THAT(error_of("a:[type==\"a\"]&&b:[type==\"a\",value!=a.value]&&"
                         "c:[type==\"a\",value!=b.value]&&"
                         "[type==\"a\",value>c.value,value<c.value]=>permit();"),
                "attestation policy: evaluating the policy takes more than 4194304 steps");
    std::string doubling = "=>add(type=\"x\",value=\"0123456789abcdef\");";
    for (int i = 0; i < 40; ++i) {
        doubling += fmt::format(
            "c:[type==\"x\",value!=\"\"]=>add(type=\"x\",value=AppendString("
            "c.value,c.value));");
    }
    EXPECT_THAT(error_of(doubling), HasSubstr("evaluating the policy takes more than"));
    std::vector<Claim> claims_over_limit(kMaxClaims + 1, Claim{"a", true});
    EXPECT_THAT(evaluate(policy_of(""), claims_over_limit).error().message,
                "attestation policy: evaluating the policy takes more than 4096 claims");
    claims_over_limit.pop_back();
    EXPECT_TRUE(evaluate(policy_of(""), claims_over_limit));
}
