// Tokens that were verified already. A client sends one access token with every request for an
// hour, a machine one attestation with every key it asks for: such a token is taken apart, and what
// cannot change is judged, once. Its times are looked at each time, and whether the issuer's keys
// and the rules are those it was judged by.
#pragma once

#include <optional>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/kept.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::jose {

struct KeptToken;  // jwt.cpp

// ReadToken is a token that was taken apart, now or when it was kept. Nothing in it is verified:
// what it says serves to choose whose keys to verify it by.
class ReadToken {
  public:
    const std::string& alg() const;
    const std::string& kid() const;      // "" if it names none
    Result<std::string> issuer() const;  // `iss`; Code::invalid if that cannot be read

  private:
    friend class KeptTokens;
    struct Parts {
        Jws jws;
        Result<Json> claims;
    };
    std::string text_;
    Bytes digest_;                           // of the text
    std::shared_ptr<const KeptToken> kept_;  // nullptr: it is not kept
    std::optional<Parts> parts_;             // of one that is not kept
};

// KeptTokens keeps tokens of up to 16 KiB by a digest of their text, so that no token lies in
// memory that nobody just sent. Thread-safe.
class KeptTokens {
  public:
    using Keys = std::shared_ptr<const JwkSet>;

    // read is parse_jws for what is not kept.
    Result<ReadToken> read(std::string_view compact, size_t max_bytes = kMaxJwsBytes);

    // verify is verify_jwt for a token that was read here. What did not hold is not kept.
    Result<VerifiedClaims> verify(ReadToken token, const Keys& keys, const JwtRules& rules,
                                  Checks& checks) {
        return verify(std::move(token), keys, rules, rules.now, checks);
    }
    // The same at another time than that of the rules.
    Result<VerifiedClaims> verify(ReadToken token, const Keys& keys, const JwtRules& rules,
                                  Time now, Checks& checks);

  private:
    static Result<ReadToken::Parts> take_apart(std::string_view compact, size_t max_bytes);
    // judge makes all checks but those of its times.
    static Result<std::shared_ptr<const KeptToken>> judge(ReadToken token, const Keys& keys,
                                                          const JwtRules& rules, Checks& checks);

    Kept<KeptToken, 256> kept_;
};

}  // namespace vouchsafe::jose
