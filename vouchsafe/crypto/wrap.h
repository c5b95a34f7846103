// Key wrapping: AES-KW (RFC 3394), AES-KWP (RFC 5649), and PKCS#11's RSA-AES key wrap as Azure's
// key release uses it (azure-api A.7).
#pragma once

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::crypto {

// `kek` has 16, 24 or 32 bytes. Unwrapping fails with Code::bad_evidence if the integrity value
// does not hold or the size is none of the form, Code::invalid if the size of `kek` is wrong.
// Wrapping fails with Code::invalid for sizes the form does not have: AES-KW takes 16 bytes and
// more in steps of 8, AES-KWP takes 1 and more; both up to 64 KiB.
Result<Bytes> aes_kw_wrap(ByteView kek, ByteView key);
Result<SecretBytes> aes_kw_unwrap(ByteView kek, ByteView wrapped);
Result<Bytes> aes_kwp_wrap(ByteView kek, ByteView key);
Result<SecretBytes> aes_kwp_unwrap(ByteView kek, ByteView wrapped);

// rsa_aes_wrap = RSA-OAEP(hash, fresh AES-256 key) || AES-KWP(that key, `key`). The first part is
// as long as the modulus.
Result<Bytes> rsa_aes_wrap(const PublicKey& to, HashAlg hash, ByteView key);
// rsa_aes_unwrap is the other direction with a private key in memory; a TPM key does the first step
// itself and then calls aes_kwp_unwrap.
Result<SecretBytes> rsa_aes_unwrap(const PrivateKey& key, HashAlg hash, ByteView wrapped);

}  // namespace vouchsafe::crypto
