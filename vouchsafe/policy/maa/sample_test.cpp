// Whole policies of tests/vectors/attestation_policy, with claims as the kinds of evidence give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "vouchsafe/base/file.h"
#include "vouchsafe/policy/maa/explain.h"
#include "vouchsafe/policy/maa/lint.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::HasSubstr;

namespace {

const std::string kSamples = std::string(VS_SOURCE_DIR) + "/tests/vectors/attestation_policy/";

AttestationPolicy sample_policy(const std::string& name) {
    return MUST(AttestationPolicy::parse(MUST(read_text_file(kSamples + name + ".policy"))));
}

AttestationOutcome judge_sample(const std::string& name, const Json& claims,
                                PolicyTrace* trace = nullptr) {
    auto incoming = MUST(claims_from_json(claims, ClaimIssuer::attestation_service));
    return MUST(evaluate(sample_policy(name), incoming, trace));
}

Json changed(Json json, std::string_view member, Json value) {
    json[std::string(member)] = std::move(value);
    return json;
}

}  // namespace

TEST(AttestationPolicySamples, AllParseAndPrintBack) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kSamples)) {
        if (entry.path().extension() != ".policy") continue;
        auto policy = sample_policy(entry.path().stem());
        EXPECT_EQ(MUST(AttestationPolicy::parse(policy.to_text())), policy) << entry.path();
        EXPECT_TRUE(explain(policy, {}));
        ++count;
    }
    EXPECT_EQ(count, 9u);
}

TEST(AttestationPolicySamples, DefaultOfSgxIssuesTheOldNames) {
    Json claims = {{"x-ms-sgx-is-debuggable", true},
                   {"x-ms-sgx-mrsigner", "aa"},
                   {"x-ms-sgx-mrenclave", "bb"},
                   {"x-ms-sgx-product-id", 7},
                   {"x-ms-sgx-svn", 2},
                   {"x-ms-attestation-type", "sgx"}};
    auto outcome = judge_sample("sgx-default", claims);
    ASSERT_TRUE(outcome.permitted());
    EXPECT_EQ(dump_json(outcome.issued),
              R"({"is-debuggable":true,"product-id":7,"sgx-mrenclave":"bb","sgx-mrsigner":"aa",)"
              R"("svn":2,"tee":"sgx"})");
    EXPECT_EQ(outcome.configuration.sgx_tcb_identifier, "azuredefault");
    EXPECT_EQ(MUST(configure(sample_policy("sgx-default"))).sgx_tcb_identifier, "azuredefault");
    EXPECT_TRUE(judge_sample("vm-default", Json::object()).permitted());
}

TEST(AttestationPolicySamples, EitherSignerPassesAndNoThird) {
    Json claims = {{"x-ms-sgx-is-debuggable", false}, {"x-ms-sgx-svn", 3}};
    EXPECT_TRUE(
        judge_sample("sgx-two-signers", changed(claims, "x-ms-sgx-mrsigner", "1111")).permitted());
    Json second = changed(claims, "x-ms-sgx-mrsigner", "2222");
    EXPECT_TRUE(judge_sample("sgx-two-signers", second).permitted());
    EXPECT_FALSE(judge_sample("sgx-two-signers", changed(second, "x-ms-sgx-svn", 2)).permitted());
    EXPECT_FALSE(judge_sample("sgx-two-signers", changed(second, "x-ms-sgx-is-debuggable", true))
                     .permitted());
    EXPECT_FALSE(
        judge_sample("sgx-two-signers", changed(claims, "x-ms-sgx-mrsigner", "3333")).permitted());
    EXPECT_TRUE(lint(sample_policy("sgx-two-signers"), AttestationTarget::sgx_enclave).empty());
}

TEST(AttestationPolicySamples, StrictSnpRefusesWhatIsWrong) {
    Json claims = {{"x-ms-sevsnpvm-is-debuggable", false},
                   {"x-ms-sevsnpvm-migration-allowed", false},
                   {"x-ms-compliance-status", "azure-compliant-cvm"},
                   {"x-ms-sevsnpvm-vmpl", 0},
                   {"x-ms-sevsnpvm-microcode-svn", 40},
                   {"x-ms-sevsnpvm-launchmeasurement", "04a1"}};
    auto outcome = judge_sample("snp-strict", claims);
    ASSERT_TRUE(outcome.permitted()) << outcome.reason;
    EXPECT_EQ(outcome.issued["measurement"], "04a1");
    using Verdict = AttestationOutcome::Verdict;
    EXPECT_EQ(
        judge_sample("snp-strict", changed(claims, "x-ms-sevsnpvm-is-debuggable", true)).verdict,
        Verdict::denied);
    EXPECT_EQ(
        judge_sample("snp-strict", changed(claims, "x-ms-sevsnpvm-microcode-svn", 39)).verdict,
        Verdict::not_permitted);
    EXPECT_EQ(judge_sample("snp-strict", changed(claims, "x-ms-sevsnpvm-vmpl", 2)).verdict,
              Verdict::not_permitted);
    EXPECT_TRUE(lint(sample_policy("snp-strict"), AttestationTarget::sev_snp_vm).empty());
}

TEST(AttestationPolicySamples, StrictTdxRefusesAnOldPlatform) {
    Json claims = {{"attester_tcb_status", "UpToDate"},
                   {"tdx_td_attributes_debug", false},
                   {"dbgstat", "disabled"},
                   {"tdx_td_attributes_septve_disable", true}};
    auto outcome = judge_sample("tdx-strict", claims);
    EXPECT_TRUE(outcome.permitted());
    EXPECT_EQ(outcome.issued["septve"], false);
    EXPECT_FALSE(judge_sample("tdx-strict", changed(claims, "attester_tcb_status", "OutOfDate"))
                     .permitted());
    claims.erase("attester_tcb_status");
    EXPECT_FALSE(judge_sample("tdx-strict", claims).permitted());
}

TEST(AttestationPolicySamples, AzureGuestLooksIntoTheIsolation) {
    Json tee = {{"x-ms-compliance-status", "azure-compliant-cvm"},
                {"x-ms-sevsnpvm-is-debuggable", false}};
    Json claims = {{"secureboot", true},
                   {"x-ms-isolation-tee", tee},
                   {"x-ms-azurevm-attested-pcrs", {0, 1, 2, 3, 4, 5, 6, 7}}};
    auto outcome = judge_sample("azureguest-isolation", claims);
    ASSERT_TRUE(outcome.permitted()) << outcome.reason;
    EXPECT_EQ(dump_json(outcome.issued), R"({"boot-registers-quoted":true})");
    EXPECT_EQ(
        judge_sample("azureguest-isolation", changed(claims, "x-ms-azurevm-attested-pcrs", {0, 7}))
            .issued["boot-registers-quoted"],
        false);
    EXPECT_FALSE(
        judge_sample("azureguest-isolation", changed(claims, "secureboot", false)).permitted());
    tee["x-ms-sevsnpvm-is-debuggable"] = true;
    EXPECT_FALSE(judge_sample("azureguest-isolation", changed(claims, "x-ms-isolation-tee", tee))
                     .permitted());
    claims.erase("x-ms-isolation-tee");
    EXPECT_FALSE(judge_sample("azureguest-isolation", claims).permitted());
}

TEST(AttestationPolicySamples, TpmSetsProperties) {
    Json claims = {{"aikValidated", true},
                   {"secureBootEnabled", true},
                   {"bootDebuggingDisabled", true},
                   {"notSafeMode", true}};
    auto outcome = judge_sample("tpm-1.1", claims);
    EXPECT_EQ(dump_json(outcome.issued), R"({"attested":true})");
    EXPECT_EQ(outcome.configuration.required_pcr_mask, 15);
    EXPECT_EQ(outcome.configuration.require_valid_aik_cert, false);
    EXPECT_EQ(outcome.properties.report_validity_in_minutes, 60);
    EXPECT_EQ(judge_sample("tpm-1.1", changed(claims, "aikValidated", false)).issued["attested"],
              false);
}

TEST(AttestationPolicySamples, TpmAsksTheEventLog) {
    auto event = [](int sequence, std::string type, int pcr, Json data) {
        return Json{{"EventSeq", sequence},
                    {"EventTypeString", std::move(type)},
                    {"PcrIndex", pcr},
                    {"ProcessedData", std::move(data)}};
    };
    Json events = {{"Events",
                    {event(0, "EV_EFI_VARIABLE_DRIVER_CONFIG", 7,
                           {{"UnicodeName", "SecureBoot"}, {"VariableData", "AQ"}}),
                     event(1, "EV_EFI_VARIABLE_DRIVER_CONFIG", 7, {{"UnicodeName", "PK"}}),
                     event(2, "EV_SEPARATOR", 7, Json::object()),
                     event(3, "EV_EVENT_TAG", 12, {{"Debugging", false}}),
                     event(4, "EV_EVENT_TAG", 13, {{"Debugging", false}})}}};
    Json claims = {{"aikValidated", true}, {"events", events}};
    auto outcome = judge_sample("tpm-events-1.2", claims);
    ASSERT_TRUE(outcome.permitted());
    EXPECT_EQ(dump_json(outcome.issued),
              R"({"bootDebuggingOff":true,"eventsBeforeSeparator":2,"secureBoot":true})");
    events["Events"][4]["ProcessedData"]["Debugging"] = true;
    events["Events"][0]["ProcessedData"]["VariableData"] = "AA";
    EXPECT_EQ(dump_json(judge_sample("tpm-events-1.2", changed(claims, "events", events)).issued),
              R"({"bootDebuggingOff":false,"eventsBeforeSeparator":2,"secureBoot":false})");
    EXPECT_EQ(dump_json(judge_sample("tpm-events-1.2", {{"aikValidated", true}}).issued),
              R"({"bootDebuggingOff":false,"secureBoot":false})");
}

TEST(AttestationPolicySamples, TpmComparesRegistersAndIssuesNone) {
    auto pcrs = [](std::string digest) {
        return Json{
            {"pcrs", {{"PCRs", {{{"Index", 0}, {"Digests", {{"SHA256", std::move(digest)}}}}}}}}};
    };
    PolicyTrace trace;
    auto outcome = judge_sample("tpm-registers-1.2", pcrs("aa00"), &trace);
    ASSERT_TRUE(outcome.permitted());
    EXPECT_EQ(dump_json(outcome.issued), R"({"golden":true})");
    EXPECT_THAT(trace.rules[2].problem, HasSubstr("read-only"));
    EXPECT_FALSE(judge_sample("tpm-registers-1.2", pcrs("aa01")).permitted());
}
