// An Azure confidential VM in software: its hardware's certificates, its TPM's keys, and the
// evidence that it sends. Every part can be changed before the evidence is made.
#pragma once

#include <functional>

#include "vouchsafe/evidence/azure/guest.h"
#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/evidence/tpm/test_keys.h"

namespace vouchsafe::evidence::testing {

inline constexpr const char* kGuestBoot = "local/sb-on-shim-grub/";

inline crypto::CertificateSpec guest_spec(const std::string& name, bool ca) {
    crypto::CertificateSpec out;
    out.subject = {{"CN", name}};
    out.not_before = at("2026-01-01T00:00:00Z");
    out.not_after = at("2027-01-01T00:00:00Z");
    out.ca = ca;
    return out;
}

// GuestRoot is a made chain: ARK, ASK, VCEK as AMD has them, and a CA for AK certificates. Made
// once; one RSA key of 2048 bits serves all of its CAs: the rules are the same and the test is
// quicker.
struct GuestRoot {
    crypto::PrivateKey ca_key = rsa(), vcek_key = p384();
    crypto::Certificate ark =
        issue(guest_spec("SIM-ARK-Milan", true), ca_key.public_key(), nullptr, ca_key);
    crypto::Certificate ask =
        issue(guest_spec("SIM-SEV-Milan", true), ca_key.public_key(), &ark, ca_key);
    crypto::Certificate vcek = issue(vcek_spec(), vcek_key.public_key(), &ask, ca_key);
    crypto::Certificate ca =
        issue(guest_spec("SIM vTPM CA", true), ca_key.public_key(), nullptr, ca_key);

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
        crypto::CertificateSpec out = guest_spec("SIM-SEV-VCEK", false);
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

inline const GuestRoot& guest_root() {
    static const GuestRoot kRoot;
    return kRoot;
}
inline const GuestRoot& foreign_guest_root() {
    static const GuestRoot kRoot;
    return kRoot;
}

// Guest is a machine of which every part can be changed before its evidence is made.
struct Guest {
    const GuestRoot* hardware = &guest_root();
    uint64_t policy = 0x3001f;
    uint32_t vmpl = 0;
    uint32_t ak_attributes = kAkAttributes;
    const crypto::PrivateKey* claimed_ak = &ak_key();    // in the runtime claims
    const crypto::PrivateKey* certified_ak = &ak_key();  // in the AK certificate
    std::string boot = kGuestBoot;
    std::function<void(PcrBank&)> after_boot = [](PcrBank&) {};
    uint32_t key_attributes = kEphemeralAttributes;
    uint16_t key_scheme = kTpmAlgNull;
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
        out.ak_certificate =
            GuestRoot::issue(guest_spec("machine", false), certified_ak->public_key(),
                             &hardware->ca, hardware->ca_key)
                .der();
        out.ak_certificate.resize(4096);
        add_tpm_evidence(out);
        if (boot == kGuestBoot || boot.find("nolog") == std::string::npos) {
            out.event_log = vector_bytes(boot + "eventlog.bin");
        }
        return out;
    }

    void add_tpm_evidence(AzureGuestEvidence& out) const {
        PcrBank pcrs = read_pcr_text(boot + "pcrs.txt", crypto::HashAlg::sha256);
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
        Bytes area = rsa_area(
            ephemeral_key().public_key(), key_attributes,
            MUST(pcr_policy_digest(crypto::HashAlg::sha256, selection, {{bound}})), key_scheme);
        out.encryption_key = tpm2b(area);
        out.certify_info = make_certify(MUST(TpmPublic::parse_area(area)));
        out.certify_signature = ak_sign(out.certify_info);
    }
};

// Guests send no revocation lists.
inline AzureGuestRules guest_rules() {
    AzureGuestRules out;
    out.snp.allow_unchecked = {kSnpRevocation};
    return out;
}

inline void extend(PcrBank& pcrs, uint32_t pcr) {
    append(pcrs.values[pcr], Bytes(32, 0xee));
    pcrs.values[pcr] = crypto::hash(crypto::HashAlg::sha256, pcrs.values[pcr]);
}

}  // namespace vouchsafe::evidence::testing
