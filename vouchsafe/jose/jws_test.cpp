#include "vouchsafe/jose/jws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

using crypto::SigAlg;
using ::testing::HasSubstr;

struct AlgKey {
    SigAlg alg;
    const crypto::PrivateKey& key;
};
std::vector<AlgKey> every_alg() {
    return {{SigAlg::rs256, rsa_key()},
            {SigAlg::rs384, rsa_key()},
            {SigAlg::rs512, rsa_key()},
            {SigAlg::ps256, rsa_key()},
            {SigAlg::ps384, rsa_key()},
            {SigAlg::ps512, rsa_key()},
            {SigAlg::es256, ec_key(crypto::Curve::p256)},
            {SigAlg::es384, ec_key(crypto::Curve::p384)},
            {SigAlg::es512, ec_key(crypto::Curve::p521)}};
}

// compact puts a JWS together without any check.
std::string compact(std::string_view header, std::string_view payload, ByteView signature) {
    return encode_base64url(as_bytes(header)) + "." + encode_base64url(as_bytes(payload)) + "." +
           encode_base64url(signature);
}

bool parses(std::string_view header) {
    auto jws = parse_jws(compact(header, "{}", Bytes(256, 1)));
    EXPECT_TRUE(jws || jws.error().code == Code::invalid);
    return jws.has_value();
}

TEST(Jws, VerifiesTheExamplesOfRfc7515) {
    Json examples = vector_json("jose/rfc7515.json");
    for (std::string_view name : {"A.2", "A.3", "A.4"}) {
        const Json& example = examples[name];
        Jws jws = MUST(parse_jws(example["jws"].get<std::string>()));
        EXPECT_EQ(jws.alg, example["alg"]);
        auto verified = verify_jws(jws, MUST(parse_jwk(example["jwk"])));
        EXPECT_TRUE(verified) << name << ": " << verified.error().message;
    }
    EXPECT_EQ(as_text(MUST(parse_jws(examples["A.4"]["jws"].get<std::string>())).payload),
              "Payload");
}

TEST(Jws, NeverVerifiesHmacAndNone) {
    Json examples = vector_json("jose/rfc7515.json");
    for (std::string_view name : {"A.1", "A.5"}) {
        Jws jws = MUST(parse_jws(examples[name]["jws"].get<std::string>()));
        auto verified = verify_jws(jws, rsa_key().public_key());
        ASSERT_FALSE(verified);
        EXPECT_EQ(verified.error().code, Code::bad_evidence);
    }
}

TEST(Jws, RoundTripsEveryAlgorithmWithItsOwnKeyOnly) {
    const std::string payload("\0 binary \xff", 10);
    for (const AlgKey& signer : every_alg()) {
        std::string text =
            MUST(sign_jws({{"kid", "k/1+="}}, as_bytes(payload), signer.key, signer.alg));
        Jws jws = MUST(parse_jws(text));
        EXPECT_EQ(jws.alg, crypto::sig_alg_name(signer.alg));
        EXPECT_EQ(jws.kid, "k/1+=");
        EXPECT_EQ(as_text(jws.payload), payload);
        for (const AlgKey& other : every_alg()) {
            bool same = &other.key == &signer.key;
            EXPECT_EQ(verify_jws(jws, other.key.public_key()).has_value(), same) << jws.alg;
            // The same signature under another algorithm's name.
            Jws renamed = jws;
            renamed.alg = crypto::sig_alg_name(other.alg);
            EXPECT_EQ(verify_jws(renamed, signer.key.public_key()).has_value(),
                      other.alg == signer.alg)
                << jws.alg << " as " << renamed.alg;
        }
    }
}

TEST(Jws, RefusesToSignWithAnAlgorithmThatDoesNotFit) {
    EXPECT_FALSE(sign_jws({}, as_bytes("x"), rsa_key(), SigAlg::es256));
    EXPECT_FALSE(sign_jws({}, as_bytes("x"), ec_key(crypto::Curve::p256), SigAlg::es384));
}

TEST(Jws, RefusesAlgorithmNamesInOtherCapitals) {
    for (std::string_view alg : {"rs256", "Rs256", "none", "None", "NONE", "nOnE", "", "HS256",
                                 "HS384", "HS512", "RS1", "EdDSA", "RS256 ", "RSNULL"}) {
        std::string text = MUST(sign_jws(Json::object(), as_bytes("x"), rsa_key(), SigAlg::rs256));
        Jws jws = MUST(parse_jws(text));
        jws.alg = alg;
        EXPECT_FALSE(verify_jws(jws, rsa_key().public_key())) << alg;
    }
}

TEST(Jws, RefusesKeysBelow2048Bits) {
    Jws jws = MUST(parse_jws(vector_text("jose/rsa1024.jwt")));
    crypto::PublicKey weak = MUST(parse_jwk(vector_json("jose/rsa1024.jwks.json")["keys"][0]));
    ASSERT_TRUE(weak.verify(SigAlg::rs256, as_bytes(jws.signing_input), jws.signature));
    auto verified = verify_jws(jws, weak);
    ASSERT_FALSE(verified);
    EXPECT_THAT(verified.error().message, HasSubstr("an RSA key of 1024 bits is too weak"));
}

TEST(Jws, RefusesOtherThanThreeParts) {
    std::string good = MUST(sign_jws(Json::object(), as_bytes("x"), rsa_key(), SigAlg::rs256));
    ASSERT_TRUE(parse_jws(good));
    for (const std::string& bad :
         {std::string(), std::string("."), std::string(".."), std::string("..."), good + ".",
          good + ".AAAA", "." + good, good.substr(0, good.rfind('.')),
          good.substr(0, good.find('.')), " " + good, good + " ", good + "\n", "Bearer " + good,
          "\"" + good + "\""}) {
        EXPECT_FALSE(parse_jws(bad)) << bad;
    }
}

TEST(Jws, RefusesPaddingAndTheStandardAlphabet) {
    // 0xfb 0xff 0xbf is "-_-_" in one alphabet and "+/+/" in the other.
    std::string header = encode_base64url(as_bytes(R"({"alg":"none"})"));
    EXPECT_TRUE(parse_jws(header + ".-_-_.-_-_"));
    EXPECT_FALSE(parse_jws(header + ".+/+/.-_-_"));
    EXPECT_FALSE(parse_jws(header + ".-_-_.+/+/"));
    EXPECT_TRUE(parse_jws(header + ".-_8.-_8"));
    EXPECT_FALSE(parse_jws(header + ".-_8=.-_8"));
    EXPECT_FALSE(parse_jws(header + ".-_8.-_8="));
    EXPECT_FALSE(parse_jws(header + ".-_9.-_8"));  // stray bits after the last byte
    EXPECT_FALSE(parse_jws(header + ".-_8.-_9"));
    EXPECT_FALSE(parse_jws(header + "=.-_8.-_8"));
    EXPECT_FALSE(parse_jws(header + ".A.-_8"));
}

TEST(Jws, RefusesHeadersThatAreNotPlain) {
    EXPECT_TRUE(parses(R"({"alg":"RS256","kid":"a","typ":"JWT","jku":"https://x","jwk":{}})"));
    EXPECT_TRUE(parses(R"({"alg":"RS256","b64":true})"));
    for (std::string_view header :
         {"", "{}", "[]", "null", "\"RS256\"", R"({"alg":7})", R"({"alg":null})",
          R"({"alg":["RS256"]})", R"({"Alg":"RS256"})", R"({"alg":"RS256","alg":"none"})",
          R"({"alg":"RS256","\u0061lg":"none"})", R"({"alg":"RS256","kid":7})",
          R"({"alg":"RS256","kid":null})", R"({"alg":"RS256","crit":[]})",
          R"({"alg":"RS256","crit":["exp"]})", R"({"alg":"RS256","b64":false})",
          R"({"alg":"RS256"} {})", R"({"alg":"RS256",})", "{\"alg\":\"RS256\",\"x\":\"\xff\"}"}) {
        EXPECT_FALSE(parses(header)) << header;
    }
    std::string deep =
        R"({"alg":"RS256","x":)" + std::string(100, '[') + std::string(100, ']') + "}";
    EXPECT_FALSE(parses(deep));
}

TEST(Jws, RefusesMoreThanItsLimit) {
    std::string text = MUST(sign_jws(Json::object(), Bytes(1000, 7), rsa_key(), SigAlg::rs256));
    EXPECT_TRUE(parse_jws(text, text.size()));
    EXPECT_FALSE(parse_jws(text, text.size() - 1));
    EXPECT_FALSE(parse_jws(std::string(kMaxJwsBytes + 1, 'A')));
}

TEST(Jws, VerifiesTheRealKeyReleaseAnswerAndNoChangedOne) {
    auto leaf_key = [](const Jws& jws) {
        std::string der = jws.header["x5c"][0].get<std::string>();
        return MUST(MUST(crypto::Certificate::parse_der(MUST(decode_base64(der)))).public_key());
    };
    Jws real = MUST(parse_jws(vector_text("skr/release-ec-hsm-2022-05.jws")));
    EXPECT_TRUE(verify_jws(real, leaf_key(real)));
    for (std::string_view name : {"payload-changed", "policy-changed", "alg-none"}) {
        Jws changed = MUST(
            parse_jws(vector_text(fmt::format("skr/derived/release-ec-hsm-2022-05-{}.jws", name))));
        EXPECT_FALSE(verify_jws(changed, leaf_key(real))) << name;
    }
    // These are right under the certificate they bring along: whoever relies on x5c checks its
    // chain. Under the real key they are not.
    for (std::string_view name : {"self-signed", "leaf-prepended"}) {
        Jws forged = MUST(
            parse_jws(vector_text(fmt::format("skr/derived/release-ec-hsm-2022-05-{}.jws", name))));
        EXPECT_TRUE(verify_jws(forged, leaf_key(forged))) << name;
        EXPECT_FALSE(verify_jws(forged, leaf_key(real))) << name;
    }
}

}  // namespace
}  // namespace vouchsafe::jose
