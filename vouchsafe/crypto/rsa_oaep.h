// RSA-OAEP whose mask is made with another hash than its label (RFC 8017, A.2.1): what some vaults
// and tools write. PrivateKey::decrypt_oaep has one hash for both.
#pragma once

#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::crypto {

// decrypt_oaep is PrivateKey::decrypt_oaep with `mgf1` as the hash of MGF1.
Result<SecretBytes> decrypt_oaep(const PrivateKey& key, HashAlg hash, HashAlg mgf1,
                                 ByteView ciphertext);

}  // namespace vouchsafe::crypto
