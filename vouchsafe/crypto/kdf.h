// Key derivation.
#pragma once

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::crypto {

// hkdf is RFC 5869, extract and expand. An empty salt means hash-length zeros. `length` is at most
// 255 hash lengths; more is a bug.
SecretBytes hkdf(HashAlg alg, ByteView key, ByteView salt, ByteView info, size_t length);

}  // namespace vouchsafe::crypto
