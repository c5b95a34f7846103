// JSON Web Signature, compact form (RFC 7515).
#pragma once

#include <string>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::jose {

inline constexpr size_t kMaxJwsBytes = 256 << 10;
inline constexpr size_t kMinRsaBits = 2048;  // to verify with: RFC 7518, 3.3 and 3.5

// Jws is a taken-apart, unverified JWS.
struct Jws {
    Json header;
    Bytes payload;
    std::string signing_input;  // the first two parts with their dot
    Bytes signature;
    std::string alg;  // header.alg
    std::string kid;  // header.kid, or ""
};

// parse_jws is strict: three parts of unpadded base64url, a header object without duplicate members
// and with a string `alg`, no `crit`, at most `max_bytes`; Code::invalid otherwise. It accepts
// alg none and an empty signature: verifying refuses them.
Result<Jws> parse_jws(std::string_view compact, size_t max_bytes = kMaxJwsBytes);

// verify_jws fails with Code::bad_evidence unless `jws.alg` names a signature algorithm that fits
// the key's type, the key is strong enough, and the signature holds. "none" and the HMAC family
// never verify. The key is the caller's choice: nothing in the header (jwk, jku, x5c) is followed.
Result<void> verify_jws(const Jws& jws, const crypto::PublicKey& key);

// encode_header sets header.alg and gives the first part of a JWS, for sign_encoded: what signs
// much under one header encodes it once. It is written by dump_json_ascii.
std::string encode_header(Json header, crypto::SigAlg alg);
Result<std::string> sign_encoded(const std::string& header, ByteView payload,
                                 const crypto::PrivateKey& key, crypto::SigAlg alg);

// sign_jws is both. It sets header.alg. The payload is taken as it is. The header is written by
// dump_json_ascii.
Result<std::string> sign_jws(Json header, ByteView payload, const crypto::PrivateKey& key,
                             crypto::SigAlg alg);

// unsigned_jws writes a JWS that nobody signed: `alg` none, third part empty (RFC 7515, appendix
// A.5). It proves nothing; Azure's services use it for policies and for tokens of drafts.
std::string unsigned_jws(Json header, ByteView payload);

}  // namespace vouchsafe::jose
