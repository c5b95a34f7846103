// What an administrator sends to change a policy or its signers: a compact JWS (azure-api C.5),
// unsigned or signed by a key whose certificate is in its header. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::attest {

inline constexpr size_t kMaxPolicyDocument = 256 << 10;  // bytes of a submitted JWS
inline constexpr size_t kMaxSignerChain = 6;             // certificates in its header

// SignedDocument is a JWS whose signature, if it has one, holds under its own certificate. Whether
// that certificate counts is check_signer's to say.
struct SignedDocument {
    std::string jws;                         // as it was sent, without quotes around it
    Bytes payload;                           // empty for a reset
    std::vector<crypto::Certificate> chain;  // leaf first; empty: unsigned
    Json signer() const;                     // JWK of the leaf, with alg and x5c; null if unsigned
    std::string alg;                         // "none", "RS256", ...

    // parse reads a JWS, bare or as a JSON string (both occur, azure-api C.5) or as the only member
    // of an object (policyCertificateToAdd and such). Code::invalid if it is malformed, if `alg`
    // is none with a signature or another one without, if a signed one has no x5c, or if the
    // signature does not hold under x5c[0]. Azure's Python client has its x5c in a `jwk` of the
    // header, and RSA256 for RS256: both are taken. Nothing else of a `jwk` is followed: a key
    // without a certificate can be nobody's.
    static Result<SignedDocument> parse(std::string_view body);
};

// sign_document makes such a JWS, with the chain (leaf first) in x5c, by RS256, or by the ES
// algorithm of the key's curve. Code::invalid if the key is not the leaf's, or the chain too long.
Result<std::string> sign_document(ByteView payload, const crypto::PrivateKey& key,
                                  const std::vector<crypto::Certificate>& chain);

// check_signer: the document is signed by one of `signers`, or by a certificate that a path of its
// own x5c leads from to one of them that is a CA; valid at `now`. Fails with the check
// ATTEST-POLICY-SIGNER.
Result<void> check_signer(const SignedDocument& document,
                          const std::vector<crypto::Certificate>& signers, Time now,
                          Checks& checks);

// policy_text reads the payload {"AttestationPolicy": base64url of the text}. Code::invalid.
Result<std::string> policy_text(const SignedDocument& document);

// unsigned_policy is the JWS of a policy that nobody signed.
std::string unsigned_policy(std::string_view text);

// signer_to_change reads the payload of certificates:add and :remove: the first certificate of the
// JWK under policyCertificate, x-ms-policyCertificate or maa-policyCertificate. Code::invalid.
Result<crypto::Certificate> signer_to_change(const SignedDocument& document);

}  // namespace vouchsafe::attest
