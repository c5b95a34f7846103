// Somebody who signs policies, for the tests.
#pragma once

#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest::testing {

// Signer is somebody with a self-signed certificate.
struct Signer {
    crypto::PrivateKey key = make_rsa();
    crypto::Certificate certificate;
    explicit Signer(const std::string& name) : certificate(certify(name)) {}

    crypto::Certificate certify(const std::string& name) const {
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", name}};
        spec.not_before = test_time() - Seconds(86400);
        spec.not_after = test_time() + Seconds(86400);
        return MUST(crypto::issue_certificate(spec, key.public_key(), nullptr, key,
                                              crypto::CertSignature::rsa_pkcs1_sha256));
    }
    Json x5c() const { return Json::array({encode_base64(certificate.der())}); }
    std::string sign(const Json& payload) const {
        return MUST(jose::sign_jws({{"x5c", x5c()}}, as_bytes(dump_json(payload)), key,
                                   crypto::SigAlg::rs256));
    }
    std::string policy(std::string_view text) const {
        return sign({{"AttestationPolicy", encode_base64url(as_bytes(text))}});
    }
    Json jwk() const { return {{"kty", "RSA"}, {"x5c", x5c()}}; }
};
inline const Signer& first() {
    static const Signer kOne("first");
    return kOne;
}
inline const Signer& second() {
    static const Signer kOne("second");
    return kOne;
}

}  // namespace vouchsafe::attest::testing
