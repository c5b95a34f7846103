// Key derivation. Sizes and costs outside the limits named here are bugs and end the process: they
// are chosen by the program, never by input.
#pragma once

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::crypto {

inline constexpr size_t kMaxHkdfInfo = 1024;

// hkdf is RFC 5869, extract and expand. An empty salt means hash-length zeros. The key has at least
// one byte, `info` at most kMaxHkdfInfo, `length` is 1 to 255 hash lengths.
SecretBytes hkdf(HashAlg alg, ByteView key, ByteView salt, ByteView info, size_t length);

// scrypt is RFC 7914: for passwords and client secrets at rest. `n` is a power of two over 1; it
// takes about 128 * n * r bytes of memory while it runs.
SecretBytes scrypt(ByteView password, ByteView salt, uint64_t n, uint32_t r, uint32_t p,
                   size_t length);

}  // namespace vouchsafe::crypto
