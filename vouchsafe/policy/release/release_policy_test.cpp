#include "vouchsafe/policy/release/release_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/file.h"

namespace vouchsafe::policy {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kTutorial = R"({
  "version": "1.0.0",
  "anyOf": [
    {
      "authority": "https://sharedweu.weu.attest.azure.net",
      "allOf": [
        { "claim": "x-ms-isolation-tee.x-ms-attestation-type",  "equals": "sevsnpvm" },
        { "claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "azure-compliant-cvm" }
      ]
    }
  ]
})";
constexpr std::string_view kTutorialCanonical =
    R"({"version":"1.0.0","anyOf":[{"authority":"https://sharedweu.weu.attest.azure.net",)"
    R"("allOf":[{"claim":"x-ms-isolation-tee.x-ms-attestation-type","equals":"sevsnpvm"},)"
    R"({"claim":"x-ms-isolation-tee.x-ms-compliance-status","equals":"azure-compliant-cvm"}]}]})";

// with puts conditions into an otherwise good policy.
std::string with(std::string_view conditions) {
    return fmt::format(
        R"({{"version":"1.0.0","anyOf":[{{"authority":"https://a","allOf":[{}]}}]}})", conditions);
}

std::string error_of(std::string_view json) {
    auto policy = ReleasePolicy::parse(json);
    if (policy) return "accepted";
    EXPECT_EQ(policy.error().code, Code::invalid);
    return policy.error().message;
}

std::string claims(size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) {
        out += fmt::format(R"({}{{"claim":"c{}","equals":{}}})", i == 0 ? "" : ",", i, i);
    }
    return out;
}

// nested is a condition of `lists` lists around one claim.
std::string nested(size_t lists) {
    std::string out = R"({"claim":"a","equals":1})";
    for (size_t i = 0; i < lists; ++i) {
        out = fmt::format(R"({{"{}":[{}]}})", i % 2 == 0 ? "allOf" : "anyOf", out);
    }
    return out;
}

TEST(ReleasePolicy, WritesTheTutorialsPolicyAsTheServiceGivesItBack) {
    ReleasePolicy policy = MUST(ReleasePolicy::parse(kTutorial));
    EXPECT_EQ(policy.canonical(), kTutorialCanonical);
    ASSERT_EQ(policy.authorities().size(), 1U);
    const Condition& list = policy.authorities()[0].conditions;
    EXPECT_EQ(list.kind, Condition::Kind::all_of);
    EXPECT_EQ(list.path, "anyOf[0].allOf");
    ASSERT_EQ(list.members.size(), 2U);
    EXPECT_EQ(list.members[1].path, "anyOf[0].allOf[1]");
    EXPECT_EQ(list.members[1].claim, "x-ms-isolation-tee.x-ms-compliance-status");
    EXPECT_EQ(list.members[1].value_text, "azure-compliant-cvm");
}

TEST(ReleasePolicy, KeepsTheRecordedPolicyOfTheRealServiceByteForByte) {
    std::string recorded = MUST(read_text_file(
        VS_SOURCE_DIR "/tests/vectors/skr/release-ec-hsm-2022-05.release-policy.json"));
    EXPECT_EQ(MUST(ReleasePolicy::parse(recorded)).canonical(), recorded);
}

TEST(ReleasePolicy, PutsKeywordsInTheServicesOrderAndSpelling) {
    ReleasePolicy policy = MUST(ReleasePolicy::parse(
        R"({"ANYOF":[{"AllOf":[{"EQUALS":"x","Claim":"c"},{"lessorequals":8,"claim":"d"}],)"
        R"("Authority":"https://A/"}],"Version":"1.0.0"})"));
    EXPECT_EQ(policy.canonical(),
              R"({"version":"1.0.0","anyOf":[{"authority":"https://A/","allOf":[)"
              R"({"claim":"c","equals":"x"},{"claim":"d","lessOrEquals":8}]}]})");
}

TEST(ReleasePolicy, KeepsValuesOfEveryType) {
    std::string text = with(
        R"({"claim":"a","equals":"\u00e9\"\\"},{"claim":"b","notEquals":true},)"
        R"({"claim":"c","less":-3},{"claim":"d","greater":2.5},)"
        R"({"claim":"e","greaterOrEquals":18446744073709551615},{"claim":"f","exists":"false"})");
    EXPECT_EQ(MUST(ReleasePolicy::parse(text)).canonical(),
              with("{\"claim\":\"a\",\"equals\":\"\u00e9\\\"\\\\\"},"
                   R"({"claim":"b","notEquals":true},{"claim":"c","less":-3},)"
                   R"({"claim":"d","greater":2.5},)"
                   R"({"claim":"e","greaterOrEquals":18446744073709551615},)"
                   R"({"claim":"f","exists":"false"})"));
}

TEST(ReleasePolicy, KnowsAllSevenOperators) {
    for (std::string_view name :
         {"equals", "notEquals", "less", "lessOrEquals", "greater", "greaterOrEquals", "exists"}) {
        std::string value = name == "exists" ? "true" : "1";
        auto policy =
            ReleasePolicy::parse(with(fmt::format(R"({{"claim":"a","{}":{}}})", name, value)));
        ASSERT_TRUE(policy) << policy.error().message;
        EXPECT_EQ(operator_name(policy->authorities()[0].conditions.members[0].op), name);
    }
    EXPECT_THAT(error_of(with(R"({"claim":"a","contains":1})")),
                HasSubstr(R"(anyOf[0].allOf[0]: "contains" is no keyword here)"));
}

TEST(ReleasePolicy, TakesAMissingVersionForOneAndRefusesAnother) {
    ReleasePolicy policy = MUST(ReleasePolicy::parse(
        R"({"anyOf":[{"authority":"https://a","anyOf":[{"claim":"a","equals":1}]}]})"));
    EXPECT_THAT(policy.canonical(), HasSubstr(R"({"version":"1.0.0","anyOf")"));
    for (std::string_view version : {"\"1.0\"", "\"1.0.1\"", "\"2.0.0\"", "1", "null", "\"\""}) {
        EXPECT_THAT(error_of(fmt::format(R"({{"version":{},"anyOf":[{{"authority":"https://a",)"
                                         R"("allOf":[{{"claim":"a","equals":1}}]}}]}})",
                                         version)),
                    HasSubstr("is no known version; write \"version\":\"1.0.0\""));
    }
}

TEST(ReleasePolicy, RefusesEmptyAndMissingLists) {
    for (std::string_view text : {"{}", R"({"version":"1.0.0"})", R"({"anyOf":[]})",
                                  R"({"anyOf":{}})", R"({"anyOf":null})"}) {
        EXPECT_THAT(error_of(text), HasSubstr("anyOf: a list of at least one authority is missing"))
            << text;
    }
    EXPECT_THAT(error_of(with("")), HasSubstr("anyOf[0].allOf: this is no list of at least one"));
    EXPECT_THAT(error_of(with(R"({"claim":"a","equals":1},{"anyOf":[]})")),
                HasSubstr("anyOf[0].allOf[1].anyOf: this is no list of at least one condition"));
    EXPECT_THAT(error_of(R"({"anyOf":[{"authority":"https://a","allOf":{"claim":"a"}}]})"),
                HasSubstr("anyOf[0].allOf: this is no list"));
    EXPECT_THAT(error_of("[]"), HasSubstr("at the top: this is no object"));
    EXPECT_THAT(error_of(R"({"allOf":[]})"), HasSubstr(R"("allOf" is no keyword here)"));
}

TEST(ReleasePolicy, RefusesAnAuthorityWithBothListsOrNone) {
    constexpr std::string_view kOne = "an authority has exactly one of allOf and anyOf";
    EXPECT_THAT(error_of(R"({"anyOf":[{"authority":"https://a"}]})"), HasSubstr(kOne));
    EXPECT_THAT(error_of(R"({"anyOf":[{"authority":"https://a","allOf":[{"claim":"a","equals":1}],)"
                         R"("anyOf":[{"claim":"a","equals":1}]}]})"),
                HasSubstr(kOne));
    EXPECT_THAT(error_of(R"({"anyOf":[{"allOf":[{"claim":"a","equals":1}]}]})"),
                HasSubstr("anyOf[0]: the authority is missing"));
}

TEST(ReleasePolicy, RefusesAnAuthorityThatIsNoHttpsUrl) {
    for (std::string_view url :
         {"\"\"", "\"http://a\"", "\"sharedweu.weu.attest.azure.net\"", "\"https://\"", "7",
          "\"https:///x\"", "\"https://user@a\"", "\"https://a?b\"", "\"https://a#b\"",
          "\"https://a b\"", "\"https://a\\nb\"", "\"https://a\\\\b\"", "\"https://\u00e4\"",
          "null"}) {
        EXPECT_THAT(error_of(fmt::format(R"({{"anyOf":[{{"authority":{},"allOf":[)"
                                         R"({{"claim":"a","equals":1}}]}}]}})",
                                         url)),
                    HasSubstr("anyOf[0].authority: "))
            << url;
    }
    EXPECT_TRUE(ReleasePolicy::parse(R"({"anyOf":[{"authority":"HTTPS://a.b:8443/c/","allOf":[)"
                                     R"({"claim":"a","equals":1}]}]})"));
}

TEST(ReleasePolicy, RefusesAClaimWithoutExactlyOneOperator) {
    EXPECT_THAT(error_of(with(R"({"claim":"a"})")), HasSubstr("exactly one operator"));
    EXPECT_THAT(error_of(with(R"({"claim":"a","less":9,"greater":1})")),
                HasSubstr("anyOf[0].allOf[0]: a claim has exactly one operator"));
    EXPECT_THAT(error_of(with(R"({"claim":"a","anyOf":[{"claim":"b","equals":1}]})")),
                HasSubstr("exactly one operator"));
    EXPECT_THAT(error_of(with(R"({"equals":1})")), HasSubstr("one claim with one operator"));
    EXPECT_THAT(error_of(with("{}")), HasSubstr("one claim with one operator"));
    EXPECT_THAT(error_of(with(R"({"allOf":[{"claim":"b","equals":1}],)"
                              R"("anyOf":[{"claim":"b","equals":1}]})")),
                HasSubstr("one claim with one operator, or one list"));
    EXPECT_THAT(error_of(with("\"a\"")), HasSubstr("this is no object"));
}

TEST(ReleasePolicy, RefusesTheObsoleteFormAndShowsTheNewOne) {
    EXPECT_THAT(
        error_of(with(R"({"claim":"a","condition":"equals","value":"b"})")),
        HasSubstr(R"(anyOf[0].allOf[0]: the form {"claim","condition","value"} is obsolete; )"
                  R"(write {"claim":"a.b","equals":"value"})"));
}

TEST(ReleasePolicy, RefusesKeywordsInTwoSpellingsAndUnknownMembers) {
    EXPECT_THAT(error_of(with(R"({"claim":"a","CLAIM":"b","equals":1})")),
                HasSubstr("'claim' appears twice"));
    EXPECT_THAT(error_of(R"({"anyOf":[],"anyof":[]})"), HasSubstr("'anyOf' appears twice"));
    EXPECT_THAT(error_of(with(R"({"claim":"a","claim":"b","equals":1})")),
                HasSubstr("the member \"claim\" appears twice"));
    EXPECT_THAT(error_of(R"({"anyOf":[{"authority":"https://a","alOf":[]}]})"),
                HasSubstr(R"(anyOf[0]: "alOf" is no keyword here; write {"authority")"));
    EXPECT_THAT(error_of(R"({"comment":"x","anyOf":[]})"), HasSubstr("is no keyword here"));
}

TEST(ReleasePolicy, RefusesValuesThatMatchNothing) {
    for (std::string_view value : {"null", "[]", "[1]", "{}", R"({"a":1})", "1e300",
                                   "18446744073709551616", "9007199254740993.5"}) {
        EXPECT_THAT(error_of(with(fmt::format(R"({{"claim":"a","equals":{}}})", value))),
                    HasSubstr("anyOf[0].allOf[0].equals: "))
            << value;
    }
    for (std::string_view value : {"1", "\"yes\"", "\"TRUE\"", "null"}) {
        EXPECT_THAT(error_of(with(fmt::format(R"({{"claim":"a","exists":{}}})", value))),
                    HasSubstr("anyOf[0].allOf[0].exists: "))
            << value;
    }
}

TEST(ReleasePolicy, RefusesClaimPathsWithEmptyNames) {
    for (std::string_view path :
         {"\"\"", "\".a\"", "\"a.\"", "\"a..b\"", "\".\"", "\"a\\nb\"", "3"}) {
        EXPECT_THAT(error_of(with(fmt::format(R"({{"claim":{},"equals":1}})", path))),
                    HasSubstr("anyOf[0].allOf[0].claim: "))
            << path;
    }
}

TEST(ReleasePolicy, KeepsItsLimits) {
    EXPECT_TRUE(ReleasePolicy::parse(with(claims(kMaxConditions))));
    EXPECT_THAT(error_of(with(claims(kMaxConditions + 1))),
                HasSubstr("anyOf[0].allOf[64]: there are more than 64 conditions"));

    EXPECT_TRUE(ReleasePolicy::parse(with(nested(kMaxDepth - 1))));
    EXPECT_THAT(error_of(with(nested(kMaxDepth))), HasSubstr("lists are nested deeper than 8"));
    EXPECT_THAT(error_of(with(nested(4000))), HasSubstr("longer than the limit"));
    EXPECT_THAT(error_of(with(nested(200))), HasSubstr("nested deeper than 32"));

    std::string frame = with(R"({"claim":"a","equals":""})");
    std::string full = with(fmt::format(R"({{"claim":"a","equals":"{}"}})",
                                        std::string(kMaxPolicyBytes - frame.size(), 'x')));
    ASSERT_EQ(full.size(), kMaxPolicyBytes);
    EXPECT_TRUE(ReleasePolicy::parse(full));
    EXPECT_THAT(error_of(full + " "), HasSubstr("longer than the limit of 10240"));
    // The same without its version fits, but not what would be stored.
    std::string unversioned = "{" + full.substr(std::string_view(R"({"version":"1.0.0",)").size());
    EXPECT_TRUE(ReleasePolicy::parse(unversioned));
    unversioned.insert(unversioned.find("xx"), "x");
    EXPECT_THAT(error_of(unversioned), HasSubstr("written out it has 10241 bytes"));
}

TEST(ReleasePolicy, RefusesWhatIsNoJson) {
    for (std::string_view text : {"", "{", "{} {}", "nul", "{\"anyOf\":[}", "\xff"}) {
        EXPECT_THAT(error_of(text), HasSubstr("release policy: ")) << text;
    }
}

TEST(ReleasePolicy, ReadsItsCanonicalFormAsTheSamePolicy) {
    std::string once = MUST(ReleasePolicy::parse(with(nested(7)))).canonical();
    EXPECT_EQ(MUST(ReleasePolicy::parse(once)).canonical(), once);
}

}  // namespace
}  // namespace vouchsafe::policy
