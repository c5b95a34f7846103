#include "vouchsafe/jose/jwk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

using ::testing::HasSubstr;

Json rsa_jwk() {
    return encode_jwk(rsa_key().public_key());
}
Json ec_jwk(crypto::Curve curve = crypto::Curve::p256) {
    return encode_jwk(ec_key(curve).public_key());
}

Json with(Json jwk, std::string_view name, Json value) {
    jwk[name] = std::move(value);
    return jwk;
}
Json without(Json jwk, std::string_view name) {
    jwk.erase(name);
    return jwk;
}

TEST(Jwk, RoundTripsKeysOfEveryType) {
    EXPECT_TRUE(MUST(parse_jwk(rsa_jwk())) == rsa_key().public_key());
    for (auto curve : {crypto::Curve::p256, crypto::Curve::p384, crypto::Curve::p521}) {
        EXPECT_TRUE(MUST(parse_jwk(ec_jwk(curve))) == ec_key(curve).public_key());
    }
    EXPECT_EQ(rsa_jwk()["e"], "AQAB");
    EXPECT_EQ(ec_jwk(crypto::Curve::p521)["crv"], "P-521");
    EXPECT_EQ(ec_jwk(crypto::Curve::p521)["x"].get<std::string>().size(), 88U);  // 66 bytes
}

TEST(Jwk, HasTheThumbprintOfRfc7638) {
    Json jwk = {
        {"kty", "RSA"},
        {"n",
         "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
         "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW"
         "2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQ"
         "Fh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
        {"e", "AQAB"},
        {"alg", "RS256"},
        {"kid", "2011-04-29"}};
    EXPECT_EQ(encode_base64url(thumbprint(MUST(parse_jwk(jwk)))),
              "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(Jwk, AcceptsWhatAzureWrites) {
    // Vault keys: e with a leading zero, kinds ending in -HSM, private members never.
    EXPECT_TRUE(MUST(parse_jwk(with(rsa_jwk(), "e", "AAEAAQ"))) == rsa_key().public_key());
    EXPECT_TRUE(MUST(parse_jwk(with(rsa_jwk(), "kty", "RSA-HSM"))) == rsa_key().public_key());
    EXPECT_TRUE(MUST(parse_jwk(with(ec_jwk(), "kty", "EC-HSM"))) ==
                ec_key(crypto::Curve::p256).public_key());
    crypto::RsaPublicParts parts = MUST(rsa_key().public_key().rsa());
    EXPECT_TRUE(MUST(parse_jwk(with(rsa_jwk(), "n", encode_base64(parts.modulus)))) ==
                rsa_key().public_key());
    parts.modulus.insert(parts.modulus.begin(), 0);
    EXPECT_TRUE(MUST(parse_jwk(with(rsa_jwk(), "n", encode_base64url(parts.modulus)))) ==
                rsa_key().public_key());
    EXPECT_TRUE(parse_jwk(with(rsa_jwk(), "d", "not looked at")));
}

TEST(Jwk, RefusesWhatIsMalformed) {
    for (const Json& jwk : {Json("x"),
                            Json::array(),
                            Json::object(),
                            without(rsa_jwk(), "kty"),
                            without(rsa_jwk(), "n"),
                            without(rsa_jwk(), "e"),
                            with(rsa_jwk(), "n", 7),
                            with(rsa_jwk(), "n", ""),
                            with(rsa_jwk(), "n", "!!!!"),
                            with(rsa_jwk(), "e", "AAAA"),
                            with(rsa_jwk(), "e", "AQ"),
                            with(rsa_jwk(), "e", "AQAC"),
                            without(ec_jwk(), "crv"),
                            without(ec_jwk(), "x"),
                            without(ec_jwk(), "y"),
                            with(ec_jwk(), "x", ec_jwk()["y"]),
                            with(ec_jwk(), "crv", "P-384"),
                            with(ec_jwk(), "x", "AA"),
                            with(rsa_jwk(), "kty", "EC"),
                            with(ec_jwk(), "kty", "RSA")}) {
        auto key = parse_jwk(jwk);
        ASSERT_FALSE(key) << jwk;
        EXPECT_EQ(key.error().code, Code::invalid) << jwk << key.error().message;
    }
}

TEST(Jwk, RefusesOtherKindsAndCurvesAsUnsupported) {
    for (const Json& jwk : {with(rsa_jwk(), "kty", "oct"), with(rsa_jwk(), "kty", "OKP"),
                            with(rsa_jwk(), "kty", "rsa"), with(ec_jwk(), "crv", "P-192"),
                            with(ec_jwk(), "crv", "secp256k1")}) {
        auto key = parse_jwk(jwk);
        ASSERT_FALSE(key) << jwk;
        EXPECT_EQ(key.error().code, Code::unsupported) << jwk;
    }
}

TEST(Jwk, ReadsAzuresNameOfSecp256k1) {
    const auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256k)).public_key();
    const Json jwk = encode_jwk(key);
    EXPECT_EQ(jwk["crv"], "P-256K");
    EXPECT_EQ(MUST(parse_jwk(jwk)), key);
    // The point is on no other curve.
    EXPECT_FALSE(parse_jwk(with(jwk, "crv", "P-256")));
    EXPECT_FALSE(parse_jwk(with(ec_jwk(), "crv", "P-256K")));
}

TEST(Jwk, ReadsRealEntriesThatHaveOnlyACertificate) {
    Json keys = vector_json("maa/sharedwus-2022-06.jwks.json");
    for (const Json& jwk : keys["keys"]) {
        ASSERT_EQ(jwk.find("n"), jwk.end());
        auto key = parse_jwk(jwk);
        ASSERT_TRUE(key) << key.error().message;
        EXPECT_EQ(key->bits(), 2048U);
    }
}

TEST(Jwk, RefusesACertificateOfAnotherKeyThanTheOneBesideIt) {
    Json real = vector_json("maa/sharedwus-2022-06.jwks.json")["keys"][0];
    crypto::PublicKey key = MUST(parse_jwk(real));
    Json both = encode_jwk(key);
    both["x5c"] = real["x5c"];
    EXPECT_TRUE(parse_jwk(both));
    EXPECT_THAT(parse_jwk(with(rsa_jwk(), "x5c", real["x5c"])).error().message,
                HasSubstr("the key in x5c is another"));
    EXPECT_FALSE(parse_jwk(with(ec_jwk(), "x5c", real["x5c"])));
    EXPECT_FALSE(parse_jwk(with(real, "kty", "EC")));
    for (const Json& chain : {Json::array(), Json::array({7}), Json("x"), Json::array({""}),
                              Json::array({"AAAA"}), Json::array({"not base64"})}) {
        EXPECT_FALSE(parse_jwk(with(real, "x5c", chain))) << chain;
    }
}

TEST(JwkSet, FindsKeysByTheTextOfTheirKid) {
    JwkSet keys = MUST(JwkSet::parse(vector_json("maa/sharedwus-2022-06.jwks.json")));
    EXPECT_EQ(keys.entries().size(), 3U);
    EXPECT_NE(keys.find("XxRc2vLh1E5FrsNawnRH3PzuFgqg3q7NvCdnjoJHBGE="), nullptr);
    EXPECT_EQ(keys.find("XxRc2vLh1E5FrsNawnRH3PzuFgqg3q7NvCdnjoJHBGE"), nullptr);
    EXPECT_EQ(keys.find("xxrc2vlh1e5frsnawnrh3pzufgqg3q7nvcdnjojhbge="), nullptr);
    EXPECT_EQ(keys.find(""), nullptr);  // of three keys, none is the only one
    JwkSet one = one_key(rsa_key(), {{"kid", "a"}});
    EXPECT_NE(one.find(""), nullptr);
    EXPECT_EQ(one.find("b"), nullptr);
    EXPECT_EQ(JwkSet().find(""), nullptr);
}

TEST(JwkSet, SkipsWhatItCannotReadAndKeepsTheRest) {
    Json keys = Json::array({7,
                             nullptr,
                             Json::object(),
                             {{"kty", "oct"}, {"k", "AA"}},
                             with(rsa_jwk(), "kid", "good"),
                             with(ec_jwk(), "kid", 7)});
    JwkSet set = MUST(JwkSet::parse({{"keys", keys}}));
    ASSERT_EQ(set.entries().size(), 2U);
    EXPECT_NE(set.find("good"), nullptr);
    EXPECT_EQ(set.entries()[1].kid, "");
    for (const Json& bad : {Json::array(), Json::object(), Json{{"keys", Json::object()}}}) {
        EXPECT_FALSE(JwkSet::parse(bad)) << bad;
    }
}

TEST(JwkSet, KeepsAtMost64Keys) {
    Json keys = Json::array();
    for (int i = 0; i < 70; ++i) keys.push_back(with(ec_jwk(), "kid", fmt::format("k{}", i)));
    EXPECT_EQ(MUST(JwkSet::parse({{"keys", keys}})).entries().size(), 64U);
}

TEST(JwkSet, RefusesOneKidForTwoKeysButNotTheSameKeyTwice) {
    Json first = with(rsa_jwk(), "kid", "a");
    EXPECT_TRUE(JwkSet::parse({{"keys", {first, first}}}));
    auto ambiguous = JwkSet::parse({{"keys", {first, with(ec_jwk(), "kid", "a")}}});
    ASSERT_FALSE(ambiguous);
    EXPECT_THAT(ambiguous.error().message, HasSubstr("two keys with the kid \"a\""));
}

TEST(JwkSet, DoesNotVerifyWithKeysThatAreForSomethingElse) {
    auto found = [](const Json& more) { return one_key(rsa_key(), more).find("") != nullptr; };
    EXPECT_TRUE(found(Json::object()));
    EXPECT_TRUE(found({{"use", "sig"}}));
    EXPECT_TRUE(found({{"key_ops", {"verify"}}}));
    EXPECT_FALSE(found({{"use", "enc"}}));
    EXPECT_FALSE(found({{"use", 7}}));
    EXPECT_FALSE(found({{"key_ops", {"encrypt"}}}));
    EXPECT_FALSE(found({{"use", "sig"}, {"key_ops", {"encrypt"}}}));
    EXPECT_FALSE(found({{"key_ops", "verify"}}));
}

TEST(JwkSet, ReadsOldWeakKeys) {
    JwkSet set = MUST(JwkSet::parse(vector_json("jose/rsa1024.jwks.json")));
    ASSERT_NE(set.find("weak"), nullptr);
    EXPECT_EQ(set.find("weak")->bits(), 1024U);
}

}  // namespace
}  // namespace vouchsafe::jose
