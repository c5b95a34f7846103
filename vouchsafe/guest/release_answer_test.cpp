#include "vouchsafe/guest/release_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/test_flips.h"
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
    out.server_auth = !ca;
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
const Signer& another_signer() {
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
    Bytes sha1 = chain.front().sha1_fingerprint();
    return {{"typ", "JWT"},
            {"x5c", x5c},
            {"kid", encode_hex(sha1)},
            {"x5t", encode_base64url(sha1)},
            {"x5t#S256", encode_base64url(chain.front().sha256_fingerprint())}};
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

std::string statement(const std::string& jws, const std::string& host = "",
                      std::vector<Certificate> trusted = {signer().root}) {
    Checks checks;
    auto result = verify_release_answer(jws, {host, std::move(trusted), kNow}, checks);
    if (result) return result->host();
    return result.error().reason() != nullptr
               ? result.error().reason()->code + " " + result.error().reason()->field
               : result.error().message;
}

std::string answer_with_header(const Json& with) {
    return *jose::sign_jws(with, as_bytes(dump_json(payload())), signer().leaf_key,
                           crypto::SigAlg::rs256);
}

TEST(VerifyReleaseAnswer, WithoutAHostTellsWhichVaultItWas) {
    EXPECT_EQ(statement(answer(payload())), kHost);
    EXPECT_EQ(statement(answer(payload()), std::string(kHost)), kHost);
    EXPECT_EQ(statement(answer(payload()), "MY-VAULT.vault.azure.net"), "MY-VAULT.vault.azure.net");
    // The certificate is good for this one too, but the key is not of it.
    EXPECT_EQ(statement(answer(payload()), "other.vault.azure.net"), "RELEASE-KEY-ID kid");
    EXPECT_EQ(statement(answer(payload()), "example.org"), "RELEASE-NAME x5c[0]");
    // Web roots vouch for any name: without --host it must be a vault's.
    for (const char* host : {"https://example.org", "https://vault.azure.net.example.org",
                             "https://myvault.azure.net", "http://my-vault.vault.azure.net"}) {
        Json body = payload();
        body["response"]["key"]["key"]["kid"] = std::string(host) + "/keys/KEK/00";
        body["request"]["kid"] = body["response"]["key"]["key"]["kid"];
        EXPECT_EQ(statement(answer(body)), "RELEASE-NAME x5c[0]") << host;
    }
}

TEST(VerifyReleaseAnswer, RefusesAKeyThatWasNotAskedFor) {
    Json body = payload();
    body["request"]["kid"] = "https://my-vault.vault.azure.net/keys/KEK";
    EXPECT_EQ(statement(answer(body)), kHost);
    body["request"]["kid"] = "https://my-vault.vault.azure.net/keys/OTHER";
    EXPECT_EQ(statement(answer(body)), "RELEASE-KEY-ID request.kid");
    body["request"].erase("kid");
    EXPECT_EQ(statement(answer(body)), "RELEASE-FORMAT payload");
}

TEST(VerifyReleaseAnswer, RefusesThumbprintsOfAnotherCertificate) {
    Json good = header({signer().leaf, signer().root});
    EXPECT_EQ(statement(answer_with_header(good)), kHost);
    for (const char* name : {"kid", "x5t", "x5t#S256"}) {
        Json bad = good;
        bad[name] = header({signer().root})[name];
        EXPECT_EQ(statement(answer_with_header(bad)), std::string("RELEASE-THUMBPRINT ") + name);
        bad.erase(name);
        EXPECT_EQ(statement(answer_with_header(bad)), std::string("RELEASE-THUMBPRINT ") + name);
    }
    std::string kid = good["kid"].get<std::string>();
    for (char& c : kid) c = static_cast<char>(std::toupper(c));  // as the vault writes it
    good["kid"] = kid;
    EXPECT_EQ(statement(answer_with_header(good)), kHost);
}

TEST(VerifyReleaseAnswer, RefusesACertificateThatIsForNoServer) {
    crypto::CertificateSpec other = spec("leaf", false);
    other.server_auth = false;
    other.extensions = {{"2.5.29.37", *decode_hex("300a06082b06010505070303")}};  // code signing
    Certificate leaf =
        *crypto::issue_certificate(other, signer().leaf_key.public_key(), &signer().root,
                                   signer().root_key, crypto::CertSignature::rsa_pkcs1_sha256);
    EXPECT_EQ(statement(answer(payload(), {leaf, signer().root}, signer().leaf_key)),
              "RELEASE-CHAIN x5c");
}

TEST(VerifyReleaseAnswer, BelievesNoRootThatIsNotBuiltIn) {
    EXPECT_EQ(azure_vault_roots().size(), 3U);
    EXPECT_EQ(statement(answer(payload()), "", azure_vault_roots()), "RELEASE-CHAIN x5c root");
}

TEST(ReadReleaseAnswer, TakesTheJwsOrTheWholeAnswer) {
    EXPECT_EQ(*read_release_answer("a.b.c"), "a.b.c");
    EXPECT_EQ(*read_release_answer(" a.b.c\r\n"), "a.b.c");
    EXPECT_EQ(*read_release_answer("{\"value\": \"a.b.c\"}\n"), "a.b.c");
    EXPECT_EQ(*read_release_answer(""), "");
    for (const char* bad : {"{}", "{\"value\": 1}", "{\"value\": \"a\"", "{"}) {
        auto read = read_release_answer(bad);
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().code, Code::invalid);
    }
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
    const Signer& other = another_signer();
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
    const Signer& other = another_signer();
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

std::string recorded(const std::string& name) {
    return *read_release_answer(*read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/skr" / name));
}

// What an independent checker says of each recorded answer, and what it is refused with here.
std::string expected_verdict(const std::string& name, const std::string& verdict) {
    if (verdict.starts_with("valid signature")) return "gearamakv1.vault.azure.net";
    if (verdict == "signature invalid") return "RELEASE-SIGNATURE signature";
    if (verdict.starts_with("no x5c / alg none")) return "RELEASE-FORMAT value";
    if (verdict.ends_with("wrong chain")) {
        // Both were signed anew by a self-made key; one has no other certificate than its own.
        return name.ends_with("self-signed.jws") ? "RELEASE-CHAIN x5c root"
                                                 : "RELEASE-CHAIN x5c[0]";
    }
    return "unknown verdict";
}

Result<VerifiedReleaseAnswer> verify_recorded(const std::string& jws, const char* time,
                                              Checks& checks) {
    return verify_release_answer(jws, {"", azure_vault_roots(), *parse_rfc3339(time)}, checks);
}

TEST(RecordedRelease, HasItsVerdict) {
    Json facts =
        *parse_json_object(*read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/skr/facts.json"));
    size_t judged = 0;
    for (const auto& [name, row] : facts.items()) {
        if (!name.ends_with(".jws")) continue;
        Checks checks;
        auto result = verify_recorded(recorded(name), "2022-06-01", checks);
        const Check* reason = result ? nullptr : result.error().reason();
        std::string found = result              ? result->host()
                            : reason == nullptr ? result.error().message
                                                : reason->code + " " + reason->field;
        EXPECT_EQ(found, expected_verdict(name, row["verdict"].get<std::string>())) << name;
        ++judged;
    }
    EXPECT_EQ(judged, 6U);
}

TEST(RecordedRelease, TellsTheFactsOfTheGenuineOne) {
    Json want = (*parse_json_object(
        *read_text_file(Path(VS_SOURCE_DIR) /
                        "tests/vectors/skr/facts.json")))["release-ec-hsm-2022-05.jws"]["facts"];
    Checks checks;
    auto answer = verify_recorded(recorded("release-ec-hsm-2022-05.jws"), "2022-06-01", checks);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kid(), want["request"]["kid"]);
    EXPECT_EQ(answer->ciphertext().size(), want["key_hsm_ciphertext_bytes"]);
    Json told = facts_of(*answer);
    EXPECT_EQ(told["request"], want["request"]);
    EXPECT_EQ(told["key"]["kty"], want["key_type"]);
    EXPECT_EQ(told["release_policy"], want["release_policy"]);
    EXPECT_EQ(told["release_policy_immutable"], false);
    EXPECT_EQ(told["key_hsm"]["header"], want["key_hsm_header"]);
    EXPECT_EQ(told["key_hsm"]["schema_version"], want["key_hsm_schema"]);
    EXPECT_EQ(told["attributes"]["created"], "2022-05-06T20:25:27Z");
    EXPECT_EQ(told["attributes"]["exportable"], want["attributes"]["exportable"]);
    EXPECT_EQ(told["signer"]["subject"], want["x5c"][0]);
    EXPECT_EQ(told["root"]["subject"], want["x5c"][2]);
    EXPECT_THAT(told["signer"]["valid_to"].get<std::string>(),
                ::testing::StartsWith(want["leaf_valid"][1].get<std::string>()));
}

TEST(RecordedRelease, HasExpired) {
    for (const char* time : {"2022-02-28T08:37:35Z", "2023-02-28T08:37:37Z", "2026-07-01"}) {
        Checks checks;
        auto result = verify_recorded(recorded("release-ec-hsm-2022-05.jws"), time, checks);
        ASSERT_FALSE(result) << time;
        EXPECT_EQ(result.error().reason()->field, "x5c[0] validity") << time;
    }
}

// The signature has no second form, and base64url none either.
TEST(ReleaseMutation, NoBitOfTheGenuineAnswerIsFree) {
    auto refused = [](const Bytes& changed) {
        Checks checks;
        auto result = verify_recorded(to_text(changed), "2022-06-01", checks);
        EXPECT_TRUE(result || result.error().reason() != nullptr);
        return !result;
    };
    Bytes genuine = to_bytes(recorded("release-ec-hsm-2022-05.jws"));
    ASSERT_FALSE(refused(genuine));
    EXPECT_THAT(vouchsafe::testing::free_bits(genuine, {257}, refused), ::testing::IsEmpty());
}

}  // namespace
}  // namespace vouchsafe::guest
