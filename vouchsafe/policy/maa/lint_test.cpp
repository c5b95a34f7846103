#include "vouchsafe/policy/maa/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

std::vector<std::string> codes_of(std::string_view text,
                                  AttestationTarget target = AttestationTarget::sev_snp_vm) {
    std::vector<std::string> out;
    for (const PolicyWarning& warning : lint(MUST(AttestationPolicy::parse(text)), target)) {
        EXPECT_FALSE(warning.message.empty() || warning.remedy.empty());
        out.push_back(warning.code.substr(std::string_view("MAA-LINT-").size()));
    }
    return out;
}

// linted puts rules beside one that permits what is not debugged, which alone gives no warning.
std::vector<std::string> linted(std::string_view authorization, std::string_view issuance = "",
                                std::string_view version = "1.2") {
    return codes_of(
        fmt::format("version={};authorizationrules{{[type==\"x-ms-sevsnpvm-is-"
                    "debuggable\",value==false]=>permit();{}}};issuancerules{{{}}};",
                    version, authorization, issuance));
}

}  // namespace

TEST(AttestationPolicyLint, HasNothingToSayOfASoundPolicy) {
    EXPECT_THAT(linted(""), IsEmpty());
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-vmpl\",value>0]=>deny();",
                       "=>issue(type=\"mine\",value=1);"),
                IsEmpty());
}

TEST(AttestationPolicyLint, WarnsOfWhatAlwaysPermitsOrNever) {
    EXPECT_THAT(codes_of("version=1.0;authorizationrules{=>permit();};"),
                ElementsAre("DEBUG-UNCHECKED", "PERMIT-ALWAYS"));
    EXPECT_THAT(codes_of("version=1.0;authorizationrules{[type==\"x-ms-sevsnpvm-is-debuggable\","
                         "value==true]=>deny();=>permit();};"),
                IsEmpty());
    EXPECT_THAT(codes_of("version=1.0;authorizationrules{};"), ElementsAre("NO-PERMIT"));
    EXPECT_THAT(codes_of("version=1.0;authorizationrules{[type==\"x-ms-sevsnpvm-is-debuggable\","
                         "value==true]=>deny();};"),
                ElementsAre("DENY-WITHOUT-PERMIT"));
}

TEST(AttestationPolicyLint, WarnsIfNobodyLooksAtDebugging) {
    auto checks = [](std::string_view claim, AttestationTarget target) {
        return codes_of(
            fmt::format("version=1.2;authorizationrules{{[type==\"{}\"]=>permit();}};", claim),
            target);
    };
    EXPECT_THAT(checks("x-ms-sgx-is-debuggable", AttestationTarget::sgx_enclave), IsEmpty());
    EXPECT_THAT(checks("$is-debuggable", AttestationTarget::open_enclave), IsEmpty());
    EXPECT_THAT(checks("tdx_td_attributes_debug", AttestationTarget::tdx_vm), IsEmpty());
    EXPECT_THAT(checks("x-ms-sevsnpvm-is-debuggable", AttestationTarget::azure_guest), IsEmpty());
    EXPECT_THAT(checks("secureboot", AttestationTarget::azure_guest),
                ElementsAre("DEBUG-UNCHECKED"));
    EXPECT_THAT(checks("secureBootEnabled", AttestationTarget::tpm), IsEmpty());
    EXPECT_THAT(checks("x-ms-sevsnpvm-vmpl", AttestationTarget::sev_snp_vm),
                ElementsAre("DEBUG-UNCHECKED"));
    EXPECT_THAT(checks("tdx_mrtd", AttestationTarget::tdx_vm), ElementsAre("DEBUG-UNCHECKED"));
    // A query that looks into the claims of the isolation counts.
    EXPECT_THAT(codes_of("version=1.2;authorizationrules{c:[type==\"x-ms-isolation-tee\"]=>add("
                         "type=\"d\",value=JsonToClaimValue(JmesPath(c.value,\"\\\"x-ms-sevsnpvm-"
                         "is-debuggable\\\"\")));[type==\"d\",value==false]=>permit();};",
                         AttestationTarget::azure_guest),
                IsEmpty());
}

TEST(AttestationPolicyLint, WarnsOfNamesThatNobodyIssues) {
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-VMPL\",value>0]=>deny();"),
                ElementsAre("CLAIM-UNKNOWN"));
    EXPECT_THAT(linted("[type==\"x-ms-sgx-svn\",value<2]=>deny();"), ElementsAre("CLAIM-UNKNOWN"));
    EXPECT_THAT(linted("=>add(type=\"mine\",value=1);[type==\"mine\"]=>deny();"), IsEmpty());
    EXPECT_THAT(linted("[type==\"x-vouchsafe-trust-tier\"]=>deny();"), IsEmpty());
    EXPECT_THAT(linted("[type==\"sent\",issuer==\"CustomClaim\"]=>deny();"), IsEmpty());
    EXPECT_THAT(linted("[type==\"sent\",issuer==\"AttestationService\"]=>deny();"),
                ElementsAre("CLAIM-UNKNOWN"));
}

TEST(AttestationPolicyLint, WarnsOfRulesThatCannotMatter) {
    EXPECT_THAT(linted("=>permit();[type==\"x-ms-sevsnpvm-vmpl\"]=>permit();"),
                ElementsAre("PERMIT-ALWAYS", "RULE-UNREACHABLE"));
    EXPECT_THAT(linted("=>deny();=>add(type=\"a\",value=1);"), ElementsAre("RULE-UNREACHABLE"));
    for (std::string_view impossible :
         {"value==1,value==2", "value==1,value!=1", "value>3,value<4", "value>=2,value<2",
          "value==5,value>5", "value==\"a\",value<5", "valueType==\"Integer\",value==\"a\"",
          "valueType==\"Int\"", "issuer==\"attestationservice\"", "valueType==\"String\",value>1",
          "value>9223372036854775807", "type==\"other\""}) {
        EXPECT_THAT(linted(fmt::format(
                        "[type==\"x-ms-sevsnpvm-vmpl\",{}]=>add(type=\"y\",value=1);", impossible)),
                    testing::Contains("CONDITION-IMPOSSIBLE"))
            << impossible;
    }
    for (std::string_view possible : {"value>3,value<5", "value>=2,value<=2", "value!=1,value!=2",
                                      "valueType==\"Integer\",value==1"}) {
        EXPECT_THAT(linted(fmt::format(
                        "[type==\"x-ms-sevsnpvm-vmpl\",{}]=>add(type=\"y\",value=1);", possible)),
                    IsEmpty())
            << possible;
    }
}

TEST(AttestationPolicyLint, WarnsOfWhatIsComparedOrIssuedWrongly) {
    EXPECT_THAT(linted("", "=>issue(type=\"x-ms-sevsnpvm-vmpl\",value=0);"),
                ElementsAre("ISSUE-SERVICE-CLAIM"));
    EXPECT_THAT(linted("", "=>add(type=\"x-ms-sevsnpvm-vmpl\",value=0);"), IsEmpty());
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-vmpl\",value==\"0\"]=>deny();"),
                ElementsAre("TYPE-MISMATCH"));
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-smt-allowed\",value==\"true\"]=>deny();"),
                ElementsAre("TYPE-MISMATCH"));
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-vmpl\",value!=0]=>deny();"),
                ElementsAre("NOT-EQUAL"));
    EXPECT_THAT(linted("[value!=0]=>permit();"), ElementsAre("NOT-EQUAL"));
    EXPECT_THAT(linted("[type==\"x-ms-sevsnpvm-vmpl\",value!=1]=>permit();"), IsEmpty());
    EXPECT_THAT(linted("![type==\"x-ms-sevsnpvm-vmpl\",value!=1]=>deny();"), IsEmpty());
}

TEST(AttestationPolicyLint, WarnsOfWhatTheVersionCannotLookIntoAndOfBrokenQueries) {
    EXPECT_THAT(linted("[type==\"x-ms-runtime\"]=>deny();", "", "1.1"), ElementsAre("VERSION-OLD"));
    EXPECT_THAT(linted("[type==\"x-ms-runtime\"]=>deny();"), IsEmpty());
    EXPECT_THAT(linted("c:[type==\"x-ms-runtime\"]=>add(type=\"k\",value=JmesPath(c.value,"
                       "\"keys[?a == 12]\"));"),
                ElementsAre("QUERY-BROKEN"));
    EXPECT_THAT(linted("c:[type==\"x-ms-runtime\"]=>add(type=\"k\",value=JmesPath(c.value,"
                       "\"keys[?a == `12`]\"));"),
                IsEmpty());
}

TEST(AttestationPolicyLint, TellsPlaceCodeAndRemedyAndKnowsItsCodes) {
    auto warnings =
        lint(MUST(AttestationPolicy::parse("version=1.0;\nauthorizationrules{\n  =>permit();\n};")),
             AttestationTarget::tdx_vm);
    ASSERT_EQ(warnings.size(), 2u);
    EXPECT_EQ(warnings[0].line(),
              "line 2, column 1: MAA-LINT-DEBUG-UNCHECKED: for TdxVm that is "
              "tdx_td_attributes_debug, dbgstat: no authorization rule looks at debugging; test a "
              "claim that tells about it");
    EXPECT_EQ(warnings[1].at.line, 3u);
    EXPECT_EQ(warnings[1].at.column, 3u);
    std::vector<std::string_view> codes;
    for (const LintRule& rule : lint_rules()) codes.push_back(rule.code);
    EXPECT_EQ(codes.size(), 12u);
    std::sort(codes.begin(), codes.end());
    EXPECT_EQ(std::adjacent_find(codes.begin(), codes.end()), codes.end());
}

TEST(KnownClaims, AreListedOnceEach) {
    std::vector<std::string_view> names;
    for (const KnownClaim& claim : known_claims()) names.push_back(claim.name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
    EXPECT_TRUE(is_claim_of("tdx_mrtd", AttestationTarget::tdx_vm));
    EXPECT_FALSE(is_claim_of("tdx_mrtd", AttestationTarget::sev_snp_vm));
}
