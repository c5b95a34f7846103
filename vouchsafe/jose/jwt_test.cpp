#include "vouchsafe/jose/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

using crypto::SigAlg;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kIssuer = "https://issuer.example";
constexpr int64_t kNow = 1700000000;

static_assert(!std::is_default_constructible_v<VerifiedClaims>);
static_assert(!std::is_constructible_v<VerifiedClaims, std::string, std::shared_ptr<const Json>>);

Json good_claims() {
    return {
        {"iss", kIssuer}, {"aud", "https://vault.azure.net"}, {"nbf", kNow}, {"exp", kNow + 600}};
}

JwtRules rules() {
    JwtRules out;
    out.issuers = {"https://issuer.example/"};
    out.audiences = {"https://vault.azure.net"};
    out.now = from_unix(kNow);
    return out;
}

JwkSet keys() {
    return one_key(rsa_key(), {{"kid", "k"}});
}

std::string mint(const Json& claims, const Json& header = {{"kid", "k"}}) {
    return MUST(mint_jwt(header, claims, rsa_key(), SigAlg::rs256));
}

// verdict is "ok", or the code and field of the check that failed.
std::string verdict(std::string_view token, const JwkSet& set, const JwtRules& with) {
    Checks checks;
    auto claims = verify_jwt(token, set, with, checks);
    if (claims) return "ok";
    const Check* reason = claims.error().reason();
    if (reason == nullptr) return "no reason";
    EXPECT_EQ(claims.error().code, find_check_info(reason->code)->error);
    return reason->code + " " + reason->field;
}
std::string verdict(const Json& claims) {
    return verdict(mint(claims), keys(), rules());
}

Json with(std::string_view name, Json value) {
    Json claims = good_claims();
    claims[name] = std::move(value);
    return claims;
}
Json without(std::string_view name) {
    Json claims = good_claims();
    claims.erase(name);
    return claims;
}

TEST(Jwt, GivesVerifiedClaimsAndTheChecksMadeInOrder) {
    Checks checks;
    auto claims = verify_jwt(mint(good_claims()), keys(), rules(), checks);
    ASSERT_TRUE(claims) << claims.error().message;
    EXPECT_EQ(claims->issuer(), kIssuer);
    EXPECT_EQ(claims->claims(), good_claims());
    std::vector<std::string> codes;
    for (const Check& check : checks.list()) {
        EXPECT_TRUE(check.passed);
        codes.push_back(check.code);
    }
    EXPECT_THAT(codes,
                ElementsAre("TOKEN-FORMAT", "TOKEN-ALG", "TOKEN-KID", "TOKEN-SIGNATURE",
                            "TOKEN-ISSUER", "TOKEN-AUDIENCE", "TOKEN-NOT-BEFORE", "TOKEN-EXPIRED"));
}

struct RealToken {
    std::string_view file;
    std::string_view keys;
    int64_t time;
    std::string_view verdict;
};

// vectors_test.cpp has the verdict of every recorded token, each at its own time.
TEST(Jwt, JudgesARealTokenByTimeAndKeySet) {
    constexpr std::string_view kWus = "maa/sharedwus-2022-06.jwks.json";
    constexpr std::string_view kWeu = "maa/sharedweu.jwks.json";
    constexpr int64_t kCvm = 1680180000;
    const RealToken kTokens[] = {
        {"cvm-snp-weu-2023-03", kWeu, kCvm, "ok"},
        {"cvm-snp-weu-2023-03", kWeu, 1680173374 - 301, "TOKEN-NOT-BEFORE nbf"},
        {"cvm-snp-weu-2023-03", kWeu, 1680202174 + 300, "TOKEN-EXPIRED exp"},
        {"cvm-snp-weu-2023-03", kWus, kCvm, "TOKEN-KID kid"},
    };
    for (const RealToken& token : kTokens) {
        JwtRules with_time;
        with_time.issuers = {"https://sharedweu.weu.attest.azure.net",
                             "https://sharedwus.wus.attest.azure.net",
                             "https://sharedeus2.eus2.attest.azure.net"};
        with_time.now = from_unix(token.time);
        JwkSet set = MUST(JwkSet::parse(vector_json(token.keys)));
        EXPECT_EQ(verdict(vector_text(fmt::format("maa/{}.jwt", token.file)), set, with_time),
                  token.verdict)
            << token.file;
    }
}

TEST(Jwt, RefusesARealTokenOfAnotherIssuerWithTheSameKey) {
    // Several instances of a region share a key: only iss tells them apart.
    JwtRules other;
    other.issuers = {"https://myattest.weu.attest.azure.net"};
    other.now = from_unix(1680180000);
    JwkSet set = MUST(JwkSet::parse(vector_json("maa/sharedweu.jwks.json")));
    EXPECT_EQ(verdict(vector_text("maa/cvm-snp-weu-2023-03.jwt"), set, other), "TOKEN-ISSUER iss");
    other.issuers.clear();
    EXPECT_EQ(verdict(vector_text("maa/cvm-snp-weu-2023-03.jwt"), set, other), "TOKEN-ISSUER iss");
}

TEST(Jwt, SaysTheTimesInRfc3339) {
    JwtRules late = rules();
    late.now = from_unix(kNow + 10000);
    Checks checks;
    auto claims = verify_jwt(mint(good_claims()), keys(), late, checks);
    ASSERT_FALSE(claims);
    EXPECT_EQ(claims.error().code, Code::expired);
    EXPECT_EQ(claims.error().reason()->expected,
              "after 2023-11-15T01:00:00Z (now), give or take 300 s");
    EXPECT_EQ(claims.error().reason()->found, "2023-11-14T22:23:20Z");
}

TEST(Jwt, ChecksAllButTheSignatureAgainOfATokenItKnows) {
    const JwkSet set = keys();
    const std::string token = mint(good_claims());
    EXPECT_EQ(verdict(token, set, rules()), "ok");
    EXPECT_EQ(verdict(token, set, rules()), "ok");
    JwtRules later = rules();
    later.now = from_unix(kNow + 901);
    EXPECT_EQ(verdict(token, set, later), "TOKEN-EXPIRED exp");
    JwtRules elsewhere = rules();
    elsewhere.audiences = {"https://other.example"};
    EXPECT_EQ(verdict(token, set, elsewhere), "TOKEN-AUDIENCE aud");
    JwtRules no_rsa = rules();
    no_rsa.algorithms = {SigAlg::es256};
    EXPECT_EQ(verdict(token, set, no_rsa), "TOKEN-ALG alg");
}

TEST(Jwt, RefusesEveryChangeOfATokenItKnows) {
    const JwkSet set = keys();
    const std::string token = mint(good_claims());
    EXPECT_EQ(verdict(token, set, rules()), "ok");
    for (size_t i = 0; i < token.size(); ++i) {
        std::string changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        // The last digit of base64url may have bits that stand for nothing: those must be zero.
        EXPECT_NE(verdict(changed, set, rules()), "ok") << i;
    }
    // A token of another key under the same kid is as unknown as before.
    const std::string foreign =
        MUST(mint_jwt({{"kid", "k"}}, good_claims(), MUST(crypto::PrivateKey::generate_rsa(2048)),
                      SigAlg::rs256));
    EXPECT_EQ(verdict(foreign, set, rules()), "TOKEN-SIGNATURE signature");
    EXPECT_EQ(verdict(foreign, set, rules()), "TOKEN-SIGNATURE signature");
}

TEST(Jwt, AllowsTheSkewToTheSecond) {
    auto at = [](int64_t time) {
        JwtRules when = rules();
        when.now = from_unix(time);
        return verdict(mint(good_claims()), keys(), when);
    };
    EXPECT_EQ(at(kNow - 301), "TOKEN-NOT-BEFORE nbf");
    EXPECT_EQ(at(kNow - 300), "ok");
    EXPECT_EQ(at(kNow + 600 + 299), "ok");
    EXPECT_EQ(at(kNow + 600 + 300), "TOKEN-EXPIRED exp");
}

TEST(Jwt, WantsTimesAsWholeSecondsOfThisEra) {
    EXPECT_EQ(verdict(without("exp")), "TOKEN-FORMAT exp");
    EXPECT_EQ(verdict(without("nbf")), "ok");
    for (std::string_view name : {"exp", "nbf", "iat"}) {
        for (std::string_view value :
             {"1700000000.0", "1.7e9", "\"1700000000\"", "-1", "null", "true", "[1700000000]", "{}",
              "1700000000000", "9223372036854775807", "9223372036854775808", "18446744073709551615",
              "99999999999999999999"}) {
            EXPECT_EQ(verdict(with(name, MUST(parse_json(value)))),
                      fmt::format("TOKEN-FORMAT {}", name))
                << value;
        }
    }
    EXPECT_EQ(verdict(with("exp", 253402300799)), "ok");
    EXPECT_EQ(verdict(with("exp", 253402300800)), "TOKEN-FORMAT exp");
    EXPECT_EQ(verdict(with("exp", 0)), "TOKEN-EXPIRED exp");
    EXPECT_EQ(verdict(with("iat", kNow + 100000)), "ok");
}

TEST(Jwt, ComparesTheIssuerExactlyButForSlashAndHost) {
    EXPECT_EQ(verdict(with("iss", "https://ISSUER.example/")), "ok");
    for (std::string_view iss :
         {"", "https://issuer.example//", "https://issuer.example.evil", "https://issuer.example/x",
          "http://issuer.example", "issuer.example", "https://issuer.exampl"}) {
        EXPECT_EQ(verdict(with("iss", iss)), "TOKEN-ISSUER iss") << iss;
    }
    EXPECT_EQ(verdict(without("iss")), "TOKEN-FORMAT iss");
    EXPECT_EQ(verdict(with("iss", 7)), "TOKEN-FORMAT iss");
    EXPECT_EQ(verdict(with("iss", {"https://issuer.example"})), "TOKEN-FORMAT iss");
}

TEST(Jwt, AcceptsOneOfSeveralAudiences) {
    EXPECT_EQ(verdict(with("aud", "https://vault.azure.net/")), "ok");
    EXPECT_EQ(verdict(with("aud", {"https://other", "https://vault.azure.net"})), "ok");
    EXPECT_EQ(verdict(with("aud", "https://vault.azure.net.evil")), "TOKEN-AUDIENCE aud");
    EXPECT_EQ(verdict(with("aud", {"https://other"})), "TOKEN-AUDIENCE aud");
    EXPECT_EQ(verdict(with("aud", Json::array())), "TOKEN-AUDIENCE aud");
    EXPECT_EQ(verdict(without("aud")), "TOKEN-AUDIENCE aud");
    EXPECT_EQ(verdict(with("aud", {"https://vault.azure.net", 7})), "TOKEN-FORMAT aud");
    EXPECT_EQ(verdict(with("aud", nullptr)), "TOKEN-FORMAT aud");
    EXPECT_EQ(verdict(with("aud", Json::object())), "TOKEN-FORMAT aud");
    JwtRules any = rules();
    any.audiences.clear();
    EXPECT_EQ(verdict(mint(without("aud")), keys(), any), "ok");
}

TEST(Jwt, RefusesAlgorithmsOutsideTheRules) {
    std::string token = MUST(mint_jwt({{"kid", "k"}}, good_claims(), rsa_key(), SigAlg::ps256));
    EXPECT_EQ(verdict(token, keys(), rules()), "TOKEN-ALG alg");
    JwtRules both = rules();
    both.algorithms = {SigAlg::rs256, SigAlg::ps256};
    JwkSet published = one_key(rsa_key(), {{"kid", "k"}, {"alg", "PS256"}});
    EXPECT_EQ(verdict(token, published, both), "ok");
    EXPECT_EQ(verdict(token, published, rules()), "TOKEN-ALG alg");
    EXPECT_EQ(verdict(token, keys(), both), "TOKEN-ALG alg");  // the key does not say PS256
    both.algorithms.clear();
    EXPECT_EQ(verdict(token, published, both), "TOKEN-ALG alg");
}

TEST(Jwt, HoldsAKeyToTheAlgorithmItIsPublishedFor) {
    JwtRules both = rules();
    both.algorithms = {SigAlg::rs256, SigAlg::ps256};
    JwkSet only_rs256 = one_key(rsa_key(), {{"kid", "k"}, {"alg", "RS256"}});
    EXPECT_EQ(verdict(mint(good_claims()), only_rs256, both), "ok");
    std::string token = MUST(mint_jwt({{"kid", "k"}}, good_claims(), rsa_key(), SigAlg::ps256));
    EXPECT_EQ(verdict(token, only_rs256, both), "TOKEN-ALG alg");
}

// relabelled puts another algorithm's name over a signature, which stays.
std::string relabelled(const std::string& token, std::string_view alg) {
    Json header = {{"alg", alg}, {"kid", "k"}, {"typ", "JWT"}};
    return encode_base64url(as_bytes(dump_json(header))) + token.substr(token.find('.'));
}

TEST(Jwt, TakesEachSigningAlgorithmForNoOther) {
    JwtRules any = rules();
    any.algorithms.assign(kSigningAlgorithms.begin(), kSigningAlgorithms.end());
    for (SigAlg alg : kSigningAlgorithms) {
        const auto& key = alg == SigAlg::es256 ? ec_key(crypto::Curve::p256) : rsa_key();
        std::string name(crypto::sig_alg_name(alg));
        JwkSet published = one_key(key, {{"kid", "k"}, {"alg", name}});
        JwkSet unsaid = one_key(key, {{"kid", "k"}});
        std::string token = MUST(mint_jwt({{"kid", "k"}}, good_claims(), key, alg));
        EXPECT_EQ(verdict(token, published, any), "ok") << name;
        for (std::string_view other :
             {"RS256", "PS256", "ES256", "RS512", "ES384", "HS256", "none", "None", "es256"}) {
            if (other == name) continue;
            std::string forged = relabelled(token, other);
            EXPECT_EQ(verdict(forged, published, any), "TOKEN-ALG alg") << name << other;
            EXPECT_NE(verdict(forged, unsaid, any), "ok") << name << other;
        }
        // With a key set that lies about its key the signature does not hold either.
        for (SigAlg other : kSigningAlgorithms) {
            if (other == alg) continue;
            std::string_view wrong = crypto::sig_alg_name(other);
            JwkSet lying = one_key(key, {{"kid", "k"}, {"alg", wrong}});
            EXPECT_EQ(verdict(relabelled(token, wrong), lying, any), "TOKEN-SIGNATURE signature");
        }
    }
}

TEST(Jwt, TakesNoKeyForAnHmacSecret) {
    JwtRules any = rules();
    any.algorithms.assign(kSigningAlgorithms.begin(), kSigningAlgorithms.end());
    std::string token = relabelled(mint(good_claims()), "HS256");
    Json secret = {{"kty", "oct"}, {"k", "AAAA"}, {"kid", "k"}, {"alg", "HS256"}};
    EXPECT_EQ(verdict(token, MUST(JwkSet::parse({{"keys", Json::array({secret})}})), any),
              "TOKEN-ALG alg");
    EXPECT_EQ(verdict(token, one_key(rsa_key(), {{"kid", "k"}, {"alg", "HS256"}}), any),
              "TOKEN-ALG alg");
}

TEST(Jwt, LooksForTheKeyByKidAlone) {
    EXPECT_EQ(verdict(mint(good_claims(), {{"kid", "other"}}), keys(), rules()), "TOKEN-KID kid");
    EXPECT_EQ(verdict(mint(good_claims(), {{"kid", "K"}}), keys(), rules()), "TOKEN-KID kid");
    EXPECT_EQ(verdict(mint(good_claims(), Json::object()), keys(), rules()), "ok");  // the only key
    EXPECT_EQ(verdict(mint(good_claims()), JwkSet(), rules()), "TOKEN-KID kid");
    EXPECT_EQ(
        verdict(mint(good_claims()), one_key(rsa_key(), {{"kid", "k"}, {"use", "enc"}}), rules()),
        "TOKEN-KID kid");
    // A key in the header is not looked at.
    Json header = {{"kid", "k"}, {"jwk", encode_jwk(rsa_key().public_key())}};
    EXPECT_EQ(verdict(mint(good_claims(), header),
                      one_key(ec_key(crypto::Curve::p256), {{"kid", "k"}}), rules()),
              "TOKEN-SIGNATURE signature");
}

TEST(Jwt, RefusesWeakKeys) {
    JwtRules loose;
    loose.issuers = {std::string(kIssuer)};
    loose.now = from_unix(kNow);
    JwkSet set = MUST(JwkSet::parse(vector_json("jose/rsa1024.jwks.json")));
    EXPECT_EQ(verdict(vector_text("jose/rsa1024.jwt"), set, loose), "TOKEN-KID kid");
}

TEST(Jwt, RefusesClaimsThatAreNoPlainObject) {
    auto signed_payload = [](std::string_view payload) {
        std::string token =
            MUST(sign_jws({{"kid", "k"}}, as_bytes(payload), rsa_key(), SigAlg::rs256));
        return verdict(token, keys(), rules());
    };
    EXPECT_EQ(signed_payload(dump_json(good_claims())), "ok");
    for (std::string_view payload :
         {"", "[]", "null", "7", "\"x\"", "{", "{} {}", R"({"iss":"a","iss":"b","exp":1})",
          R"({"iss":"https://issuer.example","exp":1700000600,"\u0065xp":1})",
          "{\"iss\":\"\xff\"}"}) {
        EXPECT_EQ(signed_payload(payload), "TOKEN-FORMAT token") << payload;
    }
}

TEST(Jwt, ShowsNothingUnprintableOfAForeignToken) {
    Checks checks;
    auto claims = verify_jwt(mint(good_claims(), {{"kid", std::string(5000, '\x1b')}}), keys(),
                             rules(), checks);
    ASSERT_FALSE(claims);
    EXPECT_LE(claims.error().reason()->found.size(), 120U);
    EXPECT_THAT(claims.error().reason()->found, HasSubstr("\\u001b"));
}

TEST(Jwt, MintsWhatStandardBase64DecodersRead) {
    Json claims = good_claims();
    claims["text"] = "a>b?c~d >>>???~~~ \x7f \u00fc\u20ac\U0001f512 \xc3\xbf\xc3\xbf";
    claims["?~>\u00ff"] = Json::array({">", "?", "~", "\u00ff\u00fe"});
    for (int pad = 0; pad < 3; ++pad) {  // every alignment
        claims["pad"] = std::string(static_cast<size_t>(pad), 'x');
        std::string token = mint(claims, {{"kid", "a?b>c~/+="}, {"jku", "https://x/certs?a~b"}});
        std::string readable = token.substr(0, token.rfind('.'));
        EXPECT_EQ(readable.find_first_of("-_"), std::string::npos) << readable;
        Jws jws = MUST(parse_jws(token));
        EXPECT_EQ(MUST(parse_json(as_text(jws.payload))), claims);
        EXPECT_EQ(jws.kid, "a?b>c~/+=");
    }
}

TEST(Jwt, MintsAHeaderWithAlgAndTyp) {
    Jws jws = MUST(parse_jws(mint(good_claims(), {{"kid", "k"}, {"alg", "none"}})));
    EXPECT_EQ(jws.header, (Json{{"alg", "RS256"}, {"kid", "k"}, {"typ", "JWT"}}));
}

TEST(Jwt, PeeksAtTheIssuer) {
    EXPECT_EQ(MUST(peek_issuer(mint(good_claims()))), kIssuer);
    EXPECT_EQ(MUST(peek_issuer(vector_text("maa/cvm-snp-weu-2023-03.jwt"))),
              "https://sharedweu.weu.attest.azure.net");
    for (const std::string& token : {mint(without("iss")), mint(with("iss", 7)),
                                     std::string("a.b.c"), vector_text("maa/truncated-eus2.jwt")}) {
        auto issuer = peek_issuer(token);
        ASSERT_FALSE(issuer);
        EXPECT_EQ(issuer.error().code, Code::invalid);
    }
}

TEST(Jwt, NormalizesIssuers) {
    EXPECT_EQ(normalize_issuer("HTTPS://A.Example/X/"), "https://a.example/X");
}

// expect_no_free_bits flips every `stride`-th bit of a valid token.
void expect_no_free_bits(const std::string& token, const JwkSet& set, const JwtRules& when,
                         size_t stride) {
    ASSERT_EQ(verdict(token, set, when), "ok");
    auto refused = [&](const Bytes& changed) {
        Checks checks;
        return !verify_jwt(as_text(changed), set, when, checks);
    };
    EXPECT_THAT(vouchsafe::testing::free_bits(to_bytes(token), {stride}, refused),
                ::testing::IsEmpty());
}

TEST(JwtMutation, NoBitOfAnEs256TokenIsFree) {
    JwtRules es256 = rules();
    es256.algorithms = {SigAlg::es256};
    const crypto::PrivateKey& key = ec_key(crypto::Curve::p256);
    std::string token = MUST(mint_jwt({{"kid", "k"}}, good_claims(), key, SigAlg::es256));
    expect_no_free_bits(token, one_key(key, {{"kid", "k"}}), es256, 1);
}

TEST(JwtMutation, NoBitOfAnRs256TokenIsFree) {
    expect_no_free_bits(mint(good_claims()), keys(), rules(), 1);
}

TEST(JwtMutation, NoBitOfARealTokenIsFree) {
    JwtRules real;
    real.issuers = {"https://sharedweu.weu.attest.azure.net"};
    real.now = from_unix(1680180000);
    expect_no_free_bits(vector_text("maa/cvm-snp-weu-2023-03.jwt"),
                        MUST(JwkSet::parse(vector_json("maa/sharedweu.jwks.json"))), real, 97);
}

}  // namespace
}  // namespace vouchsafe::jose
