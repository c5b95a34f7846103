// A row of the table of algorithms (algorithms.cpp). Private to vault/keys/.
#pragma once

#include "vouchsafe/vault/keys/algorithms.h"

namespace vouchsafe::vault {

enum class Method {
    rsa_pkcs1,
    rsa_oaep,
    aes_gcm,
    aes_cbc,
    aes_cbc_padded,
    aes_kw,
    aes_kwp,
    signature,
    rsa_unhashed,
    hmac
};

struct Algorithm {
    std::string_view name;
    Method method;
    size_t key_bits = 0;                           // of AES; 0: any
    crypto::HashAlg hash = crypto::HashAlg::sha1;  // of OAEP and HMAC
    crypto::SigAlg sig = crypto::SigAlg::rs256;
};

// does_not_decrypt is the one answer to everything that does not.
tl::unexpected<Error> does_not_decrypt();

// use_hsm_key is use_key with a key in an HSM (hsm_algorithms.cpp). `alg` fits the key and the use,
// and the body has the members that it takes. What the HSM does not do is Code::invalid.
Result<CryptoResult> use_hsm_key(const Algorithm& alg, KeyUse use, const HsmKey& key,
                                 const CryptoBody& body);

}  // namespace vouchsafe::vault
