// JSON Web Tokens (RFC 7519): minting, and verifying into VerifiedClaims.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/verified_claims.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::jose {

// mint_jwt signs `claims` as they are, written by dump_json_ascii so that Azure's guest clients can
// read it. `header` gets alg and typ.
Result<std::string> mint_jwt(Json header, const Json& claims, const crypto::PrivateKey& key,
                             crypto::SigAlg alg);

struct JwtRules {
    std::vector<std::string> issuers;    // accepted `iss`, compared after normalize_issuer
    std::vector<std::string> audiences;  // accepted `aud`, likewise; empty: aud is not looked at
    std::vector<crypto::SigAlg> algorithms = {crypto::SigAlg::rs256};
    Time now;
    Seconds skew{300};
};

// verify_jwt checks, in this order and each as a coded Check (TOKEN-FORMAT, TOKEN-ALG, TOKEN-KID,
// TOKEN-SIGNATURE, TOKEN-ISSUER, TOKEN-AUDIENCE, TOKEN-NOT-BEFORE, TOKEN-EXPIRED): form, algorithm,
// key id known, signature, iss, aud, nbf and exp.
//
// iss and exp are required, nbf and iat where present must be well-formed too; times are whole
// seconds from 1970 to 9999. `aud` may be a list, of which one must be accepted. The algorithm must
// also be the one the key is published for, and PS256 to PS512 need a key that says so (RFC 8725,
// 3.1: one key, one algorithm); RSA keys below 2048 bits count as unknown. A token is valid from
// nbf - skew to just before exp + skew. Without issuers in the rules nothing is accepted.
Result<VerifiedClaims> verify_jwt(std::string_view compact, const JwkSet& keys,
                                  const JwtRules& rules, Checks& checks);

// The same for a token that was taken apart already.
Result<VerifiedClaims> verify_jwt(Jws jws, const JwkSet& keys, const JwtRules& rules,
                                  Checks& checks);

// verify_by_key_set makes the checks of a token's algorithm, key and signature alone (TOKEN-ALG,
// TOKEN-KID, TOKEN-SIGNATURE, as verify_jwt does): for statements that are no tokens and are signed
// with the same keys. Whoever calls it must tell them apart from tokens by their `typ`.
Result<void> verify_by_key_set(const Jws& jws, const JwkSet& keys,
                               const std::vector<crypto::SigAlg>& algorithms, Checks& checks);

// peek_issuer returns the unverified `iss`, to choose whose keys to fetch. Never trust it further.
// Code::invalid if the token is malformed or has none.
Result<std::string> peek_issuer(std::string_view compact);
Result<std::string> peek_issuer(const Jws& jws);

// normalize_issuer is normalize_url of base: without one trailing slash, scheme and host in lower
// case (azure-api A.8).
std::string normalize_issuer(std::string_view issuer);

}  // namespace vouchsafe::jose
