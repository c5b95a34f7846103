// How seal gets its data key wrapped and unwrapped without knowing vaults: callbacks.
#pragma once

#include <functional>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/seal/header.h"

namespace vouchsafe::seal {

inline constexpr size_t kDataKeySize = 32;

// WrapKey wraps a data key of 32 bytes.
using WrapKey = std::function<Result<Bytes>(ByteView data_key)>;

// UnwrapKey gives back the data key. Code::not_found means "that key is not mine": the next one of
// the file is tried. Called from the thread that opens, never concurrently.
using UnwrapKey = std::function<Result<SecretBytes>(const std::string& provider,
                                                    const std::string& info, ByteView wrapped)>;

// Recipient is one who shall be able to open the file.
struct Recipient {
    std::string provider;
    std::string info;
    WrapKey wrap;
};

// WrapAlg names the RSA paddings by their JOSE names. rsa1_5 is what the tutorial's encrypt_data.py
// uses for its pair; use rsa_oaep_256 wherever there is a choice.
enum class WrapAlg { rsa_oaep_256, rsa1_5 };

// wrap_with and recipient_for use an RSA public key in memory.
WrapKey wrap_with(const crypto::PublicKey& key, WrapAlg alg = WrapAlg::rsa_oaep_256);
Recipient recipient_for(const crypto::PublicKey& key, std::string key_id);

// unwrap_with uses an RSA private key in memory, for data keys wrapped by wrap_with under `key_id`
// and kProvider; other data keys are not_found. An empty `key_id` accepts every id and provider.
UnwrapKey unwrap_with(const crypto::PrivateKey& key, std::string key_id,
                      WrapAlg alg = WrapAlg::rsa_oaep_256);

}  // namespace vouchsafe::seal
