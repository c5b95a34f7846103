// JSON Web Signature, compact form (RFC 7515).
#pragma once

#include <string>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::jose {

// Jws is a taken-apart, unverified JWS.
struct Jws {
    Json header;
    Bytes payload;
    std::string signing_input;  // the first two parts with their dot
    Bytes signature;
    std::string alg;  // header.alg
    std::string kid;  // header.kid, or ""
};

// parse_jws is strict: three parts of unpadded base64url, a header object with a string `alg`, no
// `crit`, at most `max_bytes`. It accepts alg none with an empty signature: verifying refuses it.
Result<Jws> parse_jws(std::string_view compact, size_t max_bytes = 256 << 10);

// verify_jws fails with Code::bad_evidence unless `jws.alg` names a signature algorithm that fits the
// key's type and the signature holds. "none" and the HMAC family never verify.
Result<void> verify_jws(const Jws& jws, const crypto::PublicKey& key);

// sign_jws sets header.alg. The payload is taken as it is.
Result<std::string> sign_jws(Json header, ByteView payload, const crypto::PrivateKey& key,
                             crypto::SigAlg alg);

}  // namespace vouchsafe::jose
