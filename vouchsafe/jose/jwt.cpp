#include "vouchsafe/jose/jwt.h"

#include <algorithm>
#include <optional>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/kept_signatures.h"

namespace vouchsafe::jose {

// The only place in the program that makes VerifiedClaims.
struct VerifiedClaimsMaker {
    static VerifiedClaims make(std::string issuer, Json claims) {
        return VerifiedClaims(std::move(issuer), std::make_shared<const Json>(std::move(claims)));
    }
};

namespace {

constexpr int64_t kLastTime = 253402300799;  // 9999-12-31T23:59:59Z
constexpr std::string_view kTimeForm = "whole seconds since 1970, before the year 10000";

// Token is a token whose form is right, and nothing more.
struct Token {
    Jws jws;
    Json claims;
    std::string issuer;
    Time expires;
    std::optional<Time> not_before;
};

Result<Json> parse_claims(const Jws& jws) {
    JsonLimits limits{.max_bytes = kMaxJwsBytes};
    return with_context(parse_json_object(as_text(jws.payload), limits), "payload");
}

Result<std::optional<Time>> read_time(const Json& claims, std::string_view name, Checks& checks) {
    const Json* value = find_member(claims, name);
    if (value == nullptr) return std::optional<Time>{};
    auto seconds = json_integer(claims, name);
    bool good = seconds && *seconds >= 0 && *seconds <= kLastTime;
    if (!good) {
        return checks.refuse("TOKEN-FORMAT", name, std::string(kTimeForm), show_json(*value));
    }
    return std::optional<Time>{from_unix(*seconds)};
}

bool is_audience(const Json& aud) {
    if (aud.is_string()) return true;
    return aud.is_array() &&
           std::all_of(aud.begin(), aud.end(), [](const Json& one) { return one.is_string(); });
}

tl::unexpected<Error> no_token(const Error& problem, Checks& checks) {
    return checks.refuse("TOKEN-FORMAT", "token", "a signed JSON Web Token in compact form",
                         show_json(problem.message));
}

Result<Token> read_token(Jws jws, Checks& checks) {
    Result<Json> claims = parse_claims(jws);
    if (!claims) return no_token(claims.error(), checks);
    Token out{std::move(jws), std::move(*claims), "", {}, {}};
    const Json* iss = find_member(out.claims, "iss");
    if (iss == nullptr || !iss->is_string()) {
        return checks.refuse("TOKEN-FORMAT", "iss", "a string",
                             iss == nullptr ? "nothing" : show_json(*iss));
    }
    out.issuer = iss->get<std::string>();
    const Json* aud = find_member(out.claims, "aud");
    if (aud != nullptr && !is_audience(*aud)) {
        return checks.refuse("TOKEN-FORMAT", "aud", "a string or a list of strings",
                             show_json(*aud));
    }
    auto expires = TRY(read_time(out.claims, "exp", checks));
    if (!expires) return checks.refuse("TOKEN-FORMAT", "exp", std::string(kTimeForm), "nothing");
    out.expires = *expires;
    out.not_before = TRY(read_time(out.claims, "nbf", checks));
    TRY(read_time(out.claims, "iat", checks));
    TRY(checks.require(true, "TOKEN-FORMAT", "token", "a signed JSON Web Token in compact form",
                       "one"));
    return out;
}

bool accepts(const std::vector<std::string>& accepted, const std::string& found) {
    return std::any_of(accepted.begin(), accepted.end(), [&](const std::string& one) {
        return normalize_issuer(one) == normalize_issuer(found);
    });
}

std::string list(const std::vector<std::string>& texts) {
    return texts.empty() ? "nothing" : fmt::format("{}", fmt::join(texts, " or "));
}

Result<void> check_audience(const Json& claims, const JwtRules& rules, Checks& checks) {
    if (rules.audiences.empty()) return {};
    const Json* aud = find_member(claims, "aud");
    bool fits = false;
    if (aud != nullptr && aud->is_string()) {
        fits = accepts(rules.audiences, aud->get<std::string>());
    } else if (aud != nullptr) {
        fits = std::any_of(aud->begin(), aud->end(), [&](const Json& one) {
            return accepts(rules.audiences, one.get<std::string>());
        });
    }
    return checks.require(fits, "TOKEN-AUDIENCE", "aud", list(rules.audiences),
                          aud == nullptr ? "nothing" : show_json(*aud));
}

Result<void> check_times(const Token& token, const JwtRules& rules, Checks& checks) {
    auto allowed =
        fmt::format("{} (now), give or take {} s", format_rfc3339(rules.now), rules.skew.count());
    if (token.not_before) {
        TRY(checks.require(*token.not_before <= rules.now + rules.skew, "TOKEN-NOT-BEFORE", "nbf",
                           "not after " + allowed, format_rfc3339(*token.not_before)));
    }
    return checks.require(rules.now - rules.skew < token.expires, "TOKEN-EXPIRED", "exp",
                          "after " + allowed, format_rfc3339(token.expires));
}

}  // namespace

Result<std::string> mint_jwt(Json header, const Json& claims, const crypto::PrivateKey& key,
                             crypto::SigAlg alg) {
    header["typ"] = "JWT";
    return sign_jws(std::move(header), as_bytes(dump_json_ascii(claims)), key, alg);
}

Result<void> verify_by_key_set(const Jws& jws, const JwkSet& keys,
                               const std::vector<crypto::SigAlg>& algorithms, Checks& checks) {
    std::vector<std::string_view> accepted;
    for (crypto::SigAlg alg : algorithms) accepted.push_back(crypto::sig_alg_name(alg));
    bool known = std::find(accepted.begin(), accepted.end(), jws.alg) != accepted.end();
    TRY(checks.require(known, "TOKEN-ALG", "alg", fmt::format("{}", fmt::join(accepted, " or ")),
                       show_json(jws.alg)));

    const JwkSet::Entry* entry = keys.find_entry(jws.kid);
    std::string found = jws.kid.empty() ? "no kid" : show_json(jws.kid);
    TRY(checks.require(entry != nullptr, "TOKEN-KID", "kid",
                       fmt::format("one of the issuer's {} keys", keys.entries().size()), found));
    bool weak = entry->key.type() == crypto::KeyType::rsa && entry->key.bits() < kMinRsaBits;
    if (weak) {
        return checks.refuse("TOKEN-KID", "kid",
                             fmt::format("a key of at least {} bits", kMinRsaBits),
                             fmt::format("{} of {} bits", found, entry->key.bits()));
    }
    // An RSA key that does not say what it is for could take either padding.
    bool unsaid = entry->alg.empty() && !jws.alg.starts_with("PS");
    if (!unsaid && entry->alg != jws.alg) {
        return checks.refuse("TOKEN-ALG", "alg",
                             entry->alg.empty()
                                 ? "RS256 or ES256, as the key does not say what it is for"
                                 : fmt::format("{}, as the key says", show_json(entry->alg)),
                             show_json(jws.alg));
    }
    bool holds = entry->kept->holds(jws, entry->key);
    return checks.require(holds, "TOKEN-SIGNATURE", "signature", "a signature by the key it names",
                          holds ? "one" : "none that holds");
}

Result<VerifiedClaims> verify_jwt(std::string_view compact, const JwkSet& keys,
                                  const JwtRules& rules, Checks& checks) {
    Result<Jws> jws = parse_jws(compact);
    if (!jws) return no_token(jws.error(), checks);
    return verify_jwt(std::move(*jws), keys, rules, checks);
}

Result<VerifiedClaims> verify_jwt(Jws jws, const JwkSet& keys, const JwtRules& rules,
                                  Checks& checks) {
    Token token = TRY(read_token(std::move(jws), checks));
    TRY(verify_by_key_set(token.jws, keys, rules.algorithms, checks));
    TRY(checks.require(accepts(rules.issuers, token.issuer), "TOKEN-ISSUER", "iss",
                       list(rules.issuers), show_json(token.issuer)));
    TRY(check_audience(token.claims, rules, checks));
    TRY(check_times(token, rules, checks));
    return VerifiedClaimsMaker::make(std::move(token.issuer), std::move(token.claims));
}

Result<std::string> peek_issuer(std::string_view compact) {
    return peek_issuer(TRY(parse_jws(compact)));
}

Result<std::string> peek_issuer(const Jws& jws) {
    return json_string(TRY(parse_claims(jws)), "iss");
}

std::string normalize_issuer(std::string_view issuer) {
    return normalize_url(issuer);
}

}  // namespace vouchsafe::jose
