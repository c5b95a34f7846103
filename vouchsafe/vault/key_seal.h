// How private keys and secrets lie in the store: each encrypted with AES-256-GCM under a data key
// of its own, the data key wrapped under the root key. A copy of the database without the root key
// holds nothing; a new root key only needs the data keys wrapped anew.
//
// Format of a sealed key, version 2:
//   2 (u8) | length of wrapped key (u16 BE) | wrapped data key (sealed_blob.h) |
//   nonce (12) | ciphertext | tag (16)
// The ciphertext binds the context: which key of which vault it is, and the kind of data directory;
// a data key is good for its own ciphertext alone. In version 1 the wrapped data key binds the
// context as well, so that it cannot be wrapped anew without knowing it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "vouchsafe/crypto/root_ring.h"

namespace vouchsafe::vault {

Bytes seal_key(const crypto::RootRing& root, std::string_view context, ByteView plaintext);

// open_key fails with Code::bad_evidence if the bytes were changed, are another key's, or were
// sealed under a root key that is not in the ring; Code::unsupported for another version.
Result<SecretBytes> open_key(const crypto::RootRing& root, std::string_view context,
                             ByteView sealed);

// rewrap_key returns the same sealed under the newest root key, or nullopt if it is. `context` is
// asked for version 1 alone. Errors as open_key.
Result<std::optional<Bytes>> rewrap_key(const crypto::RootRing& root,
                                        const std::function<Result<std::string>()>& context,
                                        ByteView sealed);

}  // namespace vouchsafe::vault
