// Ed25519 (RFC 8032, 5.1), for the signed notes of the audit log: no token and no certificate of
// ours uses it, so it stands beside keys.h and not in it.
#pragma once

#include <array>
#include <memory>

#include "vouchsafe/base/secret.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace vouchsafe::crypto {

inline constexpr size_t kEd25519KeySize = 32;  // of the public key, and of the private one
inline constexpr size_t kEd25519SignatureSize = 64;

using Ed25519PublicKey = std::array<uint8_t, kEd25519KeySize>;

// verify_ed25519 fails with Code::bad_evidence unless `signature` is the key's over `message`.
// Thread-safe.
Result<void> verify_ed25519(const Ed25519PublicKey& key, ByteView message, ByteView signature);

// Ed25519Key is a private key. Thread-safe: only const operations.
class Ed25519Key {
  public:
    static Ed25519Key generate();
    // from_private takes what expose_private gave. Code::invalid unless it has 32 bytes.
    static Result<Ed25519Key> from_private(ByteView bytes);

    const Ed25519PublicKey& public_key() const { return public_; }
    SecretBytes expose_private() const;  // 32 bytes, the seed of RFC 8032
    Bytes sign(ByteView message) const;

  private:
    explicit Ed25519Key(std::shared_ptr<evp_pkey_st> key);
    std::shared_ptr<evp_pkey_st> key_;
    Ed25519PublicKey public_{};
};

}  // namespace vouchsafe::crypto
