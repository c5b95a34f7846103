#include "vouchsafe/evidence/azure/guest.h"

#include <functional>

#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/evidence/tpm/test_keys.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

constexpr const char* kBoot = "local/sb-on-shim-grub/";

crypto::CertificateSpec spec(const std::string& name, bool ca) {
    crypto::CertificateSpec out;
    out.subject = {{"CN", name}};
    out.not_before = at("2026-01-01T00:00:00Z");
    out.not_after = at("2027-01-01T00:00:00Z");
    out.ca = ca;
    return out;
}

// Root is a made chain: ARK, ASK, VCEK as AMD has them, and a CA for AK certificates. Made once;
// one RSA key of 2048 bits serves all of its CAs: the rules are the same and the test is quicker.
struct Root {
    crypto::PrivateKey ca_key = rsa(), vcek_key = p384();
    crypto::Certificate ark =
        issue(spec("SIM-ARK-Milan", true), ca_key.public_key(), nullptr, ca_key);
    crypto::Certificate ask = issue(spec("SIM-SEV-Milan", true), ca_key.public_key(), &ark, ca_key);
    crypto::Certificate vcek = issue(vcek_spec(), vcek_key.public_key(), &ask, ca_key);
    crypto::Certificate ca = issue(spec("SIM vTPM CA", true), ca_key.public_key(), nullptr, ca_key);

    static crypto::PrivateKey rsa() { return MUST(crypto::PrivateKey::generate_rsa(2048)); }
    static crypto::PrivateKey p384() {
        return MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p384));
    }
    static crypto::Certificate issue(const crypto::CertificateSpec& what,
                                     const crypto::PublicKey& key,
                                     const crypto::Certificate* issuer,
                                     const crypto::PrivateKey& issuer_key) {
        return MUST(crypto::issue_certificate(what, key, issuer, issuer_key,
                                              crypto::CertSignature::rsa_pss_sha384));
    }
    static crypto::CertificateSpec vcek_spec() {
        crypto::CertificateSpec out = spec("SIM-SEV-VCEK", false);
        auto level = [&](std::string_view oid, uint64_t value) {
            out.extensions.push_back({std::string(oid), crypto::encode_der_integer(value)});
        };
        out.extensions.push_back(
            {std::string(kOidProductName), crypto::encode_der_ia5_string("Milan-B0")});
        level(kOidBootloaderSpl, 4);
        level(kOidTeeSpl, 0);
        level(kOidSnpSpl, 24);
        level(kOidMicrocodeSpl, 219);
        out.extensions.push_back({std::string(kOidHwid), Bytes(64, 0x5a)});
        return out;
    }
    TrustAnchors anchors() const {
        TrustAnchors out;
        out.amd.push_back({SnpProduct::milan, ark, std::nullopt, std::nullopt});
        out.ak_roots.push_back(ca);
        return out;
    }
};

const Root& root() {
    static const Root kRoot;
    return kRoot;
}
const Root& foreign_root() {
    static const Root kRoot;
    return kRoot;
}

// Guest is a machine of which every part can be changed before its evidence is made.
struct Guest {
    const Root* hardware = &root();
    uint64_t policy = 0x3001f;
    uint32_t vmpl = 0;
    uint32_t ak_attributes = kAkAttributes;
    const crypto::PrivateKey* claimed_ak = &ak_key();    // in the runtime claims
    const crypto::PrivateKey* certified_ak = &ak_key();  // in the AK certificate
    std::string boot = kBoot;
    std::function<void(PcrBank&)> after_boot = [](PcrBank&) {};
    uint32_t key_attributes = kEphemeralAttributes;
    std::function<void(PcrBank&)> key_policy = [](PcrBank&) {};
    Bytes nonce;

    std::string runtime() const {
        auto parts = MUST(claimed_ak->public_key().rsa());
        return fmt::format(
            R"({{"keys":[{{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":"{}"}}],)"
            R"("vm-configuration":{{"secure-boot":true,"tpm-enabled":true,"vmUniqueId":"1111"}}}})",
            encode_base64url(parts.modulus));
    }

    Bytes snp_report(const std::string& claims) const {
        RawTcb tcb{4, 0, 0, 0, 0, 0, 24, 219};
        Writer out;
        out.u32_le(3).u32_le(1).u64_le(policy).zeros(32).u32_le(vmpl).u32_le(1).bytes(tcb);
        out.u64_le(1).u32_le(0).u32_le(0).bytes(crypto::sha256(as_bytes(claims))).zeros(32);
        out.bytes(Bytes(48, 0x77)).zeros(32 + 48 + 48 + 32 + 32).bytes(tcb);
        out.u8(0x19).u8(1).u8(1).zeros(21).bytes(Bytes(64, 0x5a)).bytes(tcb).zeros(8).bytes(tcb);
        out.zeros(16 + 152);
        Bytes report = out.take();
        Bytes signature = MUST(hardware->vcek_key.sign(crypto::SigAlg::es384, report));
        for (size_t begin : {size_t{0}, size_t{48}}) {
            Bytes number(signature.begin() + static_cast<ptrdiff_t>(begin),
                         signature.begin() + static_cast<ptrdiff_t>(begin) + 48);
            std::reverse(number.begin(), number.end());
            number.resize(72);
            append(report, number);
        }
        report.resize(kSnpReportSize);
        return report;
    }

    AzureGuestEvidence evidence() const {
        AzureGuestEvidence out;
        std::string claims = runtime();
        out.isolation_type = "SevSnp";
        out.runtime_data = to_bytes(claims);
        out.snp_report = snp_report(claims);
        out.vcek_chain = to_bytes(hardware->vcek.pem() + hardware->ask.pem() + hardware->ark.pem());
        out.ak_public = tpm2b(rsa_area(ak_key().public_key(), ak_attributes, {}, kTpmAlgRsassa));
        out.ak_public.resize(out.ak_public.size() + 72, 0xab);
        out.ak_certificate = Root::issue(spec("machine", false), certified_ak->public_key(),
                                         &hardware->ca, hardware->ca_key)
                                 .der();
        out.ak_certificate.resize(4096);
        add_tpm_evidence(out);
        if (boot == kBoot || boot.find("nolog") == std::string::npos) {
            out.event_log = vector_bytes(boot + "eventlog.bin");
        }
        return out;
    }

    void add_tpm_evidence(AzureGuestEvidence& out) const {
        PcrBank pcrs = read_pcr_text(boot + "pcrs.txt", HashAlg::sha256);
        pcrs.values.erase(pcrs.values.find(8), pcrs.values.end());
        after_boot(pcrs);
        PcrSelection selection = select_all(pcrs);
        for (const auto& [pcr, value] : pcrs.values) {
            out.pcr_set.push_back(pcr);
            out.pcr_values.push_back({pcr, value});
        }
        out.quote = make_quote(selection, {{pcrs}}, nonce);
        out.quote_signature = ak_sign(out.quote);
        PcrBank bound = pcrs;
        key_policy(bound);
        Bytes area =
            rsa_area(ephemeral_key().public_key(), key_attributes,
                     MUST(pcr_policy_digest(HashAlg::sha256, selection, {{bound}})), kTpmAlgNull);
        out.encryption_key = tpm2b(area);
        out.certify_info = make_certify(MUST(TpmPublic::parse_area(area)));
        out.certify_signature = ak_sign(out.certify_info);
    }
};

// Guests send no revocation lists.
AzureGuestRules usual_rules() {
    AzureGuestRules out;
    out.snp.allow_unchecked = {kSnpRevocation};
    return out;
}

Result<VerifiedAzureGuest> verify(const AzureGuestEvidence& evidence,
                                  const AzureGuestRules& rules = usual_rules()) {
    Checks checks;
    return verify_azure_guest(evidence, root().anchors(), rules, recorded_time(), checks);
}

void extend(PcrBank& pcrs, uint32_t pcr) {
    append(pcrs.values[pcr], Bytes(32, 0xee));
    pcrs.values[pcr] = crypto::hash(HashAlg::sha256, pcrs.values[pcr]);
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
    ASSERT_TRUE(verify_azure_guest(Guest().evidence(), root().anchors(), usual_rules(),
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
             {"SNP-CHAIN-ROOT", [](Guest& g) { g.hardware = &foreign_root(); }},
             {"SNP-POLICY-DEBUG", [](Guest& g) { g.policy |= 1 << 19; }},
             {"SNP-POLICY-MIGRATION", [](Guest& g) { g.policy |= 1 << 18; }},
             {"SNP-POLICY-RESERVED", [](Guest& g) { g.policy |= 1 << 26; }},
             {"SNP-VMPL", [](Guest& g) { g.vmpl = 2; }},
             {"AK-ATTRIBUTES", [](Guest& g) { g.ak_attributes ^= kTpmaRestricted; }},
             {"HCL-AK", [](Guest& g) { g.claimed_ak = &ephemeral_key(); }},
             {"AK-CERT-KEY", [](Guest& g) { g.certified_ak = &ephemeral_key(); }},
             {"LOG-REPLAY-PCR", [](Guest& g) { g.after_boot = [](PcrBank& p) { extend(p, 4); }; }},
             {"BOOT-SECURE-BOOT", [](Guest& g) { g.boot = "local/sb-off-uki/"; }},
             {"LOG-PRESENT", [](Guest& g) { g.boot = "local/sb-off-shim-grub-nolog/"; }},
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
             {"LOG-PRESENT", [](auto& e) { e.event_log.clear(); }},
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
    AzureGuestRules rules = usual_rules();
    rules.nonce = to_bytes("fresh");
    EXPECT_EQ(refusal(verify(guest.evidence(), rules)), "TPM-QUOTE-NONCE");
    guest.nonce = to_bytes("fresh");
    EXPECT_TRUE(verify(guest.evidence(), rules));
}

TEST(AzureGuest, RulesRelaxOnlyWhatTheyName) {
    Guest guest;
    guest.boot = "local/sb-off-shim-grub-nolog/";
    AzureGuestRules rules = usual_rules();
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
    rules = usual_rules();
    rules.require_ak_certificate = false;
    evidence.ak_certificate.clear();
    EXPECT_TRUE(verify(evidence, rules));
    evidence.ak_certificate = foreign_root().ca.der();  // one that is there must hold
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
    auto verified = verify_azure_guest(Guest().evidence(), root().anchors(), {},
                                       at("2027-06-01T00:00:00Z"), checks);
    EXPECT_EQ(refusal(verified), "SNP-CHAIN-DATES");
}

TEST(SnpPlatform, BindsReportAndRuntimeData) {
    AzureGuestEvidence evidence = Guest().evidence();
    auto verified = [&] {
        Checks checks;
        return verify_snp_platform(evidence.snp_report, evidence.vcek_chain, evidence.runtime_data,
                                   root().anchors(), usual_rules().snp, recorded_time(), checks);
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
    EXPECT_EQ(verify_at(root().anchors(), recorded_time()), "AK-CERT-CHAIN");
    TrustAnchors without_intermediate = vendor_anchors();
    without_intermediate.ak_intermediates.clear();
    EXPECT_EQ(verify_at(without_intermediate, recorded_time()), "AK-CERT-CHAIN");
}

TEST(AkCertificate, AcceptsIntermediatesThatComeAndRefusesIssuersThatAreNoCa) {
    const crypto::PrivateKey& key = ephemeral_key();
    auto chain = [&](bool ca) {
        crypto::Certificate middle =
            Root::issue(spec("middle", ca), key.public_key(), &root().ca, root().ca_key);
        crypto::Certificate leaf =
            Root::issue(spec("machine", false), ak_key().public_key(), &middle, key);
        return to_bytes(leaf.pem() + middle.pem());
    };
    auto verified = [&](const Bytes& pem) {
        Checks checks;
        return refusal(verify_ak_certificate(pem, ak_key().public_key(), root().anchors(),
                                             recorded_time(), checks));
    };
    EXPECT_EQ(verified(chain(true)), "");
    EXPECT_EQ(verified(chain(false)), "AK-CERT-CA");
}

}  // namespace
}  // namespace vouchsafe::evidence
