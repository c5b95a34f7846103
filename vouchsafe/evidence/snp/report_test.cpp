#include "vouchsafe/evidence/snp/report.h"

#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

void expect_tcb(const Json& facts, const RawTcb& raw, SnpProduct product, const std::string& name) {
    SCOPED_TRACE(name);
    const Json& tcb = facts.at(name);
    EXPECT_EQ(hex(raw), tcb.at("raw"));
    SnpTcb decoded = decode_tcb(raw, product);
    EXPECT_EQ(decoded.bootloader, tcb.at("bl"));
    EXPECT_EQ(decoded.tee, tcb.at("tee"));
    EXPECT_EQ(decoded.snp, tcb.at("snp"));
    EXPECT_EQ(decoded.microcode, tcb.at("ucode"));
    EXPECT_EQ(decoded.fmc.has_value(), tcb.contains("fmc"));
    if (tcb.contains("fmc")) {
        EXPECT_EQ(decoded.fmc.value_or(0), tcb.at("fmc"));
    }
}

std::string version_text(const SnpFirmwareVersion& version) {
    return fmt::format("{}.{}.{}", version.major, version.minor, version.build);
}

void expect_policy(const Json& facts, const SnpPolicy& policy) {
    EXPECT_EQ(fmt::format("{:#x}", policy.raw), facts.at("policy"));
    const Json& bits = facts.at("policy_bits");
    EXPECT_EQ(fmt::format("{}.{}", policy.abi_major(), policy.abi_minor()), bits.at("abi"));
    EXPECT_EQ(policy.smt_allowed(), bits.at("smt") == 1);
    EXPECT_EQ(policy.reserved_must_be_one(), bits.at("rsvd_must1") == 1);
    EXPECT_EQ(policy.migration_allowed(), bits.at("migrate_ma") == 1);
    EXPECT_EQ(policy.debug_allowed(), bits.at("debug") == 1);
    EXPECT_EQ(policy.single_socket_required(), bits.at("single_socket") == 1);
    EXPECT_EQ(policy.cxl_allowed(), bits.at("cxl") == 1);
    EXPECT_EQ(policy.aes256_xts_required(), bits.at("mem_aes256") == 1);
    EXPECT_EQ(policy.rapl_disabled_required(), bits.at("rapl_dis") == 1);
    EXPECT_EQ(policy.ciphertext_hiding_required(), bits.at("ciphertext_hiding") == 1);
    EXPECT_EQ(policy.page_swap_disabled(), bits.at("page_swap_dis") == 1);
}

void expect_fields(const Json& facts, const SnpReport& report) {
    EXPECT_EQ(report.version, facts.at("version"));
    EXPECT_EQ(report.guest_svn, facts.at("guest_svn"));
    EXPECT_EQ(report.vmpl, facts.at("vmpl"));
    EXPECT_EQ(report.platform.raw, facts.at("platform_info"));
    EXPECT_EQ(signer_name(report.signer), facts.at("signing_key").get<std::string>());
    EXPECT_EQ(report.author_key_enabled, facts.at("author_key_en") == 1);
    EXPECT_EQ(report.chip_key_masked, facts.at("mask_chip_key") == 1);
    EXPECT_EQ(hex(report.report_data), facts.at("report_data"));
    EXPECT_EQ(hex(report.measurement), facts.at("measurement"));
    EXPECT_EQ(hex(report.host_data), facts.at("host_data"));
    EXPECT_EQ(hex(report.id_key_digest), facts.at("id_key_digest"));
    EXPECT_EQ(hex(report.author_key_digest), facts.at("author_key_digest"));
    EXPECT_EQ(hex(report.report_id), facts.at("report_id"));
    EXPECT_EQ(hex(report.family_id), facts.at("family_id"));
    EXPECT_EQ(hex(report.image_id), facts.at("image_id"));
    EXPECT_EQ(hex(report.chip_id), facts.at("chip_id"));
    EXPECT_EQ(version_text(report.current_firmware), facts.at("current_fw"));
    EXPECT_EQ(version_text(report.committed_firmware), facts.at("committed_fw"));
    expect_policy(facts, report.policy);
    if (facts.contains("cpuid")) {
        ASSERT_TRUE(report.cpuid.has_value());
        EXPECT_EQ(report.cpuid->family, facts.at("cpuid").at("family"));
        EXPECT_EQ(report.cpuid->model, facts.at("cpuid").at("model"));
        EXPECT_EQ(report.cpuid->stepping, facts.at("cpuid").at("stepping"));
    }
    SnpProduct product = report.product().value_or(SnpProduct::milan);
    expect_tcb(facts, report.current_tcb, product, "current_tcb");
    expect_tcb(facts, report.reported_tcb, product, "reported_tcb");
    expect_tcb(facts, report.committed_tcb, product, "committed_tcb");
    expect_tcb(facts, report.launch_tcb, product, "launch_tcb");
}

TEST(SnpReport, ReadsEveryFieldOfEveryRecordedReport) {
    int count = 0;
    Json all = facts("snp");
    for (const auto& [name, row] : all.items()) {
        if (!name.ends_with(".report.bin") || !row.at("facts").contains("version")) continue;
        SCOPED_TRACE(name);
        auto report = SnpReport::parse(vector_bytes("snp/" + name));
        ASSERT_TRUE(report) << message(report);
        expect_fields(row.at("facts"), *report);
        ++count;
    }
    EXPECT_GE(count, 8);
}

TEST(SnpReport, ReadsTheReportsInsideHclReports) {
    Json all = facts("hcl");
    for (const auto& [name, row] : all.items()) {
        if (!row.at("facts").contains("snp") || name.starts_with("derived/")) continue;
        SCOPED_TRACE(name);
        Bytes hcl = vector_bytes("hcl/" + name);
        auto report = SnpReport::parse(ByteView(hcl).subspan(32, kSnpReportSize));
        ASSERT_TRUE(report) << message(report);
        expect_fields(row.at("facts").at("snp"), *report);
    }
}

TEST(SnpReport, KnowsTheProductFromTheCpuid) {
    auto product_of = [](const char* name) {
        return MUST(SnpReport::parse(vector_bytes(name))).product();
    };
    EXPECT_EQ(product_of("snp/milan-v3-aci.report.bin"), SnpProduct::milan);
    EXPECT_EQ(product_of("snp/genoa-v3-aci.report.bin"), SnpProduct::genoa);
    EXPECT_EQ(product_of("snp/bergamo-siena-v5.report.bin"), SnpProduct::genoa);
    EXPECT_EQ(product_of("snp/turin-v5-azure.report.bin"), SnpProduct::turin);
    EXPECT_EQ(product_of("snp/milan-v2-coco.report.bin"), std::nullopt);  // has no CPUID
}

TEST(SnpReport, ReadsMitigationVectorsFromVersion5On) {
    SnpReport turin = MUST(SnpReport::parse(vector_bytes("snp/turin-v5-azure.report.bin")));
    EXPECT_EQ(turin.launch_mitigation_vector, 0x3f);
    EXPECT_EQ(turin.current_mitigation_vector, 0x3f);
    SnpReport milan = MUST(SnpReport::parse(vector_bytes("snp/milan-v3-aci.report.bin")));
    EXPECT_EQ(milan.launch_mitigation_vector, std::nullopt);
}

TEST(SnpReport, ReadsTurinsTcbInItsOwnLayout) {
    RawTcb raw{1, 2, 3, 4, 0, 0, 0, 81};
    SnpTcb turin = decode_tcb(raw, SnpProduct::turin);
    EXPECT_EQ(describe(turin), "fmc 1, bootloader 2, tee 3, snp 4, microcode 81");
    SnpTcb milan = decode_tcb(raw, SnpProduct::milan);
    EXPECT_EQ(describe(milan), "bootloader 1, tee 2, snp 0, microcode 81");
    EXPECT_TRUE(tcb_reserved_zero(raw, SnpProduct::turin));
    EXPECT_FALSE(tcb_reserved_zero(raw, SnpProduct::milan));
}

TEST(SnpReport, RefusesOtherSizes) {
    Bytes report = vector_bytes("snp/milan-v3-aci.report.bin");
    EXPECT_EQ(refusal(SnpReport::parse(ByteView(report).first(1183))), "SNP-SIZE");
    report.push_back(0);
    EXPECT_EQ(refusal(SnpReport::parse(report)), "SNP-SIZE");
    EXPECT_EQ(refusal(SnpReport::parse({})), "SNP-SIZE");
    EXPECT_EQ(refusal(SnpReport::parse(vector_bytes("snp/derived/truncated.report.bin"))),
              "SNP-SIZE");
}

TEST(SnpReport, RefusesVersionsThatDoNotExist) {
    EXPECT_EQ(refusal(SnpReport::parse(vector_bytes("snp/derived/version-0.report.bin"))),
              "SNP-VERSION");
    EXPECT_EQ(refusal(SnpReport::parse(vector_bytes("snp/derived/version-ffffffff.report.bin"))),
              "SNP-VERSION");
    Bytes report = vector_bytes("snp/turin-v5-azure.report.bin");
    report[0] = 6;
    EXPECT_EQ(refusal(SnpReport::parse(report)), "SNP-VERSION");
}

TEST(SnpReport, RefusesReservedFieldsThatAreNotZero) {
    Bytes good = vector_bytes("snp/milan-v3-aci.report.bin");
    // Flags, 0x4c, behind the CPUID, version bytes, mitigation vectors of version 5, 0x208, the
    // end.
    for (size_t offset :
         {0x49, 0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x207, 0x208, 0x29f, 0x330, 0x49f}) {
        Bytes bad = good;
        bad[offset] = 0x20;
        EXPECT_EQ(refusal(SnpReport::parse(bad)), "SNP-RESERVED") << offset;
    }
    Bytes v2 = vector_bytes("snp/milan-v2-coco.report.bin");
    v2[0x188] = 0x19;  // the CPUID exists from version 3 on
    EXPECT_EQ(refusal(SnpReport::parse(v2)), "SNP-RESERVED");
}

TEST(SnpReport, KeepsUnknownPlatformBitsAndPolicyBits) {
    Bytes report = vector_bytes("snp/milan-v3-aci.report.bin");
    report[0x47] = 0x80;
    report[0x0f] = 0x80;
    SnpReport parsed = MUST(SnpReport::parse(report));
    EXPECT_EQ(parsed.platform.raw >> 63, 1u);
    EXPECT_EQ(parsed.policy.unknown_bits(), uint64_t{1} << 63);
}

TEST(SnpReport, TellsATdReportFromAnSnpReport) {
    Bytes hcl = vector_bytes("hcl/azure-tdx-2024-noquote/hcl-report.bin");
    EXPECT_TRUE(looks_like_td_report(ByteView(hcl).subspan(32, 1184)));
    EXPECT_TRUE(looks_like_td_report(ByteView(hcl).subspan(32, 1024)));
    EXPECT_FALSE(looks_like_td_report(vector_bytes("snp/milan-v3-aci.report.bin")));
    EXPECT_FALSE(looks_like_td_report({}));
}

}  // namespace
}  // namespace vouchsafe::evidence
