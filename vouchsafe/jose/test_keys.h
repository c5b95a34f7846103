// For the tests of jose alone: keys made once per test binary, and vectors.
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::jose {

inline const crypto::PrivateKey& rsa_key() {
    static const crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_rsa(2048));
    return key;
}

inline const crypto::PrivateKey& ec_key(crypto::Curve curve) {
    static const crypto::PrivateKey keys[] = {
        MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256)),
        MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p384)),
        MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p521)),
    };
    return keys[static_cast<size_t>(curve)];
}

inline std::string vector_text(std::string_view name) {
    return MUST(read_text_file(Path(VS_SOURCE_DIR "/tests/vectors") / name));
}

inline Json vector_json(std::string_view name) {
    return MUST(parse_json(vector_text(name)));
}

// one_key is the key set {"keys":[key]} with `more` members in the entry.
inline JwkSet one_key(const crypto::PrivateKey& key, const Json& more) {
    Json jwk = encode_jwk(key.public_key());
    jwk.update(more);
    return MUST(JwkSet::parse({{"keys", Json::array({jwk})}}));
}

}  // namespace vouchsafe::jose
