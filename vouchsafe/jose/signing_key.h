// The signing key of a token service: an RSA key, its self-signed certificate, and its entry in the
// service's key set. It is stored as one record in which the private half is sealed.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/sealed_blob.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::jose {

// SigningKey is immutable, cheap to copy and thread-safe.
class SigningKey {
  public:
    // generate makes an RSA-2048 key with a self-signed certificate for `common_name` (1 to 64
    // characters, X.509's limit; Code::invalid otherwise), valid from a day before `now`.
    static Result<SigningKey> generate(const std::string& common_name, Time now, Seconds lifetime);

    // The stored form: {"certificate": base64 DER, "sealed": base64 of the sealed PKCS#8}.
    // `context` binds the record to its place (sealed_blob.h). from_record fails with
    // Code::bad_evidence if it does not open or key and certificate do not belong together,
    // Code::invalid if it is no record.
    Bytes to_record(const crypto::RootKey& root, std::string_view context) const;
    static Result<SigningKey> from_record(ByteView record, const crypto::RootKey& root,
                                          std::string_view context);

    const crypto::PrivateKey& key() const { return key_; }
    const crypto::Certificate& certificate() const { return certificate_; }

    // x5t is base64url of the certificate's SHA-1 digest (RFC 7517, 4.8).
    std::string x5t() const;
    // jwk gives kid, kty, use "sig", alg "RS256", n, e, x5t and x5c (RFC 7517, 4.7).
    Json jwk(std::string_view kid) const;

  private:
    SigningKey(crypto::PrivateKey key, crypto::Certificate certificate)
        : key_(std::move(key)), certificate_(std::move(certificate)) {}
    crypto::PrivateKey key_;
    crypto::Certificate certificate_;
};

}  // namespace vouchsafe::jose
