#include "vouchsafe/guest/release_answer.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::guest {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;

constexpr std::string_view kHost = "my-vault.vault.azure.net";
constexpr std::string_view kKid =
    "https://my-vault.vault.azure.net/keys/KEK/00112233445566778899aabbccddeeff";
const Time kNow = from_unix(1767225600);

crypto::CertificateSpec spec(const std::string& name, bool ca) {
    crypto::CertificateSpec out;
    out.subject = {{"CN", name}};
    out.not_before = kNow - Seconds{3600};
    out.not_after = kNow + Seconds{3600};
    out.ca = ca;
    if (!ca) out.dns_names = {"vault.azure.net", "*.vault.azure.net"};
    return out;
}

// Signer is a vault's: a root and a leaf below it. Made once: RSA keys are slow to find.
struct Signer {
    PrivateKey root_key = *PrivateKey::generate_rsa(2048);
    PrivateKey leaf_key = *PrivateKey::generate_rsa(2048);
    Certificate root =
        *crypto::issue_certificate(spec("root", true), root_key.public_key(), nullptr, root_key,
                                   crypto::CertSignature::rsa_pkcs1_sha256);
    Certificate leaf =
        *crypto::issue_certificate(spec("leaf", false), leaf_key.public_key(), &root, root_key,
                                   crypto::CertSignature::rsa_pkcs1_sha256);
};
const Signer& signer() {
    static const Signer made;
    return made;
}

Json payload() {
    Json key = jose::encode_jwk(signer().leaf_key.public_key());
    key["kid"] = kKid;
    Json hsm{
        {"schema_version", "1.0"},
        {"header",
         {{"kid", "TpmEphemeralEncryptionKey"}, {"alg", "dir"}, {"enc", "RSA_AES_KEY_WRAP_256"}}},
        {"ciphertext", encode_base64url(Bytes(300, 7))}};
    key["key_hsm"] = encode_base64url(as_bytes(dump_json(hsm)));
    return {
        {"request",
         {{"api-version", "7.4"}, {"enc", "RSA_AES_KEY_WRAP_256"}, {"kid", kKid}, {"nonce", "n"}}},
        {"response", {{"key", {{"key", key}, {"attributes", Json::object()}}}}}};
}

Json header(const std::vector<Certificate>& chain) {
    Json x5c = Json::array();
    for (const Certificate& cert : chain) x5c.push_back(encode_base64(cert.der()));
    return {{"typ", "JWT"}, {"x5c", x5c}};
}

std::string answer(const Json& body, const std::vector<Certificate>& chain, const PrivateKey& key) {
    return *jose::sign_jws(header(chain), as_bytes(dump_json(body)), key, crypto::SigAlg::rs256);
}
std::string answer(const Json& body) {
    return answer(body, {signer().leaf, signer().root}, signer().leaf_key);
}

ReleaseExpectation expectation() {
    return {std::string(kKid), "n", std::string(kHost), {signer().root}, kNow};
}

std::string refusal(const std::string& jws, const ReleaseExpectation& expected) {
    Checks checks;
    auto result = verify_release(jws, expected, checks);
    if (result) return "accepted";
    return result.error().reason() != nullptr ? result.error().reason()->code
                                              : result.error().message;
}

TEST(VerifyRelease, AcceptsAGenuineAnswer) {
    Checks checks;
    auto release = verify_release(answer(payload()), expectation(), checks);
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ(release->kid(), kKid);
    EXPECT_EQ(release->enc(), "RSA_AES_KEY_WRAP_256");
    EXPECT_EQ(release->ciphertext(), Bytes(300, 7));
}

TEST(VerifyRelease, AcceptsAKeyAskedForWithoutVersion) {
    ReleaseExpectation expected = expectation();
    expected.kid = "https://my-vault.vault.azure.net/keys/KEK";
    EXPECT_EQ(refusal(answer(payload()), expected), "accepted");
    expected.kid = "https://my-vault.vault.azure.net/keys/KE";
    EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-KEY-ID");
}

TEST(VerifyRelease, RefusesAnotherKeyNonceOrHost) {
    ReleaseExpectation expected = expectation();
    expected.kid.back() = '0';
    EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-KEY-ID");
    expected = expectation();
    expected.nonce = "m";
    EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-NONCE");
    for (const char* host : {"vault.azure.net.example.org", "a.b.vault.azure.net", "example.org"}) {
        expected = expectation();
        expected.host = host;
        EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-NAME") << host;
    }
}

TEST(VerifyRelease, RefusesAnUntrustedOrBrokenChain) {
    Signer other;
    ReleaseExpectation expected = expectation();
    expected.trusted = {other.root};
    EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-CHAIN");
    // A self-made leaf before the genuine root.
    EXPECT_EQ(
        refusal(answer(payload(), {other.leaf, signer().root}, other.leaf_key), expectation()),
        "RELEASE-CHAIN");
    // A self-made leaf before the whole genuine chain.
    EXPECT_EQ(refusal(answer(payload(), {other.leaf, signer().leaf, signer().root}, other.leaf_key),
                      expectation()),
              "RELEASE-CHAIN");
    // The leaf alone is no root.
    EXPECT_EQ(refusal(answer(payload(), {signer().leaf}, signer().leaf_key), expectation()),
              "RELEASE-CHAIN");
    expected = expectation();
    expected.now = kNow + Seconds{7200};
    EXPECT_EQ(refusal(answer(payload()), expected), "RELEASE-CHAIN");
}

TEST(VerifyRelease, RefusesASignatureOfAnotherKeyAndNone) {
    Signer other;
    EXPECT_EQ(
        refusal(answer(payload(), {signer().leaf, signer().root}, other.leaf_key), expectation()),
        "RELEASE-SIGNATURE");
    Json none = header({signer().leaf, signer().root});
    none["alg"] = "none";
    std::string jws = encode_base64url(as_bytes(dump_json(none))) + "." +
                      encode_base64url(as_bytes(dump_json(payload()))) + ".";
    EXPECT_EQ(refusal(jws, expectation()), "RELEASE-SIGNATURE");
}

TEST(VerifyRelease, RefusesPayloadsThatLackSomething) {
    for (const char* pointer :
         {"/request", "/response", "/response/key/key/key_hsm", "/response/key/key/kid"}) {
        Json body = payload();
        Json::json_pointer path(pointer);
        body[path.parent_pointer()].erase(path.back());
        EXPECT_EQ(refusal(answer(body), expectation()), "RELEASE-FORMAT") << pointer;
    }
    EXPECT_EQ(refusal("", expectation()), "RELEASE-FORMAT");
    EXPECT_EQ(refusal("a.b.c", expectation()), "RELEASE-FORMAT");
}

class RecordedRelease : public testing::TestWithParam<std::pair<const char*, const char*>> {
  protected:
    static std::string read(const std::string& name) {
        std::string text = *read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/skr" / name);
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
        return text;
    }
};

// The genuine answer of Azure's vault verifies at its time, with the root that it brings; each
// changed one is refused.
TEST_P(RecordedRelease, HasItsVerdict) {
    auto genuine = jose::parse_jws(read("release-ec-hsm-2022-05.jws"));
    ASSERT_TRUE(genuine);
    std::string root = genuine->header["x5c"].back().get<std::string>();
    ReleaseExpectation expected;
    expected.trusted = {*Certificate::parse_der(*decode_base64(root))};
    expected.now = *parse_rfc3339("2022-06-01");
    Json body = *parse_json(as_text(genuine->payload));
    expected.kid = body["response"]["key"]["key"]["kid"].get<std::string>();
    expected.host = "gearamakv1.vault.azure.net";
    expected.nonce = body["request"].value("nonce", "");
    EXPECT_EQ(refusal(read(GetParam().first), expected), GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(
    Azure, RecordedRelease,
    testing::Values(
        std::pair{"release-ec-hsm-2022-05.jws", "accepted"},
        std::pair{"derived/release-ec-hsm-2022-05-payload-changed.jws", "RELEASE-SIGNATURE"},
        std::pair{"derived/release-ec-hsm-2022-05-policy-changed.jws", "RELEASE-SIGNATURE"},
        std::pair{"derived/release-ec-hsm-2022-05-self-signed.jws", "RELEASE-CHAIN"},
        std::pair{"derived/release-ec-hsm-2022-05-leaf-prepended.jws", "RELEASE-CHAIN"},
        std::pair{"derived/release-ec-hsm-2022-05-alg-none.jws", "RELEASE-FORMAT"}));

}  // namespace
}  // namespace vouchsafe::guest
