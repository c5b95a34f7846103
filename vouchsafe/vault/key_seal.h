// How private keys lie in the store: each encrypted with AES-256-GCM under a data key of its own,
// the data key wrapped under the root key. A copy of the database without the root key file holds
// nothing; a new root key only needs the data keys wrapped anew.
//
// Format of a sealed key, version 1:
//   1 (u8) | length of wrapped key (u16 BE) | wrapped data key (sealed_blob.h) |
//   nonce (12) | ciphertext | tag (16)
// Both layers bind the context: which key of which vault it is, and the kind of data directory.
#pragma once

#include <string>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::vault {

Bytes seal_key(const crypto::RootKey& root, std::string_view context, ByteView pkcs8);

// open_key fails with Code::bad_evidence if the bytes were changed, are another key's, or were
// sealed under another root key.
Result<SecretBytes> open_key(const crypto::RootKey& root, std::string_view context,
                             ByteView sealed);

}  // namespace vouchsafe::vault
