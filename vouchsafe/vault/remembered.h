// What follows from bytes alone and is asked for with every request: what a record says, a key's
// public half as JSON, a parsed policy. It is worked out once and found again by those bytes, so a
// record that was changed is another one. Nothing here is secret, and nothing is a judgement of a
// caller, a machine or a time. Private to vault/.
#pragma once

#include "vouchsafe/base/kept.h"
#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::vault {

struct StoredObject;  // operations.h
namespace secrets {
struct Secret;  // secrets/secret_records.h
}

// TeeKey is a machine's key, as an attestation token shows it.
struct TeeKey {
    crypto::PublicKey key;
    std::string thumbprint;  // RFC 7638, in base64url
};

// Remembered is thread-safe. What failed is not remembered.
class Remembered {
  public:
    // key and secret are what an object's records say. Code::io if they are damaged.
    Result<std::shared_ptr<const Key>> key(const StoredObject& object);
    Result<std::shared_ptr<const secrets::Secret>> secret(const StoredObject& object);
    // current_version is the one that a key's or a secret's record names. Code::io as above.
    Result<std::shared_ptr<const std::string>> current_version(const Bytes& record);
    // public_jwk, release_policy and tee_key are public_jwk of wire.h, policy::ReleasePolicy::parse
    // and jose::parse_jwk.
    Result<std::shared_ptr<const Json>> public_jwk(const KeyVersion& version);
    Result<std::shared_ptr<const policy::ReleasePolicy>> release_policy(const std::string& text);
    Result<std::shared_ptr<const TeeKey>> tee_key(const Json& jwk);

  private:
    static constexpr size_t kMost = 256;  // of each
    Kept<Key, kMost> keys_;
    Kept<secrets::Secret, kMost> secrets_;
    Kept<std::string, kMost> current_versions_;
    Kept<Json, kMost> public_jwks_;
    Kept<policy::ReleasePolicy, kMost> policies_;
    Kept<TeeKey, kMost> tee_keys_;
};

}  // namespace vouchsafe::vault
