#include "vouchsafe/evidence/facts.h"

#include "vouchsafe/evidence/boot/event_log.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

// Expects the same value under the same name.
void expect_same(const Json& ours, const Json& recorded, std::initializer_list<const char*> names) {
    for (const char* name : names) EXPECT_EQ(ours.at(name), recorded.at(name)) << name;
}

TEST(Facts, OfEveryRecordedReportAreThoseOfAnIndependentReader) {
    int count = 0;
    const Json all = facts("snp");
    for (const auto& [name, row] : all.items()) {
        if (!name.ends_with(".report.bin") || !row["facts"].contains("measurement")) continue;
        auto report = SnpReport::parse(vector_bytes("snp/" + name));
        ASSERT_TRUE(report) << name;
        SCOPED_TRACE(name);
        const Json& recorded = row["facts"];
        Json ours = facts_of(*report, report->product());
        expect_same(ours, recorded,
                    {"version", "guest_svn", "vmpl", "report_data", "measurement", "host_data",
                     "id_key_digest", "author_key_digest", "report_id", "family_id", "image_id",
                     "chip_id"});
        EXPECT_EQ(ours["policy"]["raw"], recorded["policy"]);
        EXPECT_EQ(ours["policy"]["debug_allowed"], recorded["debug"] == 1);
        EXPECT_EQ(ours["signer"], recorded["signing_key"]);
        EXPECT_EQ(ours["current_firmware"], recorded["current_fw"]);
        for (const char* tcb : {"current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"}) {
            EXPECT_EQ(ours[tcb]["raw"], recorded[tcb]["raw"]);
            if (!report->product()) continue;
            EXPECT_EQ(ours[tcb]["snp"], recorded[tcb]["snp"]);
        }
        ++count;
    }
    EXPECT_GE(count, 8);
}

TEST(Facts, OfAQuoteAreThoseOfAnIndependentReader) {
    Json recorded = facts("tpm").at("azure-vtpm.tpm-quote.msg").at("facts");
    Json ours = facts_of(MUST(TpmAttest::parse(vector_bytes("tpm/azure-vtpm.tpm-quote.msg"))));
    expect_same(ours, recorded,
                {"nonce", "qualified_signer", "pcr_digest", "reset_count", "restart_count"});
    EXPECT_EQ(ours["clock_ms"], recorded["clock"]);
    EXPECT_EQ(ours["firmware_version"], "0x" + recorded["firmware"].get<std::string>());
    EXPECT_FALSE(ours.contains("name"));
}

TEST(Facts, OfARecordedQuoteOfAnEnclaveAreThoseOfAnIndependentReader) {
    Json recorded = facts("tdx").at("v3-sgx-occlum.quote.bin").at("facts");
    Json ours = facts_of(MUST(SgxQuote::parse(vector_bytes("tdx/v3-sgx-occlum.quote.bin"))));
    expect_same(ours, recorded, {"version", "mrenclave", "mrsigner", "report_data", "qe_isvsvn"});
    EXPECT_EQ(ours["debug"], recorded["debug"] == 1);
}

TEST(Facts, OfEveryRecordedTdQuoteAreThoseOfAnIndependentReader) {
    const Json all = facts("tdx");
    int count = 0;
    for (const auto& [name, row] : all.items()) {
        if (name.starts_with("derived/") || !name.ends_with(".quote.bin")) continue;
        auto quote = TdxQuote::parse(vector_bytes("tdx/" + name));
        if (!quote) continue;  // SGX, and non-zero bytes behind it: refused
        SCOPED_TRACE(name);
        Json ours = facts_of(*quote);
        expect_same(ours, row["facts"], {"version", "mrtd", "report_data", "tee_tcb_svn"});
        for (size_t i = 0; i < 4; ++i) {
            EXPECT_EQ(ours["rtmr"][i], row["facts"]["rtmr"][i]);
        }
        ++count;
    }
    EXPECT_EQ(count, 8);
}

TEST(Facts, OfAnHclReportNameItsKeys) {
    HclReport report = MUST(HclReport::parse(vector_bytes("hcl/azure-snp-milan-b/hcl-report.bin")));
    Json recorded = facts("hcl").at("azure-snp-milan-b/hcl-report.bin").at("facts");
    Json ours = facts_of(report);
    expect_same(ours["unsigned_header"], recorded,
                {"header_version", "report_size", "request_type"});
    EXPECT_EQ(ours["runtime_data_digest"], recorded["runtime_sha256"]);
    Checks checks;
    Json claims = facts_of(MUST(RuntimeClaims::parse(report.runtime_data, checks)));
    EXPECT_EQ(claims["keys"][0]["kid"], recorded["keys"][0]["kid"]);
    EXPECT_EQ(claims["vm_configuration"]["secure_boot"], true);
}

TEST(Facts, OfALogHoldItsReplay) {
    EventLog log = MUST(EventLog::parse(vector_bytes("local/sb-on-shim-grub/eventlog.bin")));
    Json ours = facts_of(log);
    EXPECT_EQ(ours["events"].size(), log.events().size());
    PcrBank pcrs = read_pcr_text("local/sb-on-shim-grub/pcrs.txt", crypto::HashAlg::sha256);
    EXPECT_EQ(ours["replay"]["sha256"]["7"], hex(pcrs.values[7]));
    EXPECT_EQ(ours["events"][0]["type"], event_type_name(log.events()[0].type));
}

}  // namespace
}  // namespace vouchsafe::evidence
