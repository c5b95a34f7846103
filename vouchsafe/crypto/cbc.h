// AES-CBC (NIST SP 800-38A, 6.2), bare or with PKCS#7 padding. It does not authenticate: only where
// a protocol has it, such as a vault's A256CBC and A256CBCPAD.
#pragma once

#include "vouchsafe/base/secret.h"

namespace vouchsafe::crypto {

inline constexpr size_t kCbcBlock = 16;

enum class CbcPadding { none, pkcs7 };

// `key` has 16, 24 or 32 bytes and `iv` 16: Code::invalid otherwise, and for input of a size that
// the form does not have: without padding whole blocks and one at least, up to 64 KiB. Opening
// fails with the same Code::invalid for a wrong padding, which is looked at in constant time; but
// that it failed can be seen, so answer it only to who may decrypt anything with this key.
Result<Bytes> aes_cbc_encrypt(ByteView key, ByteView iv, CbcPadding padding, ByteView plaintext);
Result<SecretBytes> aes_cbc_decrypt(ByteView key, ByteView iv, CbcPadding padding,
                                    ByteView ciphertext);

}  // namespace vouchsafe::crypto
