// Every check of Azure's evidence is needed: see removal_table.h.
#include "vouchsafe/evidence/azure/hcl_verify.h"
#include "vouchsafe/evidence/azure/test_guest.h"
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Judge verify(const AzureGuestEvidence& evidence) {
    return [evidence] {
        Checks checks;
        return outcome(verify_azure_guest(evidence, guest_root().anchors(), guest_rules(),
                                          recorded_time(), checks));
    };
}

// machine changes a machine before it makes its evidence.
Judge machine(const std::function<void(Guest&)>& edit) {
    Guest out;
    edit(out);
    return verify(out.evidence());
}

// sent changes what a sound machine sent.
Judge sent(const std::function<void(AzureGuestEvidence&)>& edit) {
    static const AzureGuestEvidence kSound = Guest{}.evidence();
    AzureGuestEvidence evidence = kSound;
    edit(evidence);
    return verify(evidence);
}

// parsed sets one byte of a recorded HCL report.
Judge parsed(size_t offset, uint8_t value) {
    return [=] {
        Bytes nv = vector_bytes("hcl/azure-snp-milan-a/hcl-report.bin");
        nv[offset] = value;
        Checks checks;
        return outcome(HclReport::parse(nv, checks));
    };
}

// A TDREPORT that says something else than the quote beside it.
std::string judge_other_domain() {
    constexpr size_t kRtmr3 = 864;
    Bytes nv = vector_bytes("hcl/azure-tdx-a/hcl-report.bin");
    nv[kHclHeaderSize + kRtmr3] ^= 1;
    TdxRules rules;
    rules.may_be_unchecked = everything_unchecked();
    Checks checks;
    return outcome(verify_td_hcl(nv, recorded_quote("v4-azure"), {}, vendor_anchors(), rules, {},
                                 recorded_time(), checks));
}

RemovalTable hcl_rows() {
    constexpr size_t kRequestData = kHclHeaderSize + kHclReportAreaSize;
    constexpr size_t kLast = 2599;
    auto no_keys = [] {
        Checks checks;
        return outcome(RuntimeClaims::parse(as_bytes("{}"), checks));
    };
    return {
        {"HCL-ISOLATION", {sent([](auto& e) { e.isolation_type = "TrustedLaunch"; }), "HCL-TEE"}},
        {"HCL-TEE", {sent([](auto& e) { e.isolation_type = "Tdx"; })}},
        {"HCL-QUOTE", {judge_other_domain}},
        {"HCL-MAGIC", {parsed(0, 'X')}},
        {"HCL-FORM", {parsed(kLast, 1)}},
        {"HCL-REPORT-TYPE", {parsed(kRequestData + 8, 1)}},
        {"HCL-HASH-TYPE", {parsed(kRequestData + 12, 9), kUnreadable}},
        {"HCL-RUNTIME-JSON", {no_keys, kUnreadable}},
        {"HCL-BINDING", {sent([](auto& e) { e.runtime_data.push_back(' '); })}},
        {"HCL-AK", {machine([](Guest& guest) { guest.claimed_ak = &ephemeral_key(); })}},
    };
}

RemovalTable tpm_rows() {
    return {
        {"AK-FORM", {sent([](auto& e) { e.ak_public.resize(20); }), kUnreadable}},
        {"AK-CERT-PRESENT", {sent([](auto& e) { e.ak_certificate.clear(); }), "AK-CERT-FORM"}},
        {"TPM-PCR-VALUES", {sent([](auto& e) { e.pcr_set.push_back(8); })}},
        {"TPM-KEY-FORM", {machine([](Guest& guest) { guest.key_scheme = kTpmAlgOaep; })}},
    };
}

TEST(AzureCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = hcl_rows();
    table.merge(tpm_rows());
    expect_every_check_decides("evidence/azure", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
