#include "vouchsafe/jose/signing_key.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::jose {
namespace {

const Time kNow = *parse_rfc3339("2026-07-01T00:00:00Z");

const SigningKey& test_key() {
    static const SigningKey key =
        MUST(SigningKey::generate("https://as.example", kNow, Seconds{86400}));
    return key;
}

crypto::RootKey root_key(uint8_t fill) {
    return MUST(crypto::RootKey::from_bytes(Bytes(32, fill)));
}

TEST(SigningKey, HasASelfSignedCertificateForItsName) {
    const crypto::Certificate& certificate = test_key().certificate();
    EXPECT_EQ(certificate.subject_common_name(), "https://as.example");
    EXPECT_EQ(certificate.issuer_common_name(), "https://as.example");
    EXPECT_TRUE(certificate.verify_signed_by(certificate));
    EXPECT_TRUE(certificate.valid_at(kNow));
    EXPECT_FALSE(certificate.valid_at(kNow + Seconds{86401}));
    EXPECT_EQ(test_key().key().bits(), 2048u);
}

TEST(SigningKey, RefusesNamesThatDoNotFitACertificate) {
    EXPECT_EQ(SigningKey::generate("", kNow, Seconds{1}).error().code, Code::invalid);
    EXPECT_EQ(SigningKey::generate(std::string(65, 'a'), kNow, Seconds{1}).error().code,
              Code::invalid);
}

TEST(SigningKey, LivesOnInItsRecord) {
    Bytes record = test_key().to_record(root_key(1), "here");
    SigningKey loaded = MUST(SigningKey::from_record(record, root_key(1), "here"));
    EXPECT_EQ(loaded.certificate().der(), test_key().certificate().der());
    EXPECT_TRUE(loaded.key().public_key() == test_key().key().public_key());
}

TEST(SigningKey, RecordHoldsNoPlainPrivateKey) {
    std::string record = to_text(test_key().to_record(root_key(1), "here"));
    SecretBytes pkcs8 = test_key().key().to_pkcs8();
    EXPECT_EQ(record.find(encode_base64(pkcs8.expose()).substr(800, 40)), std::string::npos);
}

TEST(SigningKey, RefusesARecordOfAnotherPlaceRootOrCertificate) {
    Bytes record = test_key().to_record(root_key(1), "here");
    EXPECT_EQ(SigningKey::from_record(record, root_key(2), "here").error().code,
              Code::bad_evidence);
    EXPECT_EQ(SigningKey::from_record(record, root_key(1), "there").error().code,
              Code::bad_evidence);
    EXPECT_EQ(SigningKey::from_record(as_bytes("{}"), root_key(1), "here").error().code,
              Code::invalid);

    SigningKey other = MUST(SigningKey::generate("https://other.example", kNow, Seconds{86400}));
    Json mixed = MUST(parse_json(as_text(record)));
    mixed["certificate"] = encode_base64(other.certificate().der());
    EXPECT_EQ(SigningKey::from_record(as_bytes(dump_json(mixed)), root_key(1), "here").error().code,
              Code::bad_evidence);
}

TEST(SigningKey, IsOfTheKindThatItsAlgorithmNeeds) {
    for (crypto::SigAlg alg : kSigningAlgorithms) {
        SigningKey key =
            MUST(SigningKey::generate("https://as.example", kNow, Seconds{86400}, alg));
        EXPECT_EQ(key.alg(), alg);
        bool ec = alg == crypto::SigAlg::es256;
        EXPECT_EQ(key.key().type(), ec ? crypto::KeyType::ec : crypto::KeyType::rsa);
        EXPECT_TRUE(key.certificate().verify_signed_by(key.certificate()));
        EXPECT_EQ(key.certificate().signature_is_pss_sha384(), alg == crypto::SigAlg::ps256);
        Json jwk = key.jwk("k");
        EXPECT_EQ(jwk["alg"], crypto::sig_alg_name(alg));
        EXPECT_EQ(jwk["kty"], ec ? "EC" : "RSA");
        EXPECT_EQ(jwk.contains("crv"), ec);
        EXPECT_EQ(jwk, MUST(key_entry(key.certificate(), alg, "k")));
        EXPECT_TRUE(MUST(parse_jwk(jwk)) == key.key().public_key());

        Bytes record = key.to_record(root_key(1), "here");
        SigningKey again = MUST(SigningKey::from_record(record, root_key(1), "here"));
        EXPECT_EQ(again.alg(), alg);
        EXPECT_EQ(again.jwk("k"), jwk);
    }
    for (crypto::SigAlg other : {crypto::SigAlg::rs512, crypto::SigAlg::es384}) {
        EXPECT_EQ(SigningKey::generate("a", kNow, Seconds{1}, other).error().code,
                  Code::unsupported);
    }
}

TEST(SigningKey, RefusesARecordWhoseAlgorithmIsNotItsKeys) {
    SigningKey ec = MUST(
        SigningKey::generate("https://as.example", kNow, Seconds{86400}, crypto::SigAlg::es256));
    auto code_with = [](const SigningKey& key, const Json& alg) {
        Json record = MUST(parse_json(as_text(key.to_record(root_key(1), "here"))));
        record["alg"] = alg;
        auto read = SigningKey::from_record(as_bytes(dump_json(record)), root_key(1), "here");
        return read ? std::nullopt : std::optional(read.error().code);
    };
    EXPECT_EQ(code_with(ec, "ES256"), std::nullopt);
    EXPECT_EQ(code_with(ec, "RS256"), Code::bad_evidence);
    EXPECT_EQ(code_with(ec, "PS256"), Code::bad_evidence);
    EXPECT_EQ(code_with(test_key(), "PS256"), std::nullopt);
    EXPECT_EQ(code_with(test_key(), "ES256"), Code::bad_evidence);
    for (const char* other : {"none", "HS256", "RS512", "rs256", ""}) {
        EXPECT_EQ(code_with(test_key(), other), Code::unsupported) << other;
    }
    EXPECT_EQ(code_with(test_key(), 7), Code::invalid);
}

TEST(SigningKey, JwkParsesBackByNumbersAndByCertificate) {
    Json jwk = test_key().jwk("k1");
    EXPECT_EQ(jwk["kid"], "k1");
    EXPECT_EQ(jwk["alg"], "RS256");
    EXPECT_EQ(jwk["use"], "sig");
    EXPECT_TRUE(MUST(parse_jwk(jwk)) == test_key().key().public_key());
    Json only_certificate = {{"kty", "RSA"}, {"x5c", jwk["x5c"]}};
    EXPECT_TRUE(MUST(parse_jwk(only_certificate)) == test_key().key().public_key());
    EXPECT_EQ(jwk["x5t"], encode_base64url(test_key().certificate().sha1_fingerprint()));
}

}  // namespace
}  // namespace vouchsafe::jose
