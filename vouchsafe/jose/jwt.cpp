#include "vouchsafe/jose/jwt.h"

#include <algorithm>
#include <optional>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/kept_signatures.h"
#include "vouchsafe/jose/kept_tokens.h"

namespace vouchsafe::jose {

// The only place in the program that makes VerifiedClaims.
struct VerifiedClaimsMaker {
    static VerifiedClaims make(std::string issuer, std::shared_ptr<const Json> claims) {
        return VerifiedClaims(std::move(issuer), std::move(claims));
    }
};

struct TokenTimes {
    Time expires;
    std::optional<Time> not_before;
};

// KeptToken is a token that was verified, but for its times, and what it was judged by.
struct KeptToken {
    std::string alg, kid, issuer;
    std::shared_ptr<const Json> claims;
    TokenTimes times;
    std::vector<Check> checks;  // all but those of its times, which come last
    std::shared_ptr<const JwkSet> keys;
    std::vector<std::string> issuers, audiences;
    std::vector<crypto::SigAlg> algorithms;

    bool judged_by(const std::shared_ptr<const JwkSet>& by, const JwtRules& rules) const {
        return keys == by && issuers == rules.issuers && audiences == rules.audiences &&
               algorithms == rules.algorithms;
    }
};

namespace {

constexpr size_t kMaxKeptText = 16 << 10;    // bytes of a token that is kept
constexpr int64_t kLastTime = 253402300799;  // 9999-12-31T23:59:59Z
constexpr std::string_view kTimeForm = "whole seconds since 1970, before the year 10000";

// Token is a token whose form is right, and nothing more.
struct Token {
    Jws jws;
    Json claims;
    std::string issuer;
    TokenTimes times;
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

Result<Token> read_token(Jws jws, Result<Json> claims, Checks& checks) {
    if (!claims) return no_token(claims.error(), checks);
    Token out{std::move(jws), std::move(*claims), "", {}};
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
    out.times.expires = *expires;
    out.times.not_before = TRY(read_time(out.claims, "nbf", checks));
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

Result<void> check_times(const TokenTimes& times, Time now, Seconds skew, Checks& checks) {
    const std::string allowed =
        format_rfc3339(now) + " (now), give or take " + std::to_string(skew.count()) + " s";
    if (times.not_before) {
        TRY(checks.require(*times.not_before <= now + skew, "TOKEN-NOT-BEFORE", "nbf",
                           "not after " + allowed, format_rfc3339(*times.not_before)));
    }
    return checks.require(now - skew < times.expires, "TOKEN-EXPIRED", "exp", "after " + allowed,
                          format_rfc3339(times.expires));
}

// verify_but_times makes all checks of verify_jwt but those of its times.
Result<Token> verify_but_times(Jws jws, Result<Json> claims, const JwkSet& keys,
                               const JwtRules& rules, Checks& checks) {
    Token token = TRY(read_token(std::move(jws), std::move(claims), checks));
    TRY(verify_by_key_set(token.jws, keys, rules.algorithms, checks));
    TRY(checks.require(accepts(rules.issuers, token.issuer), "TOKEN-ISSUER", "iss",
                       list(rules.issuers), show_json(token.issuer)));
    TRY(check_audience(token.claims, rules, checks));
    return token;
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
    Result<Json> claims = parse_claims(jws);
    Token token = TRY(verify_but_times(std::move(jws), std::move(claims), keys, rules, checks));
    TRY(check_times(token.times, rules.now, rules.skew, checks));
    return VerifiedClaimsMaker::make(std::move(token.issuer),
                                     std::make_shared<const Json>(std::move(token.claims)));
}

const std::string& ReadToken::alg() const {
    return kept_ ? kept_->alg : parts_->jws.alg;
}

const std::string& ReadToken::kid() const {
    return kept_ ? kept_->kid : parts_->jws.kid;
}

Result<std::string> ReadToken::issuer() const {
    if (kept_) return kept_->issuer;
    if (!parts_->claims) return fail(parts_->claims.error());
    return json_string(*parts_->claims, "iss");
}

Result<ReadToken> KeptTokens::read(std::string_view compact, size_t max_bytes) {
    const auto digest = crypto::sha256(as_bytes(compact));
    ReadToken out;
    out.text_ = compact;
    out.digest_.assign(digest.begin(), digest.end());
    if (compact.size() <= std::min(max_bytes, kMaxKeptText)) out.kept_ = kept_.find(out.digest_);
    if (out.kept_) return out;
    out.parts_ = TRY(take_apart(compact, max_bytes));
    return out;
}

Result<ReadToken::Parts> KeptTokens::take_apart(std::string_view compact, size_t max_bytes) {
    Jws jws = TRY(parse_jws(compact, max_bytes));
    Result<Json> claims = parse_claims(jws);
    return ReadToken::Parts{std::move(jws), std::move(claims)};
}

Result<std::shared_ptr<const KeptToken>> KeptTokens::judge(ReadToken read, const Keys& keys,
                                                           const JwtRules& rules, Checks& checks) {
    if (!read.parts_) read.parts_ = TRY(take_apart(read.text_, read.text_.size()));
    const size_t before = checks.list().size();
    Token token = TRY(verify_but_times(std::move(read.parts_->jws), std::move(read.parts_->claims),
                                       *keys, rules, checks));
    auto out = std::make_shared<KeptToken>();
    out->alg = std::move(token.jws.alg);
    out->kid = std::move(token.jws.kid);
    out->issuer = std::move(token.issuer);
    out->claims = std::make_shared<const Json>(std::move(token.claims));
    out->times = token.times;
    out->checks.assign(checks.list().begin() + static_cast<ptrdiff_t>(before), checks.list().end());
    out->keys = keys;
    out->issuers = rules.issuers;
    out->audiences = rules.audiences;
    out->algorithms = rules.algorithms;
    return std::shared_ptr<const KeptToken>(std::move(out));
}

Result<VerifiedClaims> KeptTokens::verify(ReadToken read, const Keys& keys, const JwtRules& rules,
                                          Time now, Checks& checks) {
    const Bytes digest = read.digest_;
    const bool keeps = read.text_.size() <= kMaxKeptText;
    std::shared_ptr<const KeptToken> token = read.kept_;
    const bool known = token && token->judged_by(keys, rules);
    if (known) {
        checks.repeat(token->checks);
    } else {
        token = TRY(judge(std::move(read), keys, rules, checks));
    }
    TRY(check_times(token->times, now, rules.skew, checks));
    if (!known && keeps) kept_.keep(digest, token);
    return VerifiedClaimsMaker::make(token->issuer, token->claims);
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
