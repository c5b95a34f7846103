// The answer of a key release (azure-api A.7): verifying it and taking out the wrapped key.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::guest {

struct ReleaseExpectation {
    std::string kid;    // as asked for; with or without version
    std::string nonce;  // as sent; "" if none was
    std::string host;   // the vault's host name: the signer's certificate must carry it
    std::vector<crypto::Certificate> trusted;
    Time now;
};

// VerifiedRelease exists only if verify_release said yes.
class VerifiedRelease {
  public:
    const std::string& kid() const { return kid_; }
    const crypto::PublicKey& public_key() const { return public_key_; }
    const std::string& enc() const { return enc_; }          // "RSA_AES_KEY_WRAP_256"
    const Bytes& ciphertext() const { return ciphertext_; }  // RSA part, then AES-KWP part

  private:
    friend struct ReleaseVerifier;  // release_answer.cpp alone
    VerifiedRelease(std::string kid, crypto::PublicKey public_key, std::string enc,
                    Bytes ciphertext)
        : kid_(std::move(kid)),
          public_key_(std::move(public_key)),
          enc_(std::move(enc)),
          ciphertext_(std::move(ciphertext)) {}
    std::string kid_;
    crypto::PublicKey public_key_;
    std::string enc_;
    Bytes ciphertext_;
};

// verify_release checks the compact JWS in the answer's `value`: RELEASE-FORMAT, RELEASE-SIGNATURE,
// RELEASE-CHAIN, RELEASE-NAME, RELEASE-KEY-ID, RELEASE-NONCE.
Result<VerifiedRelease> verify_release(std::string_view jws, const ReleaseExpectation& expected,
                                       Checks& checks);

}  // namespace vouchsafe::guest
