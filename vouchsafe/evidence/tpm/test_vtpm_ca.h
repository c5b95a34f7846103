// Certificates of virtual TPMs' keys under a CA made here, all with P-256 keys: to test what no
// recorded certificate shows.
#pragma once

#include "vouchsafe/evidence/test_vectors.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"

namespace vouchsafe::evidence::testing {

inline const crypto::PrivateKey& vtpm_key(const std::string& name) {
    static std::map<std::string, crypto::PrivateKey> keys;
    auto found = keys.find(name);
    if (found == keys.end()) {
        auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        found = keys.emplace(name, key).first;
    }
    return found->second;
}

inline crypto::CertificateSpec vtpm_spec(const std::string& name, bool ca) {
    crypto::CertificateSpec out;
    out.subject = {{"CN", name}};
    out.not_before = at("2026-01-01T00:00:00Z");
    out.not_after = at("2027-01-01T00:00:00Z");
    out.ca = ca;
    return out;
}

// vtpm_certificate certifies the key that has the name in `spec`, by the issuer's: its name too.
inline crypto::Certificate vtpm_certificate(const crypto::CertificateSpec& spec,
                                            const crypto::Certificate* issuer) {
    const std::string& name = spec.subject.at(0).second;
    std::string signer = issuer == nullptr ? name : issuer->subject_common_name();
    return MUST(crypto::issue_certificate(spec, vtpm_key(name).public_key(), issuer,
                                          vtpm_key(signer), crypto::CertSignature::ecdsa_sha256));
}

inline const crypto::Certificate& vtpm_root() {
    static const crypto::Certificate kRoot = [] {
        crypto::CertificateSpec spec = vtpm_spec("root", true);
        spec.path_length = 1;
        return vtpm_certificate(spec, nullptr);
    }();
    return kRoot;
}

// AkCase is one AK certificate to verify: sound as it is.
struct AkCase {
    Bytes certificate = vtpm_certificate(vtpm_spec("ak", false), &vtpm_root()).der();
    crypto::PublicKey ak = vtpm_key("ak").public_key();
    TrustAnchors anchors = made_anchors();
    Time now = recorded_time();

    static TrustAnchors made_anchors() {
        TrustAnchors out;
        out.ak_roots = {vtpm_root()};
        return out;
    }
    // issued_by makes the certificate anew, with the CAs above it up to one that the root issued.
    void issued_by(const std::vector<crypto::CertificateSpec>& authorities) {
        std::string pem;
        crypto::Certificate issuer = vtpm_root();
        for (const crypto::CertificateSpec& spec : authorities) {
            issuer = vtpm_certificate(spec, &issuer);
            pem = issuer.pem() + pem;
        }
        certificate = to_bytes(vtpm_certificate(vtpm_spec("ak", false), &issuer).pem() + pem);
    }
    Result<VerifiedAkCertificate> verify() const {
        Checks checks;
        return verify_ak_certificate(certificate, ak, anchors, now, checks);
    }
};

}  // namespace vouchsafe::evidence::testing
