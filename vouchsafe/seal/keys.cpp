#include "vouchsafe/seal/keys.h"

namespace vouchsafe::seal {

WrapKey wrap_with(const crypto::PublicKey& key, WrapAlg alg) {
    return [key, alg](ByteView data_key) -> Result<Bytes> {
        if (alg == WrapAlg::rsa1_5) return key.encrypt_pkcs1(data_key);
        return key.encrypt_oaep(crypto::HashAlg::sha256, data_key);
    };
}

Recipient recipient_for(const crypto::PublicKey& key, std::string key_id) {
    return {std::string(kProvider), std::move(key_id), wrap_with(key)};
}

UnwrapKey unwrap_with(const crypto::PrivateKey& key, std::string key_id, WrapAlg alg) {
    return
        [key, key_id = std::move(key_id), alg](const std::string& provider, const std::string& info,
                                               ByteView wrapped) -> Result<SecretBytes> {
            if (!key_id.empty() && (provider != kProvider || info != key_id)) {
                return fail(Code::not_found, "the data key is wrapped for another key");
            }
            if (alg == WrapAlg::rsa1_5) return key.decrypt_pkcs1(wrapped, kDataKeySize);
            return key.decrypt_oaep(crypto::HashAlg::sha256, wrapped);
        };
}

}  // namespace vouchsafe::seal
