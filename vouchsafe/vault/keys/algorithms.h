// The algorithms of azure-api A.5, by their names on the wire, and what each does with a key.
//
// A refusal never says which step of a decryption failed: Code::invalid and one sentence for all of
// them. RSA1_5 has no failure to tell: see crypto::PrivateKey::decrypt_pkcs1_any.
#pragma once

#include "vouchsafe/vault/keys/opened_key.h"
#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

enum class KeyUse { encrypt, decrypt, wrap, unwrap, sign, verify };
std::string_view key_op_name(KeyUse use);  // as in key_ops: "wrapKey"

// needs_secret tells whether the private half is needed: always for an oct key, else to decrypt,
// unwrap and sign.
bool needs_secret(KeyFamily family, KeyUse use);

// CryptoResult is what the answer says beside `kid`.
struct CryptoResult {
    SecretBytes value;
    std::optional<Bytes> iv, aad, tag;
    std::optional<bool> holds;  // of verify, instead of the others
};

// use_key does it. `opened` is nullptr exactly if needs_secret is false. Code::invalid if the
// algorithm is unknown, not for this use, or does not fit the key's kind, size or curve; if value,
// digest, iv, aad or tag have a size or presence that the algorithm does not have; and for what
// does not decrypt. A wrong signature is an answer, not an error.
Result<CryptoResult> use_key(KeyUse use, const KeyVersion& version, const OpenedKey* opened,
                             const CryptoBody& body);

}  // namespace vouchsafe::vault
