#include "vouchsafe/evidence/bundle.h"

#include <gtest/gtest.h>

#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Bundle example() {
    Bundle out;
    out.made_by = "vouchsafe 1.2.3";
    out.kind = "snp";
    out.time = MUST(parse_rfc3339("2026-07-01T00:00:00Z"));
    out.rules = {{"vmpl", {"1"}}, {"allow-debug", {}}};
    out.files = {{"report", {{"report.bin", Bytes{0, 1, 2}}}},
                 {"crl", {{"a.crl", Bytes{3}}, {"b.crl", Bytes{}}}}};
    out.verdict = Json{
        {"valid", true}, {"kind", "snp"}, {"checks", Json::array()}, {"facts", {{"version", 5}}}};
    return out;
}

Json example_json() {
    return MUST(parse_json(example().encode()));
}

Result<Bundle> parse(const Json& json) {
    return Bundle::parse(dump_json(json));
}

TEST(Bundle, ReadsWhatItWrote) {
    Bundle read = MUST(Bundle::parse(example().encode()));
    EXPECT_EQ(read.encode(), example().encode());
    EXPECT_EQ(read.files.at("crl")[0].bytes, Bytes{3});
    EXPECT_EQ(read.rules.at("vmpl"), std::vector<std::string>{"1"});
}

TEST(Bundle, RefusesAnotherSchemaAndUnknownMembers) {
    Json other = example_json();
    other["schema"] = "vouchsafe-bundle/2";
    EXPECT_FALSE(parse(other));
    Json more = example_json();
    more["trust"] = true;
    EXPECT_FALSE(parse(more));
}

TEST(Bundle, RefusesToBeWithoutAMember) {
    const Json whole = example_json();
    for (const auto& [name, value] : whole.items()) {
        Json without = whole;
        without.erase(name);
        EXPECT_FALSE(parse(without)) << name;
    }
}

TEST(Bundle, RefusesValuesOfAnotherType) {
    auto refused = [](const char* pointer, Json value) {
        Json bent = example_json();
        bent[Json::json_pointer(pointer)] = std::move(value);
        EXPECT_FALSE(parse(bent)) << pointer;
    };
    refused("/time", "yesterday");
    refused("/kind", "snp --json");
    refused("/rules/vmpl", "1");
    refused("/rules/vmpl", Json::array({1}));
    refused("/rules/--at", Json::array({"2020-01-01T00:00:00Z"}));
    refused("/rules/a=b", Json::array());
    refused("/files/report", "AAEC");
    refused("/files/report/0", "AAEC");
    refused("/files/report/0/bytes", "AAEC=");
    refused("/files/report/0/path", "/etc/passwd");
    refused("/verdict", "valid");
    refused("/verdict", Json::object());
    refused("/verdict/valid", "true");
    refused("/files/report/0/name", std::string(256, 'a'));
}

TEST(Bundle, RefusesMoreFilesThanAnyVerificationTakes) {
    Json many = example_json();
    for (size_t i = 0; i < kMaxBundleFiles; ++i)
        many["files"]["crl"].push_back(many["files"]["crl"][0]);
    EXPECT_FALSE(parse(many));
}

std::string compared(const Json& recorded, const Json& now) {
    Checks checks;
    auto result = compare_verdicts(recorded, now, checks);
    return result ? "same" : result.error().reason()->field;
}

TEST(BundleVerdict, MayTellMoreLater) {
    Json recorded{{"valid", true}, {"checks", {{{"code", "A"}}, {{"code", "C"}}}}};
    Json now{{"valid", true},
             {"checks", {{{"code", "A"}, {"found", "x"}}, {{"code", "B"}}, {{"code", "C"}}}},
             {"facts", {{"more", 1}}}};
    EXPECT_EQ(compared(recorded, now), "same");
}

TEST(BundleVerdict, MustTellEverythingAgain) {
    Json recorded{{"valid", true},
                  {"checks", {{{"code", "A"}}, {{"code", "C"}}}},
                  {"facts", {{"tcb", {{"snp", 24}}}, {"list", {1, 2}}}}};
    EXPECT_EQ(compared(recorded, recorded), "same");
    auto differs = [&](const char* pointer, Json value) {
        Json now = recorded;
        now[Json::json_pointer(pointer)] = std::move(value);
        return compared(recorded, now);
    };
    EXPECT_EQ(differs("/valid", false), "valid");
    EXPECT_EQ(differs("/checks/1/code", "D"), "checks");
    EXPECT_EQ(differs("/checks", {{{"code", "C"}}, {{"code", "A"}}}), "checks");
    EXPECT_EQ(differs("/facts/tcb/snp", 25), "facts.tcb.snp");
    EXPECT_EQ(differs("/facts/list", {1, 2, 3}), "facts.list");
    Json less = recorded;
    less["facts"].erase("tcb");
    EXPECT_EQ(compared(recorded, less), "facts.tcb");
}

}  // namespace
}  // namespace vouchsafe::evidence
