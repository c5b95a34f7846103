// Helpers of the SNP tests: cases to verify, recorded or made here. A made machine has a whole
// hierarchy of its own, and signs any report it is given.
#pragma once

#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/evidence/snp/verify.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence::testing {

// without_revocation: most tests are about something else.
inline SnpRules without_revocation() {
    SnpRules out;
    out.allow_unchecked = {kSnpRevocation};
    return out;
}

// SnpCase is one report to verify, good by default.
struct SnpCase {
    Bytes report;
    SnpEndorsements endorsements;
    TrustAnchors anchors = vendor_anchors();
    SnpRules rules = without_revocation();
    Time now = recorded_time();
    Checks checks;

    Result<VerifiedSnpReport> verify() {
        checks = {};
        return verify_snp(report, endorsements, anchors, rules, now, checks);
    }
};

inline SnpCase recorded_snp(const std::string& name, const std::string& leaf) {
    return {vector_bytes("snp/" + name + ".report.bin"), {vector_certificate("snp/" + leaf), {}}};
}
inline SnpCase recorded_snp(const std::string& name) {
    return recorded_snp(name, name + ".vcek.der");
}

inline SnpCase simulated_snp(const std::string& identity) {
    std::string folder = "local/" + identity;
    SnpCase out{vector_bytes(folder + "/snp_report.bin"),
                {vector_certificate(folder + "/sim_vcek.der"),
                 {vector_certificate(folder + "/sim_ask.der"),
                  vector_certificate(folder + "/sim_ark.der")}}};
    out.anchors = simulated_anchors(identity);
    return out;
}

// encode_snp writes a report's fields back to bytes, at their offsets.
inline Bytes encode_snp(const SnpReport& report) {
    uint32_t signer = report.signer == SnpSigner::vcek   ? 0
                      : report.signer == SnpSigner::vlek ? 1
                                                         : 7;
    uint32_t flags = static_cast<uint32_t>(report.author_key_enabled) |
                     static_cast<uint32_t>(report.chip_key_masked) << 1 | signer << 2;
    Writer out;
    out.u32_le(report.version).u32_le(report.guest_svn).u64_le(report.policy.raw);
    out.bytes(report.family_id).bytes(report.image_id).u32_le(report.vmpl);
    out.u32_le(report.signature_algorithm).bytes(report.current_tcb).u64_le(report.platform.raw);
    out.u32_le(flags).u32_le(0).bytes(report.report_data).bytes(report.measurement);
    out.bytes(report.host_data).bytes(report.id_key_digest).bytes(report.author_key_digest);
    out.bytes(report.report_id).bytes(report.report_id_ma).bytes(report.reported_tcb);
    SnpCpuid cpuid = report.cpuid.value_or(SnpCpuid{});
    out.u8(cpuid.family).u8(cpuid.model).u8(cpuid.stepping).zeros(21).bytes(report.chip_id);
    out.bytes(report.committed_tcb);
    for (const SnpFirmwareVersion& firmware :
         {report.current_firmware, report.committed_firmware}) {
        out.u8(firmware.build).u8(firmware.minor).u8(firmware.major).u8(0);
    }
    out.bytes(report.launch_tcb).u64_le(report.launch_mitigation_vector.value_or(0));
    out.u64_le(report.current_mitigation_vector.value_or(0)).zeros(152);
    out.bytes(report.signature_r).bytes(report.signature_s).zeros(368);
    return out.take();
}

// SnpHierarchy is ARK, ASK and ASVK as AMD has them, and one chip's key. Keys of 2048 bits: the
// rules are the same and the tests are quicker.
struct SnpHierarchy {
    crypto::PrivateKey ark_key = rsa(), ask_key = rsa();
    crypto::PrivateKey leaf_key = p384();
    crypto::Certificate ark = issue(spec("ARK-Made", true), ark_key.public_key(), nullptr, ark_key);
    crypto::Certificate ask = issue(spec("SEV-Made", true), ask_key.public_key(), &ark, ark_key);
    crypto::Certificate asvk =
        issue(spec("SEV-VLEK-Made", true), ask_key.public_key(), &ark, ark_key);

    static crypto::PrivateKey rsa() { return MUST(crypto::PrivateKey::generate_rsa(2048)); }
    static crypto::PrivateKey p384() {
        return MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p384));
    }
    static crypto::CertificateSpec spec(const std::string& name, bool ca) {
        crypto::CertificateSpec out;
        out.subject = {{"O", "Made for a test"}, {"CN", name}};
        out.not_before = at("2026-01-01T00:00:00Z");
        out.not_after = at("2027-01-01T00:00:00Z");
        out.ca = ca;
        return out;
    }
    static crypto::Certificate issue(
        const crypto::CertificateSpec& what, const crypto::PublicKey& key,
        const crypto::Certificate* issuer, const crypto::PrivateKey& issuer_key,
        crypto::CertSignature form = crypto::CertSignature::rsa_pss_sha384) {
        return MUST(crypto::issue_certificate(what, key, issuer, issuer_key, form));
    }
    TrustAnchors anchors(SnpProduct product) const {
        TrustAnchors out;
        out.amd.push_back({product, ark, std::nullopt, std::nullopt});
        return out;
    }
};

inline const SnpHierarchy& made_hierarchy() {
    static const SnpHierarchy kMade;
    return kMade;
}
inline const SnpHierarchy& other_hierarchy() {
    static const SnpHierarchy kOther;
    return kOther;
}

// vcek_spec is what AMD would certify for the chip and the reported TCB of a report.
inline crypto::CertificateSpec vcek_spec(const SnpReport& report, SnpProduct product) {
    crypto::CertificateSpec out = SnpHierarchy::spec("SEV-VCEK", false);
    auto add = [&](std::string_view oid, Bytes value) {
        out.extensions.push_back({std::string(oid), std::move(value)});
    };
    add(kOidProductName, crypto::encode_der_ia5_string(product_name(product)));
    SnpTcb tcb = decode_tcb(report.reported_tcb, product);
    add(kOidBootloaderSpl, crypto::encode_der_integer(tcb.bootloader));
    add(kOidTeeSpl, crypto::encode_der_integer(tcb.tee));
    add(kOidSnpSpl, crypto::encode_der_integer(tcb.snp));
    add(kOidMicrocodeSpl, crypto::encode_der_integer(tcb.microcode));
    if (tcb.fmc) add(kOidFmcSpl, crypto::encode_der_integer(*tcb.fmc));
    size_t hwid = product == SnpProduct::turin ? 8 : 64;
    add(kOidHwid, to_bytes(ByteView(report.chip_id).first(hwid)));
    return out;
}

// set_signature puts r || s, big-endian, into the report's fields.
inline void set_signature(Bytes& report, ByteView signature) {
    for (size_t number = 0; number < 2; ++number) {
        for (size_t i = 0; i < 48; ++i) {
            report[kSnpSignedSize + 72 * number + i] = signature[48 * number + 47 - i];
        }
    }
}

inline Bytes sign_snp(const SnpReport& report, const crypto::PrivateKey& key) {
    Bytes out = encode_snp(report);
    set_signature(out, MUST(key.sign(crypto::SigAlg::es384, ByteView(out).first(kSnpSignedSize))));
    return out;
}

// MadeSnp is a case of which every part can be changed before it is made.
struct MadeSnp {
    SnpReport report;
    SnpProduct product = SnpProduct::milan;
    const SnpHierarchy* hierarchy = &made_hierarchy();

    // like takes the fields of a recorded report.
    static MadeSnp like(const std::string& name) {
        MadeSnp out{MUST(SnpReport::parse(vector_bytes("snp/" + name + ".report.bin")))};
        out.product = out.report.product().value_or(SnpProduct::milan);
        return out;
    }
    SnpCase make(const crypto::CertificateSpec& leaf) const {
        crypto::Certificate vcek = SnpHierarchy::issue(leaf, hierarchy->leaf_key.public_key(),
                                                       &hierarchy->ask, hierarchy->ask_key);
        SnpCase out{sign_snp(report, hierarchy->leaf_key), {vcek, {hierarchy->ask}}};
        out.anchors = hierarchy->anchors(product);
        return out;
    }
    SnpCase make() const { return make(vcek_spec(report, product)); }
};

}  // namespace vouchsafe::evidence::testing
