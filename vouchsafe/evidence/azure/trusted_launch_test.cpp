#include "vouchsafe/evidence/azure/trusted_launch.h"

#include <functional>

#include "vouchsafe/evidence/azure/test_guest.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

// A machine of Trusted Launch has what a confidential one has, without the hardware's part.
AzureGuestEvidence launch_evidence(const Guest& guest = {}) {
    AzureGuestEvidence out = guest.evidence();
    out.isolation_type = "TrustedLaunch";
    out.snp_report.clear();
    out.vcek_chain.clear();
    out.runtime_data.clear();
    return out;
}

Result<VerifiedGuestTpm> verify_launch(const AzureGuestEvidence& evidence,
                                       const AzureGuestRules& rules = guest_rules()) {
    Checks checks;
    const TrustAnchors anchors = guest_root().anchors();
    FreshAkEndorser aks(anchors);
    return verify_trusted_launch(evidence, aks, rules, recorded_time(), checks);
}

TEST(TrustedLaunch, AcceptsATpmThatItsCertificateVouchesFor) {
    auto verified = verify_launch(launch_evidence());
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->secure_boot(), SecureBoot::on);
    EXPECT_EQ(verified->pcrs().values.size(), 8u);
    EXPECT_EQ(verified->encryption_public_key(), ephemeral_key().public_key());
    EXPECT_TRUE(verified->ak_certificate().has_value());
}

TEST(TrustedLaunch, NeedsTheCertificateWhateverTheRulesSay) {
    AzureGuestEvidence evidence = launch_evidence();
    evidence.ak_certificate.clear();
    AzureGuestRules lenient = guest_rules();
    lenient.require_ak_certificate = false;
    EXPECT_EQ(refusal(verify_launch(evidence, lenient)), "AK-CERT-PRESENT");
    Guest other;
    other.certified_ak = &ephemeral_key();
    EXPECT_EQ(refusal(verify_launch(launch_evidence(other))), "AK-CERT-KEY");
}

TEST(TrustedLaunch, RefusesWhatAConfidentialMachineIsRefusedFor) {
    struct Row {
        const char* code;
        std::function<void(AzureGuestEvidence&)> change;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"HCL-ISOLATION", [](auto& e) { e.isolation_type = "SevSnp"; }},
             {"HCL-ISOLATION", [](auto& e) { e.isolation_type = "trustedlaunch"; }},
             {"AK-FORM", [](auto& e) { e.ak_public.resize(20); }},
             {"AK-CERT-PRESENT", [](auto& e) { e.ak_certificate.assign(4096, 0); }},
             {"TPM-QUOTE-SIGNATURE", [](auto& e) { e.quote_signature[0] ^= 1; }},
             {"TPM-QUOTE-DIGEST", [](auto& e) { e.pcr_values[3].digest[0] ^= 1; }},
             {"LOG-LOST", [](auto& e) { e.event_log.clear(); }},
             {"TPM-CERTIFY-NAME", [](auto& e) { e.encryption_key.back() ^= 2; }},
             {"TPM-CERTIFY-SIGNATURE", [](auto& e) { e.certify_info[60] ^= 1; }}}) {
        AzureGuestEvidence evidence = launch_evidence();
        row.change(evidence);
        auto verified = verify_launch(evidence);
        EXPECT_EQ(refusal(verified), row.code) << message(verified);
    }
    Guest off;
    off.boot = "local/sb-off-uki/";
    EXPECT_EQ(refusal(verify_launch(launch_evidence(off))), "BOOT-SECURE-BOOT");
    Guest no_restriction;
    no_restriction.ak_attributes ^= kTpmaRestricted;
    EXPECT_EQ(refusal(verify_launch(launch_evidence(no_restriction))), "AK-ATTRIBUTES");
}

// And the other way round: such evidence is no confidential machine's.
TEST(TrustedLaunch, IsNoConfidentialMachine) {
    Checks checks;
    auto verified = verify_azure_guest(launch_evidence(), guest_root().anchors(), guest_rules(),
                                       recorded_time(), checks);
    EXPECT_EQ(refusal(verified), "HCL-ISOLATION");
}

}  // namespace
}  // namespace vouchsafe::evidence
