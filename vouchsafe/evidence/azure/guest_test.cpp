#include "vouchsafe/evidence/azure/guest.h"

#include <functional>

#include "vouchsafe/evidence/azure/test_guest.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Result<VerifiedAzureGuest> verify(const AzureGuestEvidence& evidence,
                                  const AzureGuestRules& rules = guest_rules()) {
    Checks checks;
    return verify_azure_guest(evidence, guest_root().anchors(), rules, recorded_time(), checks);
}

TEST(AzureGuest, AcceptsGoodEvidence) {
    auto verified = verify(Guest().evidence());
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tier(), Tier::simulated);
    EXPECT_EQ(verified->secure_boot(), SecureBoot::on);
    EXPECT_EQ(verified->pcrs().values.size(), 8u);
    EXPECT_EQ(verified->encryption_public_key(), ephemeral_key().public_key());
    EXPECT_EQ(verified->runtime().vm.vm_unique_id, "1111");
    EXPECT_EQ(verified->snp().reported_tcb().microcode, 219);
    EXPECT_TRUE(verified->ak_certificate().has_value());
}

TEST(AzureGuest, ListsTheChecksItMade) {
    Checks checks;
    ASSERT_TRUE(verify_azure_guest(Guest().evidence(), guest_root().anchors(), guest_rules(),
                                   recorded_time(), checks));
    for (const char* code :
         {"SNP-CHAIN-ROOT", "SNP-SIGNATURE", "SNP-POLICY-DEBUG", "SNP-VMPL", "HCL-BINDING",
          "HCL-AK", "AK-ATTRIBUTES", "AK-CERT-CHAIN", "TPM-QUOTE-SIGNATURE", "TPM-QUOTE-DIGEST",
          "LOG-REPLAY-PCR", "BOOT-SECURE-BOOT", "TPM-CERTIFY-NAME", "TPM-KEY-ATTRIBUTES",
          "TPM-KEY-POLICY"}) {
        EXPECT_TRUE(passed(checks, code)) << code;
    }
}

TEST(AzureGuest, RefusesWhatTheMachineGotWrong) {
    struct Row {
        const char* code;
        std::function<void(Guest&)> change;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"SNP-CHAIN-ROOT", [](Guest& g) { g.hardware = &foreign_guest_root(); }},
             {"SNP-POLICY-DEBUG", [](Guest& g) { g.policy |= 1 << 19; }},
             {"SNP-POLICY-MIGRATION", [](Guest& g) { g.policy |= 1 << 18; }},
             {"SNP-POLICY-RESERVED", [](Guest& g) { g.policy |= 1 << 26; }},
             {"SNP-VMPL", [](Guest& g) { g.vmpl = 2; }},
             {"AK-ATTRIBUTES", [](Guest& g) { g.ak_attributes ^= kTpmaRestricted; }},
             {"HCL-AK", [](Guest& g) { g.claimed_ak = &ephemeral_key(); }},
             {"AK-CERT-KEY", [](Guest& g) { g.certified_ak = &ephemeral_key(); }},
             {"LOG-REPLAY-PCR", [](Guest& g) { g.after_boot = [](PcrBank& p) { extend(p, 4); }; }},
             {"BOOT-SECURE-BOOT", [](Guest& g) { g.boot = "local/sb-off-uki/"; }},
             {"LOG-LOST", [](Guest& g) { g.boot = "local/sb-off-shim-grub-nolog/"; }},
             {"TPM-QUOTE-SELECTION",
              [](Guest& g) { g.after_boot = [](PcrBank& p) { p.values.erase(7); }; }},
             {"TPM-KEY-ATTRIBUTES", [](Guest& g) { g.key_attributes |= kTpmaUserWithAuth; }},
             {"TPM-KEY-POLICY",
              [](Guest& g) { g.key_policy = [](PcrBank& p) { extend(p, 0); }; }}}) {
        Guest guest;
        row.change(guest);
        auto verified = verify(guest.evidence());
        EXPECT_EQ(refusal(verified), row.code) << message(verified);
    }
}

TEST(AzureGuest, RefusesWhatWasChangedOnTheWay) {
    struct Row {
        const char* code;
        std::function<void(AzureGuestEvidence&)> change;
    };
    const Guest guest;
    for (const Row& row : std::initializer_list<Row>{
             {"HCL-ISOLATION", [](auto& e) { e.isolation_type = "TrustedLaunch"; }},
             {"HCL-TEE", [](auto& e) { e.isolation_type = "Tdx"; }},
             {"HCL-TEE", [](auto& e) { e.isolation_type = ""; }},
             {"HCL-TEE",
              [](auto& e) {
                  Bytes hcl = vector_bytes("hcl/azure-tdx-2024-noquote/hcl-report.bin");
                  e.snp_report.assign(hcl.begin() + 32, hcl.begin() + 1216);
              }},
             {"SNP-CHAIN-FORM", [](auto& e) { e.vcek_chain.clear(); }},
             {"SNP-SIZE", [](auto& e) { e.snp_report.pop_back(); }},
             {"SNP-SIGNATURE", [](auto& e) { e.snp_report[0x90] ^= 1; }},
             {"HCL-BINDING", [](auto& e) { e.runtime_data.push_back(' '); }},
             {"AK-FORM", [](auto& e) { e.ak_public.resize(20); }},
             {"AK-CERT-PRESENT", [](auto& e) { e.ak_certificate.clear(); }},
             {"AK-CERT-PRESENT", [](auto& e) { e.ak_certificate.assign(4096, 0); }},
             {"AK-CERT-FORM", [](auto& e) { e.ak_certificate.back() = 1; }},
             {"AK-CERT-FORM", [](auto& e) { e.ak_certificate.resize(100); }},
             {"TPM-QUOTE-SIGNATURE", [](auto& e) { e.quote[40] ^= 1; }},
             {"TPM-QUOTE-SIGNATURE", [](auto& e) { e.quote_signature[0] ^= 1; }},
             {"TPM-QUOTE-DIGEST", [](auto& e) { e.pcr_values[3].digest[0] ^= 1; }},
             {"TPM-PCR-VALUES", [](auto& e) { e.pcr_values[3].digest.pop_back(); }},
             {"TPM-PCR-VALUES", [](auto& e) { e.pcr_values.push_back(e.pcr_values[0]); }},
             {"TPM-PCR-VALUES", [](auto& e) { e.pcr_set.push_back(8); }},
             {"TPM-PCR-VALUES", [](auto& e) { e.pcr_values[0].index = 0x80000000; }},
             {"TPM-QUOTE-SELECTION",
              [](auto& e) {
                  e.pcr_set.push_back(8);
                  e.pcr_values.push_back({8, Bytes(32)});
              }},
             {"LOG-LOST", [](auto& e) { e.event_log.clear(); }},
             {"LOG-FORM", [](auto& e) { e.event_log.pop_back(); }},
             {"TPM-KEY-FORM", [](auto& e) { e.encryption_key.push_back(0); }},
             {"TPM-CERTIFY-NAME", [](auto& e) { e.encryption_key.back() ^= 2; }},
             {"TPM-CERTIFY-SIGNATURE", [](auto& e) { e.certify_info[60] ^= 1; }},
             {"TPM-CERTIFY-TYPE", [](auto& e) {
                  e.certify_info = e.quote;
                  e.certify_signature = e.quote_signature;
              }}}) {
        AzureGuestEvidence evidence = guest.evidence();
        row.change(evidence);
        auto verified = verify(evidence);
        EXPECT_EQ(refusal(verified), row.code) << message(verified);
    }
}

TEST(AzureGuest, ComparesTheNonceWhenExpected) {
    Guest guest;
    AzureGuestRules rules = guest_rules();
    rules.nonce = to_bytes("fresh");
    EXPECT_EQ(refusal(verify(guest.evidence(), rules)), "TPM-QUOTE-NONCE");
    guest.nonce = to_bytes("fresh");
    EXPECT_TRUE(verify(guest.evidence(), rules));
}

TEST(AzureGuest, RulesRelaxOnlyWhatTheyName) {
    Guest guest;
    guest.boot = "local/sb-off-shim-grub-nolog/";
    AzureGuestRules rules = guest_rules();
    rules.require_secure_boot = false;
    auto verified = verify(guest.evidence(), rules);
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_FALSE(verified->boot().has_value());
    EXPECT_EQ(verified->secure_boot(), SecureBoot::not_measured);
    guest.boot = "local/sb-off-uki/";
    EXPECT_EQ(MUST(verify(guest.evidence(), rules)).secure_boot(), SecureBoot::off);
    // A log that is there must replay all the same.
    guest.after_boot = [](PcrBank& pcrs) { extend(pcrs, 7); };
    EXPECT_EQ(refusal(verify(guest.evidence(), rules)), "LOG-REPLAY-PCR");

    AzureGuestEvidence evidence = Guest().evidence();
    rules = guest_rules();
    rules.require_ak_certificate = false;
    evidence.ak_certificate.clear();
    EXPECT_TRUE(verify(evidence, rules));
    evidence.ak_certificate = foreign_guest_root().ca.der();  // one that is there must hold
    EXPECT_EQ(refusal(verify(evidence, rules)), "AK-CERT-KEY");
}

TEST(AzureGuest, SimulatedEvidenceIsRefusedUnderTheVendorsRoots) {
    Checks checks;
    auto verified =
        verify_azure_guest(Guest().evidence(), vendor_anchors(), {}, recorded_time(), checks);
    EXPECT_EQ(refusal(verified), "SNP-CHAIN-ROOT");
}

TEST(AzureGuest, ExpiredCertificatesAreRefused) {
    Checks checks;
    auto verified = verify_azure_guest(Guest().evidence(), guest_root().anchors(), {},
                                       at("2027-06-01T00:00:00Z"), checks);
    EXPECT_EQ(refusal(verified), "SNP-CHAIN-DATES");
}

TEST(SnpPlatform, BindsReportAndRuntimeData) {
    AzureGuestEvidence evidence = Guest().evidence();
    auto verified = [&] {
        Checks checks;
        return verify_snp_platform(evidence.snp_report, evidence.vcek_chain, evidence.runtime_data,
                                   guest_root().anchors(), guest_rules().snp, recorded_time(),
                                   checks);
    };
    EXPECT_TRUE(verified());
    evidence.runtime_data[5] ^= 1;
    EXPECT_EQ(refusal(verified()), "HCL-BINDING");
}

TEST(AkCertificate, AzuresChainEndsInItsRoot) {
    // The PEM block holds the padded content of the NV index.
    std::string pem = vector_text("hcl/azure-tdx-akcert/ak-cert-chain.pem");
    std::string base64;
    std::istringstream lines(pem);
    for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line[0] != '-') base64 += line;
    }
    Bytes nv = MUST(decode_base64(base64));
    HclReport hcl = MUST(HclReport::parse(vector_bytes("hcl/azure-tdx-akcert/hcl-report.bin")));
    Checks checks;
    RuntimeClaims claims = MUST(RuntimeClaims::parse(hcl.runtime_data, checks));
    const crypto::PublicKey& ak = claims.find_key("HCLAkPub")->key;
    auto verify_at = [&](const TrustAnchors& anchors, Time now) {
        Checks made;
        return refusal(verify_ak_certificate(nv, ak, anchors, now, made));
    };
    EXPECT_EQ(verify_at(vendor_anchors(), recorded_time()), "");
    EXPECT_EQ(verify_at(vendor_anchors(), at("2027-01-01T00:00:00Z")), "AK-CERT-DATES");
    EXPECT_EQ(verify_at(guest_root().anchors(), recorded_time()), "AK-CERT-CHAIN");
    TrustAnchors without_intermediate = vendor_anchors();
    without_intermediate.ak_intermediates.clear();
    EXPECT_EQ(verify_at(without_intermediate, recorded_time()), "AK-CERT-CHAIN");
}

TEST(AkCertificate, AcceptsIntermediatesThatComeAndRefusesIssuersThatAreNoCa) {
    const crypto::PrivateKey& key = ephemeral_key();
    auto chain = [&](bool ca) {
        crypto::Certificate middle = GuestRoot::issue(guest_spec("middle", ca), key.public_key(),
                                                      &guest_root().ca, guest_root().ca_key);
        crypto::Certificate leaf =
            GuestRoot::issue(guest_spec("machine", false), ak_key().public_key(), &middle, key);
        return to_bytes(leaf.pem() + middle.pem());
    };
    auto verified = [&](const Bytes& pem) {
        Checks checks;
        return refusal(verify_ak_certificate(pem, ak_key().public_key(), guest_root().anchors(),
                                             recorded_time(), checks));
    };
    EXPECT_EQ(verified(chain(true)), "");
    EXPECT_EQ(verified(chain(false)), "AK-CERT-CA");
}

}  // namespace
}  // namespace vouchsafe::evidence
