// Each warning about a release policy, and the nearest policy that deserves none.
#include "vouchsafe/policy/release/release_lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace vouchsafe::policy::release_lint_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kDebugOff =
    R"({"claim":"x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable","equals":"false"})";
constexpr const char* kMachine =
    R"({"claim":"x-ms-isolation-tee.x-ms-runtime.vm-configuration.vmUniqueId","equals":"A"})";

std::string authority(const std::string& list, const std::string& url = "https://mine.example") {
    return fmt::format(R"({{"authority":"{}",{}}})", url, list);
}

std::vector<ReleaseWarning> lint_text(const std::string& authorities) {
    return lint_release(MUST(
        ReleasePolicy::parse(fmt::format(R"({{"version":"1.0.0","anyOf":[{}]}})", authorities))));
}

std::vector<std::string> codes(const std::string& authorities) {
    std::vector<std::string> out;
    for (const ReleaseWarning& warning : lint_text(authorities)) {
        EXPECT_FALSE(warning.message.empty() || warning.remedy.empty() || warning.path.empty());
        out.push_back(warning.code.substr(std::string_view("RELEASE-LINT-").size()));
    }
    return out;
}

// linted puts a condition beside two that alone give no warning.
std::vector<std::string> linted(const std::string& condition) {
    return codes(authority(fmt::format(R"("allOf":[{},{},{}])", kDebugOff, kMachine, condition)));
}

std::string sound() {
    return fmt::format(R"("allOf":[{},{}])", kDebugOff, kMachine);
}

TEST(ReleaseLint, HasNothingToSayOfASoundPolicy) {
    EXPECT_THAT(codes(authority(sound())), IsEmpty());
    EXPECT_THAT(
        linted(R"({"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"sevsnpvm"})"),
        IsEmpty());
    EXPECT_THAT(linted(R"({"claim":"x-ms-isolation-tee.x-ms-sevsnpvm-snpfw-svn","greater":8})"),
                IsEmpty());
    EXPECT_THAT(linted(R"({"claim":"x-ms-policy.my-own","equals":"yes"})"), IsEmpty());
}

TEST(ReleaseLint, WarnsOfTheTutorialsPolicy) {
    const std::string tutorial =
        R"("allOf":[{"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"sevsnpvm"},)"
        R"({"claim":"x-ms-isolation-tee.x-ms-compliance-status","equals":"azure-compliant-cvm"}])";
    EXPECT_THAT(codes(authority(tutorial, "https://sharedweu.weu.attest.azure.net")),
                ElementsAre("DEBUG-UNCHECKED", "ANY-MACHINE", "SHARED-AUTHORITY"));
    EXPECT_THAT(codes(authority(tutorial)), ElementsAre("DEBUG-UNCHECKED", "ANY-MACHINE"));
}

TEST(ReleaseLint, DebuggingMustBeExcludedOnEveryWay) {
    const auto debug = [](const std::string& condition) {
        return codes(authority(fmt::format(R"("allOf":[{},{}])", condition, kMachine)));
    };
    for (const char* good : {R"({"claim":"x-ms-sevsnpvm-is-debuggable","equals":false})",
                             R"({"claim":"x-ms-sevsnpvm-is-debuggable","notEquals":true})",
                             R"({"claim":"dbgstat","equals":"disabled"})",
                             R"({"anyOf":[{"claim":"x-ms-sgx-is-debuggable","equals":false},)"
                             R"({"claim":"tdx_td_attributes_debug","equals":"false"}]})"}) {
        EXPECT_THAT(debug(good), IsEmpty()) << good;
    }
    for (const char* bad : {R"({"claim":"x-ms-sevsnpvm-is-debuggable","equals":true})",
                            R"({"claim":"x-ms-sevsnpvm-is-debuggable","exists":true})",
                            R"({"anyOf":[{"claim":"x-ms-sgx-is-debuggable","equals":false},)"
                            R"({"claim":"x-ms-attestation-type","equals":"tdxvm"}]})"}) {
        EXPECT_THAT(debug(bad), ElementsAre("DEBUG-UNCHECKED")) << bad;
    }
}

TEST(ReleaseLint, WhoOrWhatRunsMustBeSaid) {
    const auto what = [](const std::string& condition, const char* url = "https://mine.example") {
        return codes(authority(fmt::format(R"("allOf":[{},{}])", kDebugOff, condition), url));
    };
    EXPECT_THAT(what(R"({"claim":"x-vouchsafe-boot-kernel","equals":"aa"})"), IsEmpty());
    EXPECT_THAT(what(R"({"claim":"x-vouchsafe-boot-kernel","exists":true})"),
                ElementsAre("ANY-MACHINE"));
    const char* shared = "https://SharedWEU.weu.attest.azure.net/";
    EXPECT_THAT(what(R"({"claim":"x-vouchsafe-boot-kernel","equals":"aa"})", shared),
                ElementsAre("SHARED-AUTHORITY"));
    EXPECT_THAT(what(kMachine, shared), IsEmpty());
    EXPECT_THAT(what(R"({"claim":"x-vouchsafe-boot-kernel","equals":"aa"})",
                     "https://mine.weu.attest.azure.net"),
                IsEmpty());
}

TEST(ReleaseLint, WarnsOfClaimsThatCallersWrite) {
    EXPECT_THAT(linted(R"({"claim":"x-ms-runtime.client-payload.nonce","equals":"n"})"),
                ElementsAre("CALLER-CLAIM"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-azurevm-osdistro","equals":"Ubuntu"})"),
                ElementsAre("CALLER-CLAIM"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-runtime.vm-configuration.secure-boot","equals":true})"),
                IsEmpty());
    EXPECT_THAT(linted(R"({"claim":"x-ms-isolation-tee.x-ms-runtime.vm-configuration.secure-boot",)"
                       R"("equals":true})"),
                IsEmpty());
}

TEST(ReleaseLint, WarnsOfNegations) {
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-imageId","notEquals":"a"})"),
                ElementsAre("NOT-EQUALS"));
    EXPECT_THAT(linted(R"({"claim":"secureboot","notEquals":false})"), IsEmpty());
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-imageId","exists":false})"),
                ElementsAre("EXISTS-FALSE"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-imageId","exists":true})"), IsEmpty());
}

TEST(ReleaseLint, NamesTheNearestClaim) {
    const auto warnings = lint_text(authority(fmt::format(
        R"("allOf":[{},{},{{"claim":"x-ms-isolation-tee.x-ms-compliance-state","equals":"x"}}])",
        kDebugOff, kMachine)));
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0].code, "RELEASE-LINT-CLAIM-UNKNOWN");
    EXPECT_EQ(warnings[0].path, "anyOf[0].allOf[2]");
    EXPECT_NE(warnings[0].message.find("\"x-ms-isolation-tee.x-ms-compliance-status\""),
              std::string::npos)
        << warnings[0].line();
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-familyid","equals":"01"})"),
                ElementsAre("CLAIM-UNKNOWN"));
    EXPECT_THAT(linted(R"({"claim":"what-ever-this-is","equals":"01"})"),
                ElementsAre("CLAIM-UNKNOWN"));
    EXPECT_THAT(linted(R"({"claim":")" + std::string(5000, 'x') + R"(","equals":"01"})"),
                ElementsAre("CLAIM-UNKNOWN"));
}

TEST(ReleaseLint, WarnsOfWhatStandsTwiceOrCannotBe) {
    EXPECT_THAT(linted(kDebugOff), ElementsAre("DUPLICATE"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable",)"
                       R"("equals":"true"})"),
                ElementsAre("NEVER"));
    EXPECT_THAT(linted(R"({"anyOf":[{"claim":"x-ms-sevsnpvm-vmpl","equals":0},)"
                       R"({"claim":"x-ms-sevsnpvm-vmpl","equals":1}]})"),
                IsEmpty());
}

TEST(ReleaseLint, WarnsOfAuthoritiesThatAddNothing) {
    const std::string more = fmt::format(
        R"("allOf":[{},{},{{"claim":"x-ms-sevsnpvm-vmpl","equals":0}}])", kDebugOff, kMachine);
    EXPECT_THAT(codes(authority(sound()) + "," + authority(sound(), "https://MINE.example/")),
                ElementsAre("AUTHORITY-UNREACHABLE"));
    EXPECT_THAT(codes(authority(sound()) + "," + authority(more)),
                ElementsAre("AUTHORITY-UNREACHABLE"));
    EXPECT_THAT(codes(authority(more) + "," + authority(sound())), IsEmpty());
    EXPECT_THAT(codes(authority(sound()) + "," + authority(sound(), "https://other.example")),
                IsEmpty());
}

TEST(ReleaseLint, WarnsOfValuesThatTokensNeverHave) {
    EXPECT_THAT(linted(R"({"claim":"secureboot","equals":"True"})"), ElementsAre("VALUE-FORM"));
    EXPECT_THAT(linted(R"({"claim":"secureboot","equals":"true"})"), IsEmpty());
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-vmpl","equals":"zero"})"),
                ElementsAre("VALUE-FORM"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-sevsnpvm-imageId",)"
                       R"("equals":"ABCDEF00000000000000000000000000"})"),
                ElementsAre("VALUE-FORM"));
    EXPECT_THAT(linted(R"({"claim":"x-vouchsafe-reference-values","equals":"prod"})"),
                ElementsAre("VALUE-FORM"));
    EXPECT_THAT(linted(R"({"claim":"x-ms-isolation-tee","equals":"x"})"),
                ElementsAre("VALUE-FORM"));
}

TEST(ReleaseLint, RulesHaveCodesOfTheirOwn) {
    std::set<std::string_view> seen;
    for (const LintRule& rule : release_lint_rules()) {
        EXPECT_TRUE(seen.insert(rule.code).second) << rule.code;
        EXPECT_TRUE(rule.code.starts_with("RELEASE-LINT-"));
    }
}

}  // namespace
}  // namespace vouchsafe::policy::release_lint_test
