// Small secrets at rest: private keys in a service's store, sealed under a root key that lives in a
// file of the service's own directory (mode 0600).
//
// Format of a sealed blob, version 1:
//   "VSB1" | salt (32) | ciphertext (as long as the plaintext) | tag (16)
// with AES-256-GCM under key (32) || nonce (12) = HKDF-SHA-256(root key, salt, "vouchsafe sealed
// blob 1"), and "VSB1" || context as additional data. The salt is fresh for every blob, so no pair
// of key and nonce is used twice. The context binds a blob to its place: what was sealed as
// "vault/key/a" does not open as "vault/key/b".
#pragma once

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::crypto {

inline constexpr size_t kRootKeySize = 32;

// check_private_file: Code::not_found, or Code::forbidden if group or others may use the file.
Result<void> check_private_file(const Path& file);

// RootKey is a 32-byte key in memory. Thread-safe: only const operations.
class RootKey {
  public:
    // load_or_create reads the key from `file`, or makes a fresh one there (mode 0600) if the name
    // does not exist. Two processes that start at once end with the same key. Code::forbidden if
    // the file may be read by group or others, Code::invalid if it is not 32 bytes long.
    static Result<RootKey> load_or_create(const Path& file);
    // from_bytes is for keys that come from elsewhere, and for tests.
    static Result<RootKey> from_bytes(ByteView key);

    // seal gives plaintext.size() + 52 bytes.
    Bytes seal(std::string_view context, ByteView plaintext) const;
    // open fails with Code::bad_evidence if the blob was changed, was sealed for another context or
    // under another root key.
    Result<SecretBytes> open(std::string_view context, ByteView sealed) const;

  private:
    explicit RootKey(Secret<kRootKeySize> key) : key_(std::move(key)) {}
    Secret<kRootKeySize> key_;
};

}  // namespace vouchsafe::crypto
