// Every check of a token is needed: see base/removal_table.h.
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

using namespace vouchsafe::testing;
using crypto::SigAlg;

constexpr int64_t kNow = 1700000000;

JwtRules rules() {
    JwtRules out;
    out.issuers = {"https://issuer.example"};
    out.now = from_unix(kNow);
    return out;
}

Judge token(const std::string& compact, const JwkSet& keys, const JwtRules& with = rules()) {
    return [=] {
        Checks checks;
        return outcome(verify_jwt(compact, keys, with, checks));
    };
}

std::string minted(const Json& claims, SigAlg alg = SigAlg::rs256) {
    return MUST(mint_jwt({{"kid", "k"}}, claims, rsa_key(), alg));
}

Json good_claims() {
    return {{"iss", "https://issuer.example"}, {"aud", "a"}, {"nbf", kNow}, {"exp", kNow + 600}};
}

// says is a token that is sound but for one claim.
Judge says(std::string_view name, const Json& value) {
    Json claims = good_claims();
    claims[name] = value;
    JwtRules with = rules();
    with.audiences = {"a"};
    return token(minted(claims), one_key(rsa_key(), {{"kid", "k"}}), with);
}

RemovalTable rows() {
    const JwkSet keys = one_key(rsa_key(), {{"kid", "k"}});
    const JwkSet ps256 = one_key(rsa_key(), {{"kid", "k"}, {"alg", "PS256"}});
    const JwkSet weak = MUST(JwkSet::parse(vector_json("jose/rsa1024.jwks.json")));
    const std::string sound = minted(good_claims());
    const std::string another = minted({{"iss", "https://issuer.example"}, {"exp", kNow}});
    const std::string mixed =
        sound.substr(0, sound.rfind('.')) + another.substr(another.rfind('.'));
    return {
        {"TOKEN-FORMAT", {token(sound + ".", keys), kStillRefused}},
        {"TOKEN-ALG", {token(minted(good_claims(), SigAlg::ps256), ps256)}},
        {"TOKEN-KID", {token(vector_text("jose/rsa1024.jwt"), weak), kStillRefused}},
        {"TOKEN-SIGNATURE", {token(mixed, keys)}},
        {"TOKEN-ISSUER", {says("iss", "https://issuer.example.evil")}},
        {"TOKEN-AUDIENCE", {says("aud", "b")}},
        {"TOKEN-NOT-BEFORE", {says("nbf", kNow + 301)}},
        {"TOKEN-EXPIRED", {says("exp", kNow - 300)}},
    };
}

TEST(TokenCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("jose", rows());
}

}  // namespace
}  // namespace vouchsafe::jose
