// What changes policies is signed in several ways.
#include "vouchsafe/attest/policy/signed_document.h"

#include <gmock/gmock.h>

#include "vouchsafe/attest/policy/test_signer.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr const char* kPolicyToSign = "version= 1.0; authorizationrules { => permit(); };";

TEST(SignedDocument, HasASignatureThatHoldsOrNone) {
    std::string good = first().policy(kPolicyToSign);
    EXPECT_TRUE(SignedDocument::parse(good));
    EXPECT_TRUE(SignedDocument::parse(" \"" + good + "\"\n"));
    EXPECT_TRUE(SignedDocument::parse(R"({"policyCertificateToAdd":")" + good + "\"}"));
    auto message = [](const std::string& body) {
        auto parsed = SignedDocument::parse(body);
        return parsed ? "accepted" : parsed.error().message;
    };
    std::string other = second().policy(kPolicyToSign);
    std::string swapped = good.substr(0, good.rfind('.')) + other.substr(other.rfind('.'));
    EXPECT_THAT(message(swapped), ::testing::HasSubstr("does not hold"));
    std::string none = unsigned_policy(kPolicyToSign);
    EXPECT_THAT(message(none + "AAAA"), ::testing::HasSubstr("alg is none"));
    std::string by_jwk = MUST(jose::sign_jws({{"jwk", jose::encode_jwk(first().key.public_key())}},
                                             as_bytes("{}"), first().key, crypto::SigAlg::rs256));
    EXPECT_THAT(message(by_jwk), ::testing::HasSubstr("x5c"));
    EXPECT_THAT(message(std::string(kMaxPolicyDocument + 1, 'a')), ::testing::HasSubstr("longer"));
    EXPECT_NE(message("{\"a\":\"b\",\"c\":\"d\"}"), "accepted");
    EXPECT_NE(message("[]"), "accepted");
}

// as_python signs as Azure's Python client does.
std::string as_python(const Json& jwk, const char* alg = "RSA256") {
    Json payload = {{"AttestationPolicy", encode_base64url(as_bytes(kPolicyToSign))}};
    std::string signed_part = encode_base64url(as_bytes(dump_json({{"alg", alg}, {"jwk", jwk}}))) +
                              "." + encode_base64url(as_bytes(dump_json(payload)));
    Bytes signature = MUST(first().key.sign(crypto::SigAlg::rs256, as_bytes(signed_part)));
    return signed_part + "." + encode_base64url(signature);
}

TEST(SignedDocument, IsReadAsAzuresPythonClientWritesIt) {
    SignedDocument document = MUST(SignedDocument::parse(as_python({{"x5c", first().x5c()}})));
    EXPECT_EQ(document.alg, "RS256");
    EXPECT_EQ(document.signer()["x5c"], first().x5c());
    EXPECT_EQ(MUST(policy_text(document)), kPolicyToSign);
    auto refused = [](const std::string& jws) { return !SignedDocument::parse(jws).has_value(); };
    EXPECT_TRUE(refused(as_python({{"x5c", second().x5c()}})));  // another's certificate
    EXPECT_TRUE(refused(as_python({{"x5c", first().x5c()}}, "RSA384")));
    EXPECT_TRUE(refused(as_python({{"x5c", first().x5c()}}, "ECDH256")));
    EXPECT_TRUE(refused(as_python({{"x5c", Json::array()}})));
    EXPECT_TRUE(refused(as_python(Json::array({first().x5c()}))));
    EXPECT_TRUE(refused(as_python(first().x5c()[0])));
    std::string both = MUST(jose::sign_jws({{"x5c", second().x5c()}, {"jwk", first().jwk()}},
                                           as_bytes("{}"), first().key, crypto::SigAlg::rs256));
    EXPECT_TRUE(refused(both));  // x5c goes before
}

TEST(SignedDocument, IsMadeByTheKeyOfItsCertificate) {
    auto made = MUST(sign_document(as_bytes("{}"), first().key, {first().certificate}));
    SignedDocument document = MUST(SignedDocument::parse(made));
    EXPECT_EQ(document.alg, "RS256");
    EXPECT_EQ(document.chain.front().der(), first().certificate.der());
    EXPECT_FALSE(sign_document(as_bytes("{}"), second().key, {first().certificate}));
    EXPECT_FALSE(sign_document(as_bytes("{}"), first().key, {}));
    EXPECT_FALSE(sign_document(as_bytes("{}"), first().key,
                               std::vector(kMaxSignerChain + 1, first().certificate)));
    for (auto [curve, name] :
         {std::pair{crypto::Curve::p256, "ES256"}, std::pair{crypto::Curve::p384, "ES384"},
          std::pair{crypto::Curve::p521, "ES512"}}) {
        auto key = MUST(crypto::PrivateKey::generate_ec(curve));
        auto certificate =
            MUST(crypto::issue_certificate(certificate_spec("ec", false), key.public_key(), nullptr,
                                           key, CertSignature::ecdsa_sha384));
        auto jws = MUST(sign_document(as_bytes("{}"), key, {certificate}));
        EXPECT_EQ(MUST(SignedDocument::parse(jws)).alg, name);
    }
}

}  // namespace
}  // namespace vouchsafe::attest
