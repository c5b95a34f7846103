// What a key of the vault is made of, before it is sealed: generated here, or brought by a client
// as a JSON Web Key (azure-api A.3).
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::vault {

enum class KeyFamily { rsa, ec, oct };

// KeySpec is the kind and size of a key.
struct KeySpec {
    KeyFamily family = KeyFamily::rsa;
    size_t bits = 0;                            // RSA and oct
    crypto::Curve curve = crypto::Curve::p256;  // EC
};

// HsmPlace is where a key is that lives in an HSM.
struct HsmPlace {
    std::string token;  // its label
    Bytes id;           // CKA_ID
};

struct KeyMaterial {
    KeySpec spec;
    // PKCS#8 of RSA and EC keys, the octets of an oct key; of a key in an HSM where it is
    // (hsm_keys.h).
    SecretBytes secret;
    Bytes spki;  // the public half; empty for an oct key
    std::optional<HsmPlace> hsm = std::nullopt;
};

Result<KeyMaterial> generate_material(const KeySpec& spec);

// import_material reads a private JWK (RFC 7518, 6): RSA of 2048, 3072 or 4096 bits with n, e, d,
// p, q, dp, dq and qi; EC on any of our curves with x, y and d; oct with a k of 16, 24 or 32
// octets, or 48 or 64 for HMAC alone. Member names are matched without case, kinds with and without
// "-HSM". Every part is held against the others. Code::invalid; Code::unsupported for `key_hsm`, a
// key wrapped for somebody's hardware. The texts in `jwk` are overwritten, whatever comes of it.
Result<KeyMaterial> import_material(Json& jwk);

}  // namespace vouchsafe::vault
