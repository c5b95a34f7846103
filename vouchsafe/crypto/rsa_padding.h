// Removing the padding of RSA decryption where the bare operation was done elsewhere, by an HSM,
// say. None of them is an oracle: what they do takes the same time whatever the padding was.
#pragma once

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::crypto {

// remove_pkcs1_padding undoes RSAES-PKCS1-v1_5 with implicit rejection
// (draft-irtf-cfrg-rsa-guidance, 7): a wrong padding gives bytes of a length that both derive from
// `secret` and ciphertext, the same each time. `block` is the result of the bare operation, as long
// as the modulus, and `secret` 32 bytes that only the holder of the key can know: for a key in
// memory the draft takes SHA-256 of its exponent. `block` of fewer than 64 or more than 1024 bytes
// is a bug and ends the process.
SecretBytes remove_pkcs1_padding(ByteView block, ByteView secret, ByteView ciphertext);

// remove_oaep_padding undoes RSAES-OAEP (RFC 8017, 7.1.2) with the same hash for OAEP and MGF1 and
// an empty label. Every failure is the same Code::bad_evidence.
Result<SecretBytes> remove_oaep_padding(HashAlg hash, ByteView block);

}  // namespace vouchsafe::crypto
