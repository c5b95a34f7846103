// Importing keys, and stores of earlier versions.
#include "vouchsafe/base/file.h"
#include "vouchsafe/vault/keys/opened_key.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

// jwk_of is one of the private keys of RFC 7517, A.2.
Json jwk_of(const char* kind) {
    static const Json keys = MUST(parse_json(
        MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rfc7517.json"))));
    return keys[kind];
}
Json oct_jwk(size_t size) {
    return {{"kty", "oct"}, {"k", encode_base64url(Bytes(size, 5))}};
}

class ImportTest : public VaultTest {
  protected:
    Answer import(const std::string& name, const Json& body) {
        return as(kOfficer, "PUT", "/keys/" + name, body);
    }
};

TEST_F(ImportTest, TakesPrivateKeysAndGivesBackPublicOnes) {
    Answer rsa = import("rsa", {{"key", jwk_of("rsa")}, {"tags", {{"a", "b"}}}});
    ASSERT_EQ(rsa.status, 200) << dump_json(rsa.body);
    EXPECT_EQ(rsa.body["key"]["n"], jwk_of("rsa")["n"]);
    EXPECT_EQ(rsa.body["key"]["kty"], "RSA");
    EXPECT_EQ(rsa.body["key"]["key_ops"],
              Json({"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}));
    EXPECT_EQ(rsa.body["tags"], Json({{"a", "b"}}));
    Answer ec = import("ec", {{"key", jwk_of("ec")}, {"Hsm", true}});
    ASSERT_EQ(ec.status, 200) << dump_json(ec.body);
    EXPECT_EQ(ec.body["key"]["kty"], "EC-HSM");
    EXPECT_EQ(ec.body["key"]["x"], jwk_of("ec")["x"]);
    Answer oct = import("oct", {{"key", oct_jwk(32)}, {"hsm", false}});
    ASSERT_EQ(oct.status, 200) << dump_json(oct.body);
    EXPECT_EQ(oct.body["key"]["key_ops"], Json({"encrypt", "decrypt", "wrapKey", "unwrapKey"}));
    for (const Answer& answer : {rsa, ec, oct}) {
        for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "k"}) {
            EXPECT_FALSE(answer.body["key"].contains(secret));
        }
        const auto entry = recorded(answer).at(0).entry;
        EXPECT_EQ(entry.action, "keys/import");
        EXPECT_EQ(entry.outcome, audit::Outcome::allowed);
        EXPECT_EQ(dump_json(entry.details).find(jwk_of("ec")["d"].get<std::string>()),
                  std::string::npos);
    }
    // A long one is for HMAC alone.
    EXPECT_EQ(import("mac", {{"key", oct_jwk(64)}}).body["key"]["key_ops"],
              Json({"sign", "verify"}));

    // What was encrypted for the key outside opens here.
    const auto key = MUST(jose::parse_jwk(jwk_of("rsa")));
    const Bytes sealed = MUST(key.encrypt_oaep(crypto::HashAlg::sha256, to_bytes("secret")));
    Answer opened = as(kUser, "POST", "/keys/rsa/decrypt",
                       {{"alg", "RSA-OAEP-256"}, {"value", encode_base64url(sealed)}});
    EXPECT_EQ(opened.body["value"], encode_base64url(to_bytes("secret")));

    // A further import of the name is a further version.
    Answer again = import("RSA", {{"key", jwk_of("rsa")}});
    EXPECT_NE(again.body["key"]["kid"], rsa.body["key"]["kid"]);
    EXPECT_EQ(as(kUser, "GET", "/keys/rsa/versions").body["value"].size(), 2U);
}

TEST_F(ImportTest, TakesWhatItsKeySays) {
    Json jwk = jwk_of("ec");
    jwk["kty"] = "EC-HSM";
    jwk["key_ops"] = {"verify"};
    jwk["use"] = "sig";
    Answer made = import(
        "k", {{"Key", jwk}, {"attributes", {{"enabled", false}, {"exp", to_unix(kNow) + 50}}}});
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(made.body["key"]["kty"], "EC-HSM");
    EXPECT_EQ(made.body["key"]["key_ops"], Json::array({"verify"}));
    EXPECT_EQ(made.body["attributes"]["enabled"], false);
    EXPECT_EQ(made.body["attributes"]["exp"], to_unix(kNow) + 50);
}

TEST_F(ImportTest, RefusesEveryMalformedKeyAndStoresNothing) {
    std::vector<Json> bodies = {Json::object(),
                                {{"key", nullptr}},
                                {{"key", "x"}},
                                {{"key", Json::array()}},
                                {{"key", Json::object()}}};
    const auto add = [&](Json jwk, const char* name, const Json& value) {
        if (value.is_null()) {
            jwk.erase(name);
        } else {
            jwk[name] = value;
        }
        bodies.push_back({{"key", std::move(jwk)}});
    };
    const Json values[] = {nullptr, "", "!", "AA", 7, std::string(2000, 'A'), "AQAB"};
    for (const Json& value : values) {
        for (const char* name : {"n", "d", "p", "q", "dp", "dq", "qi"}) {
            add(jwk_of("rsa"), name, value);
        }
        for (const char* name : {"x", "y", "d", "crv"}) add(jwk_of("ec"), name, value);
        add(oct_jwk(32), "k", value);
    }
    for (const char* kty : {"EC", "oct", "OKP", "rsa", ""}) add(jwk_of("rsa"), "kty", kty);
    add(jwk_of("rsa"), "e", "AA");
    add(jwk_of("rsa"), "e", "AQ");
    add(jwk_of("ec"), "crv", "P-256K");
    add(jwk_of("ec"), "key_ops", {"encrypt"});
    add(jwk_of("ec"), "key_ops", "sign");
    for (size_t size : {1, 15, 33, 56, 65}) bodies.push_back({{"key", oct_jwk(size)}});
    bodies.push_back({{"key", oct_jwk(32)}, {"Hsm", "true"}});
    bodies.push_back({{"key", oct_jwk(32)}, {"tags", "x"}});
    for (const Json& body : bodies) {
        Answer answer = import("k", body);
        EXPECT_EQ(answer.status, 400) << dump_json(body) << dump_json(answer.body);
        EXPECT_EQ(answer.code(), "BadParameter");
    }
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 404);
    // A blob for somebody's hardware says so.
    Answer byok = import("k", {{"key", {{"kty", "RSA-HSM"}, {"key_hsm", "AAAA"}}}});
    EXPECT_EQ(byok.status, 501);
    EXPECT_THAT(byok.message(), testing::HasSubstr("key_hsm"));
    EXPECT_EQ(as(kUser, "PUT", "/keys/k", {{"key", oct_jwk(32)}}).status, 403);
    EXPECT_EQ(import("a_b", {{"key", oct_jwk(32)}}).status, 400);
}

TEST_F(ImportTest, RefusesRsaKeysOfOtherSizes) {
    const auto key = MUST(crypto::PrivateKey::generate_rsa(2304));
    Json jwk = jwk_of("rsa");
    jwk["n"] = encode_base64url(MUST(key.public_key().rsa()).modulus);
    EXPECT_THAT(import("k", {{"key", jwk}}).message(), testing::HasSubstr("2304"));
}

TEST_F(ImportTest, KeepsTheRulesOfExportableKeysAndOfStandardVaults) {
    Json body = exportable_key();
    body.erase("kty");
    body["key"] = jwk_of("ec");
    EXPECT_THAT(import("k", body).message(), testing::StartsWith("AKV.SKR.1006"));
    body["hsm"] = true;
    Answer made = import("k", body);
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(made.body["attributes"]["exportable"], true);
    EXPECT_TRUE(made.body.contains("release_policy"));
    Json no_policy = body;
    no_policy.erase("release_policy");
    EXPECT_THAT(import("k2", no_policy).message(), testing::StartsWith("AKV.SKR.1004"));
    Json not_exportable = body;
    not_exportable.erase("attributes");
    EXPECT_THAT(import("k2", not_exportable).message(), testing::StartsWith("AKV.SKR.1005"));
    body["attributes"]["exportable"] = false;
    EXPECT_THAT(import("k", body).message(), testing::StartsWith("AKV.SKR.1003"));

    VaultInfo standard =
        MUST(service_->create_vault({.name = "plain", .sku = Sku::standard, .tenant = kTenant}));
    MUST(service_->assign_role(kOfficer, "Key Vault Crypto Officer", standard.resource_id));
    const auto import_there = [&](bool hsm) {
        return send("PUT", "/keys/k?api-version=7.4",
                    dump_json({{"key", jwk_of("ec")}, {"Hsm", hsm}}), access_token(kOfficer),
                    "plain.vault.azure.net");
    };
    EXPECT_EQ(import_there(true).status, 403);
    EXPECT_EQ(import_there(false).status, 200);
}

// An oct key is released as its octets (A.7).
TEST_F(ImportTest, ReleasesAnImportedOctKey) {
    Json body = exportable_key();
    body.erase("kty");
    body["key"] = oct_jwk(32);
    body["Hsm"] = true;
    ASSERT_EQ(import("oct", body).status, 200);
    Answer released = as(kReleaser, "POST", "/keys/oct/release",
                         {{"target", keys().attestation.token(attestation_claims())}});
    ASSERT_EQ(released.status, 200) << dump_json(released.body);
    std::vector<std::string> parts;
    split(released.body["value"].get<std::string>(), '.',
          [&](std::string_view part) { parts.emplace_back(part); });
    const Json payload = MUST(parse_json(to_text(MUST(decode_base64url(parts.at(1))))));
    const Json& jwk = payload["response"]["key"]["key"];
    EXPECT_EQ(jwk["kty"], "oct-HSM");
    const Json wrapped =
        MUST(parse_json(to_text(MUST(decode_base64url(jwk["key_hsm"].get<std::string>())))));
    const Bytes ciphertext = MUST(decode_base64url(wrapped["ciphertext"].get<std::string>()));
    EXPECT_TRUE(
        equal(MUST(crypto::rsa_aes_unwrap(keys().tee, crypto::HashAlg::sha1, ciphertext)).expose(),
              Bytes(32, 5)));
}

TEST_F(ImportTest, TheDatabaseHoldsNoOctets) {
    ASSERT_EQ(import("oct", {{"key", oct_jwk(32)}}).status, 200);
    const std::string files = on_disk();
    EXPECT_EQ(files.find(to_text(Bytes(32, 5))), std::string::npos);
    EXPECT_EQ(files.find(encode_base64url(Bytes(30, 5))), std::string::npos);
}

// Records as they were written before there were oct keys and rotation policies.
TEST_F(ImportTest, OpensStoresOfEarlierVersions) {
    Answer made = create("old", {{"kty", "RSA"}});
    ASSERT_EQ(made.status, 200);
    const std::string kid = made.body["key"]["kid"];
    const std::string version = kid.substr(kid.size() - 32);
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        const std::string at = "myconfkv/old/" + version;
        Json record = TRY(parse_json(as_text(*TRY(tx.get("vault_key_version", at)))));
        EXPECT_EQ(record.erase("bits"), 1U);
        TRY(tx.put("vault_key_version", at, as_bytes(dump_json(record))));
        record = TRY(parse_json(as_text(*TRY(tx.get("vault_key", "myconfkv/old")))));
        EXPECT_EQ(record.erase("rotation"), 0U) << "written only where there is one";
        return {};
    }));
    start();
    EXPECT_EQ(as(kUser, "GET", "/keys/old").body, made.body);
    const Bytes sealed = MUST(MUST(jose::parse_jwk(made.body["key"])).encrypt_pkcs1(Bytes(7, 7)));
    EXPECT_EQ(as(kUser, "POST", "/keys/old/decrypt",
                 {{"alg", "RSA1_5"}, {"value", encode_base64url(sealed)}})
                  .body["value"],
              encode_base64url(Bytes(7, 7)));
    EXPECT_EQ(as(kOfficer, "POST", "/keys/old/rotate").status, 200);
}

}  // namespace
}  // namespace vouchsafe::vault::test
