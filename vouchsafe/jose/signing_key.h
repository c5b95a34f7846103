// The signing key of a token service: an RSA or P-256 key, the one algorithm it signs with, its
// self-signed certificate, and its entry in the service's key set. It is stored as one record in
// which the private half is sealed.
#pragma once

#include <array>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/sealed_blob.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::jose {

// What a service may sign its tokens with, its default first: Azure's clients know RS256 alone.
inline constexpr std::array<crypto::SigAlg, 3> kSigningAlgorithms = {
    crypto::SigAlg::rs256, crypto::SigAlg::ps256, crypto::SigAlg::es256};

// signing_algorithm reads the name of one of them: "RS256", "PS256" or "ES256". Code::unsupported.
Result<crypto::SigAlg> signing_algorithm(std::string_view name);

// key_entry is what a key set says about a key (RFC 7517): kid, use "sig", alg, x5t, x5c, and kty
// with n, e or crv, x, y. x5t is base64url of the certificate's SHA-1 digest.
// Code::bad_evidence if the certificate's key is not one for `alg`.
Result<Json> key_entry(const crypto::Certificate& certificate, crypto::SigAlg alg,
                       std::string_view kid);

inline constexpr Seconds kSigningKeyBackdate{86400};  // for clients whose clock is behind

// SigningKey is immutable, cheap to copy and thread-safe.
class SigningKey {
  public:
    // generate makes an RSA-2048 key, or a P-256 key for ES256, with a self-signed certificate for
    // `common_name` (1 to 64 characters, X.509's limit; Code::invalid otherwise), valid from
    // kSigningKeyBackdate before `now`. Code::unsupported for other algorithms than
    // kSigningAlgorithms.
    static Result<SigningKey> generate(const std::string& common_name, Time now, Seconds lifetime,
                                       crypto::SigAlg alg = crypto::SigAlg::rs256);

    // The stored form: {"certificate": base64 DER, "sealed": base64 of the sealed PKCS#8}, and
    // "alg" unless that is RS256. `context` binds the record to its place (sealed_blob.h); what the
    // record says of the algorithm is bound by the type of the key alone. from_record fails with
    // Code::bad_evidence if it does not open or key, certificate and algorithm do not belong
    // together, Code::invalid or Code::unsupported if it is no record.
    Bytes to_record(const crypto::RootKey& root, std::string_view context) const;
    static Result<SigningKey> from_record(ByteView record, const crypto::RootKey& root,
                                          std::string_view context);

    const crypto::PrivateKey& key() const { return key_; }
    const crypto::Certificate& certificate() const { return certificate_; }
    crypto::SigAlg alg() const { return alg_; }

    // x5t is base64url of the certificate's SHA-1 digest (RFC 7517, 4.8).
    std::string x5t() const;
    // jwk is the key_entry.
    Json jwk(std::string_view kid) const;

  private:
    SigningKey(crypto::PrivateKey key, crypto::Certificate certificate, crypto::SigAlg alg)
        : key_(std::move(key)), certificate_(std::move(certificate)), alg_(alg) {}
    crypto::PrivateKey key_;
    crypto::Certificate certificate_;
    crypto::SigAlg alg_;
};

}  // namespace vouchsafe::jose
