// The parts of the guest's side that need no TPM: identifiers, site files, refusals, envelopes.
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/guest/attestation_client.h"
#include "vouchsafe/guest/remote_error.h"
#include "vouchsafe/guest/secret_client.h"
#include "vouchsafe/guest/site.h"
#include "vouchsafe/guest/vault_client.h"

namespace vouchsafe::guest {
namespace {

TEST(KeyId, ReadsWhatAzureWrites) {
    auto id = KeyId::parse("https://MyVault.vault.azure.net/keys/KEK/0011");
    ASSERT_TRUE(id);
    EXPECT_EQ(id->text(), "https://myvault.vault.azure.net/keys/KEK/0011");
    EXPECT_EQ(*id->resource(), "https://vault.azure.net");
    EXPECT_EQ(KeyId::parse("https://v.vault.azure.net:8443/keys/a")->text(),
              "https://v.vault.azure.net:8443/keys/a");
    EXPECT_EQ(KeyId::parse("https://v.vault.azure.net/keys/a/")->version, "");
}

TEST(KeyId, RefusesWhatIsNone) {
    for (const char* text :
         {"", "KEK", "http://v.vault.azure.net/keys/a", "https://v.vault.azure.net/secrets/a",
          "https://v.vault.azure.net/keys", "https://v.vault.azure.net/keys/a/b/c",
          "https://v.vault.azure.net/keys/a?x=1", "https://v.vault.azure.net/keys/a%2fb",
          "https://v.vault.azure.net/keys/../a"}) {
        EXPECT_FALSE(KeyId::parse(text)) << text;
    }
}

TEST(KeyId, SendsNoTokenToAHostThatOnlyLooksLikeAVault) {
    for (const char* text :
         {"https://vault.azure.net.example.org/keys/a", "https://vault.azure.net/keys/a",
          "https://example.org/keys/vault.azure.net"}) {
        auto id = KeyId::parse(text);
        EXPECT_TRUE(!id || !id->resource()) << text;
    }
}

TEST(SecretId, ReadsWhatAzureWritesAndNothingElse) {
    auto id = SecretId::parse("https://MyVault.vault.azure.net:8443/secrets/ssh-key/0011");
    ASSERT_TRUE(id);
    EXPECT_EQ(id->url.origin(), "https://myvault.vault.azure.net:8443");
    EXPECT_EQ(id->name, "ssh-key");
    EXPECT_EQ(id->version, "0011");
    EXPECT_EQ(SecretId::parse("https://v.vault.azure.net/secrets/a/")->version, "");
    for (const char* text :
         {"", "a", "http://v.vault.azure.net/secrets/a", "https://v.vault.azure.net/keys/a",
          "https://v.vault.azure.net/secrets", "https://v.vault.azure.net/secrets/a/b/c",
          "https://v.vault.azure.net/secrets/a?x=1", "https://v.vault.azure.net/secrets/a_b",
          "https://v.vault.azure.net/secrets/../a"}) {
        EXPECT_FALSE(SecretId::parse(text)) << text;
    }
    for (const char* host : {"vault.azure.net", "vault.azure.net.example.org", "example.org"}) {
        EXPECT_FALSE(vault_resource(host)) << host;
    }
}

TEST(Site, RoundTripsAndRefusesUnknownMembers) {
    auto dir = MUST(TemporaryDir::create("vouchsafe-test"));
    ASSERT_TRUE(write_file(dir.path() / "ca.pem", as_bytes("PEM"), Overwrite::no));
    std::string text =
        Site::encode("ca.pem", {{"a:443", "127.0.0.1:1"}}, "swtpm:path=x", "log.bin");
    ASSERT_TRUE(write_file(dir.path() / "site.json", as_bytes(text), Overwrite::no));
    auto site = Site::load(dir.path() / "site.json");
    ASSERT_TRUE(site) << site.error().message;
    EXPECT_EQ(site->client.ca_pem, "PEM");
    EXPECT_EQ(site->client.connect_to.at("a:443"), "127.0.0.1:1");
    EXPECT_EQ(site->machine.tcti, "swtpm:path=x");
    EXPECT_EQ(site->machine.event_log, dir.path() / "log.bin");

    ASSERT_TRUE(
        write_file(dir.path() / "bad.json", as_bytes(R"({"skip_checks":true})"), Overwrite::no));
    EXPECT_FALSE(Site::load(dir.path() / "bad.json"));
    EXPECT_FALSE(Site::load(dir.path() / "none.json"));
}

net::ClientResponse response(int status, std::string body) {
    net::ClientResponse out;
    out.status = status;
    out.body = std::move(body);
    out.headers.set("x-ms-request-id", "id-1");
    return out;
}

TEST(RemoteError, ReadsAzuresAndOAuthsShapes) {
    auto azure =
        response(403, R"({"error":{"code":"Forbidden","message":"no","innererror":{"code":"x"}}})");
    azure.headers.set("x-vouchsafe-check", "SNP-POLICY-DEBUG");
    Error error = remote_error("the vault", azure);
    EXPECT_EQ(error.code, Code::forbidden);
    EXPECT_EQ(error.request_id, "id-1");
    EXPECT_EQ(error.message, "the vault answered 403 Forbidden: no");
    ASSERT_NE(error.reason(), nullptr);
    EXPECT_EQ(error.reason()->code, "SNP-POLICY-DEBUG");
    EXPECT_EQ(error.reason()->expected, "");

    Error oauth =
        remote_error("x", response(400, R"({"error":"invalid_request","error_description":"d"})"));
    EXPECT_EQ(oauth.message, "x answered 400 invalid_request: d");
}

TEST(RemoteError, TrustsNoTextOfTheAnswer) {
    auto hostile = response(
        500, R"({"error":{"code":"\u001b[31mred","message":")" + std::string(5000, 'x') + R"("}})");
    hostile.headers.set("x-vouchsafe-check", "NO-SUCH-CODE");
    Error error = remote_error("x", hostile);
    EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
    EXPECT_LT(error.message.size(), 500U);
    EXPECT_EQ(error.reason(), nullptr) << "only codes of the catalogue";
    EXPECT_EQ(remote_error("x", response(502, "<html>")).message, "x answered 502");
}

// An envelope as guest-protocol 4.3 has it; the inner key is "encrypted" by the identity function.
Json envelope(const SecretBytes& key, std::string_view token) {
    Bytes nonce = crypto::random_bytes(12);
    Bytes ciphertext(token.size());
    Bytes tag(16);
    auto cipher = MUST(crypto::AesGcm::create_any(key.expose()));
    cipher.seal(nonce, as_bytes("Transport Key"), as_bytes(token), ciphertext, tag);
    return {{"EncryptedInnerKey", encode_base64(key.expose())},
            {"EncryptionParams",
             {{"Cipher", "AES"},
              {"BlockMode", "ChainingModeGCM"},
              {"BlockPadding", "PKCS7"},
              {"KeySizeInBits", 256},
              {"Iv", encode_base64(nonce)}}},
            {"AuthenticationData", encode_base64(tag)},
            {"Jwt", encode_base64(ciphertext)}};
}

Result<SecretBytes> open(const Json& sealed) {
    return open_envelope(
        encode_base64url(as_bytes(dump_json(sealed))),
        [](ByteView wrapped) -> Result<SecretBytes> { return SecretBytes::copy_of(wrapped); });
}

TEST(OpenEnvelope, OpensBothKeySizesOfAzure) {
    for (size_t size : {16U, 32U}) {
        SecretBytes key = crypto::random_secret(size);
        auto token = open(envelope(key, "a.b.c"));
        ASSERT_TRUE(token) << token.error().message;
        EXPECT_EQ(token->expose_text(), "a.b.c");
    }
}

TEST(OpenEnvelope, RefusesWhatDoesNotHold) {
    Json good = envelope(crypto::random_secret(32), "a.b.c");
    for (const char* member :
         {"EncryptedInnerKey", "EncryptionParams", "AuthenticationData", "Jwt"}) {
        Json bad = good;
        bad.erase(member);
        EXPECT_FALSE(open(bad)) << member;
    }
    Json changed = good;
    changed["AuthenticationData"] = encode_base64(Bytes(16));
    EXPECT_EQ(open(changed).error().code, Code::bad_evidence);
    Json mode = good;
    mode["EncryptionParams"]["BlockMode"] = "ChainingModeCBC";
    EXPECT_EQ(open(mode).error().code, Code::unsupported);
    Json iv = good;
    iv["EncryptionParams"]["Iv"] = encode_base64(Bytes(5));
    EXPECT_FALSE(open(iv));
    Json key = good;
    key["EncryptedInnerKey"] = encode_base64(Bytes(31));
    EXPECT_FALSE(open(key));
    EXPECT_FALSE(
        open_envelope("%%%", [](ByteView) -> Result<SecretBytes> { return SecretBytes(); }));
    EXPECT_FALSE(open(Json::array()));
}

}  // namespace
}  // namespace vouchsafe::guest
