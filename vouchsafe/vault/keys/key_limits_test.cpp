// What keys may not be used for, and what is no algorithm: RSA1_5 without an oracle, roles, dates,
// keys in memory, random bytes, attestation.
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/keys/test_keys.h"

namespace vouchsafe::vault::test {
namespace {

class KeyLimitsTest : public KeyUseTest {};

TEST_F(KeyLimitsTest, AWrongPaddingOfRsa15IsAnAnswer) {
    Answer made = create("k", {{"kty", "RSA"}});
    for (const char* operation : {"k/unwrapkey", "k/decrypt"}) {
        std::set<std::string> values;
        for (uint8_t i = 0; i < 8; ++i) {
            Bytes ciphertext(256, 9);
            ciphertext[100] = i;
            const Json body = {{"alg", "RSA1_5"}, {"value", b64(ciphertext)}};
            Answer first = use(operation, body);
            ASSERT_EQ(first.status, 200);
            EXPECT_EQ(use(operation, body).body, first.body) << "the same each time";
            EXPECT_EQ(recorded(first).at(0).entry.outcome, audit::Outcome::allowed);
            values.insert(first.body["value"].get<std::string>());
        }
        EXPECT_EQ(values.size(), 8U);
    }
    // Without the key in memory the answers are the same.
    const Json body = {{"alg", "RSA1_5"}, {"value", b64(Bytes(256, 9))}};
    const Json before = use("k/decrypt", body).body;
    start();
    EXPECT_EQ(use("k/decrypt", body).body, before);
    EXPECT_EQ(use("k/decrypt", {{"alg", "RSA1_5"}, {"value", b64(Bytes(255, 9))}}).status, 400);
    EXPECT_EQ(use("k/decrypt", {{"alg", "RSA1_5"}, {"value", b64(Bytes(256, 0xff))}}).status, 400);
}

TEST_F(KeyLimitsTest, RefusesEveryAlgorithmThatDoesNotFit) {
    const char* const algorithms[] = {"RSA1_5",
                                      "RSA-OAEP",
                                      "RSA-OAEP-256",
                                      "A128GCM",
                                      "A192GCM",
                                      "A256GCM",
                                      "A128CBC",
                                      "A192CBC",
                                      "A256CBC",
                                      "A128CBCPAD",
                                      "A192CBCPAD",
                                      "A256CBCPAD",
                                      "A128KW",
                                      "A192KW",
                                      "A256KW",
                                      "CKM_AES_KEY_WRAP",
                                      "CKM_AES_KEY_WRAP_PAD",
                                      "RS256",
                                      "RS384",
                                      "RS512",
                                      "PS256",
                                      "PS384",
                                      "PS512",
                                      "ES256",
                                      "ES384",
                                      "ES512",
                                      "ES256K",
                                      "RSNULL",
                                      "HS256",
                                      "HS384",
                                      "HS512",
                                      "none",
                                      "rs256",
                                      "RSA-OAEP-512",
                                      "dir",
                                      "A512KW",
                                      "\xff"};
    ASSERT_EQ(create("rsa", {{"kty", "RSA"}}).status, 200);
    ASSERT_EQ(create("ec", {{"kty", "EC"}}).status, 200);
    import_oct("oct", crypto::random_bytes(16));
    const std::map<std::string, std::set<std::string>> good = {
        {"rsa/encrypt", {"RSA1_5", "RSA-OAEP", "RSA-OAEP-256"}},
        {"rsa/wrapkey", {"RSA1_5", "RSA-OAEP", "RSA-OAEP-256"}},
        {"rsa/sign", {"RS256", "PS256", "RSNULL"}},
        {"ec/sign", {"ES256"}},
        {"oct/encrypt", {"A128GCM"}},
        {"oct/wrapkey", {"A128KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"}},
        {"oct/sign", {}},
    };
    for (const auto& [path, algs] : good) {
        for (const char* alg : algorithms) {
            Answer answer = use(path, {{"alg", alg}, {"value", b64(Bytes(32))}});
            EXPECT_EQ(answer.status, algs.contains(alg) ? 200 : 400) << path << " " << alg;
        }
    }
    for (const char* path : {"rsa/decrypt", "rsa/unwrapkey", "rsa/verify", "ec/verify",
                             "oct/decrypt", "oct/unwrapkey", "oct/verify"}) {
        for (const char* alg : algorithms) {
            const Json body = {{"alg", alg}, {"value", b64(Bytes(31))}, {"iv", "AAAA"}};
            EXPECT_EQ(use(path, body).status, 400) << path << " " << alg;
        }
    }
    for (const char* path : {"ec/encrypt", "ec/decrypt", "ec/wrapkey", "ec/unwrapkey"}) {
        EXPECT_EQ(use(path, {{"alg", "RSA-OAEP"}, {"value", "AAAA"}}).check(),
                  "VAULT-KEY-OPERATION");
    }
}

TEST_F(KeyLimitsTest, RefusesMalformedBodies) {
    ASSERT_EQ(create("oct", {{"kty", "oct"}, {"key_size", 128}}).status, 200);
    const char* const paths[] = {"encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"};
    const Json bodies[] = {
        Json::object(),
        Json::array(),
        {{"alg", "A128GCM"}},
        {{"value", "AAAA"}},
        {{"alg", 1}, {"value", "AAAA"}},
        {{"alg", "A128GCM"}, {"value", 1}},
        {{"alg", "A128GCM"}, {"value", "A"}},
        {{"alg", "A128GCM"}, {"value", "!!!!"}},
        {{"alg", "A128GCM"}, {"value", "AAAA"}, {"aad", "!"}},
        {{"alg", "A128GCM"}, {"value", "AAAA"}, {"iv", "AAAA"}},
        {{"alg", "A128GCM"}, {"value", "AAAA"}, {"tag", "AAAA"}},
        {{"alg", "A128GCM"}, {"value", "AAAA"}, {"digest", "AAAA"}},
        {{"alg", "A128GCM"}, {"value", std::string(100'000, 'A')}},
        {{"alg", "A128KW"}, {"value", b64(Bytes(16))}, {"aad", "AAAA"}},
    };
    for (const char* path : paths) {
        for (const Json& body : bodies) {
            const int status = use(std::string("oct/") + path, body).status;
            EXPECT_TRUE(status == 400 || status == 403) << path << body << status;
        }
    }
}

// With a public half anybody could encrypt; with an oct key that is the use of a secret.
TEST_F(KeyLimitsTest, WhoMayOnlyReadMayNotUseAnOctKey) {
    constexpr const char* kReader = "aaaaaaaa-0000-4000-8000-00000000000a";
    MUST(service_->assign_role(kReader, "Key Vault Reader", vault_.resource_id));
    ASSERT_EQ(create("rsa", {{"kty", "RSA"}}).status, 200);
    import_oct("oct", Bytes(32, 1));
    EXPECT_EQ(use("rsa/encrypt", {{"alg", "RSA-OAEP"}, {"value", "AAAA"}}, kReader).status, 200);
    for (const Json& body : {Json{{"alg", "A256GCM"}, {"value", "AAAA"}}}) {
        Answer refused = use("oct/encrypt", body, kReader);
        EXPECT_EQ(refused.status, 403);
        EXPECT_EQ(refused.check(), "CALLER-ROLE");
    }
    EXPECT_EQ(use("oct/wrapkey", {{"alg", "A256KW"}, {"value", b64(Bytes(16))}}, kReader).status,
              403);
    EXPECT_EQ(
        use("oct/verify", {{"alg", "HS256"}, {"value", b64(Bytes(32))}, {"digest", b64(Bytes(32))}},
            kReader)
            .status,
        403);
    EXPECT_EQ(use("rsa/sign", {{"alg", "RS256"}, {"value", b64(Bytes(32))}}, kReader).status, 403);
}

TEST_F(KeyLimitsTest, DatesForbidWhatMakesAndAllowWhatOpens) {
    const Json past = {{"exp", to_unix(kNow) - 10}};
    ASSERT_EQ(create("rsa", {{"kty", "RSA"}, {"attributes", past}}).status, 200);
    const std::string digest = b64(Bytes(32));
    EXPECT_EQ(use("rsa/sign", {{"alg", "RS256"}, {"value", digest}}).check(), "VAULT-KEY-WINDOW");
    EXPECT_EQ(use("rsa/verify", {{"alg", "RS256"}, {"value", digest}, {"digest", digest}}).body,
              Json({{"value", false}}));
    EXPECT_EQ(use("rsa/decrypt", {{"alg", "RSA1_5"}, {"value", b64(Bytes(256, 1))}}).status, 200);
    ASSERT_EQ(as(kOfficer, "PATCH", "/keys/rsa", {{"attributes", {{"enabled", false}}}}).status,
              200);
    EXPECT_EQ(use("rsa/verify", {{"alg", "RS256"}, {"value", digest}, {"digest", digest}}).check(),
              "VAULT-KEY-ENABLED");
}

TEST_F(KeyLimitsTest, AKeyThatIsGoneFromTheStoreIsNotUsedFromMemory) {
    Answer made = create("k", {{"kty", "RSA"}});
    const Json body = {{"alg", "RS256"}, {"value", b64(Bytes(32))}};
    ASSERT_EQ(use("k/sign", body).status, 200);
    const std::string kid = made.body["key"]["kid"];
    const std::string at = "myconfkv/k/" + kid.substr(kid.size() - 32);
    std::optional<Bytes> sealed;
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        sealed = TRY(tx.get("vault_key_secret", at));
        Bytes changed = *sealed;
        changed.back() ^= 1;
        return tx.put("vault_key_secret", at, changed);
    }));
    EXPECT_EQ(use("k/sign", body).status, 500);
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("vault_key_secret", at));
        return {};
    }));
    EXPECT_EQ(use("k/sign", body).status, 500);
    MUST(store_->run(
        [&](store::Transaction& tx) { return tx.put("vault_key_secret", at, *sealed); }));
    EXPECT_EQ(use("k/sign", body).status, 200);
}

TEST_F(KeyLimitsTest, GivesRandomBytes) {
    const auto ask = [&](const Json& body, const char* who = kUser) {
        return as(who, "POST", "/rng", body);
    };
    for (int count : {1, 32, 128}) {
        Answer answer = ask({{"count", count}});
        ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
        EXPECT_EQ(bytes_of(answer.body["value"]).size(), static_cast<size_t>(count));
    }
    EXPECT_NE(ask({{"count", 16}}).body, ask({{"count", 16}}).body);
    for (const Json& bad : {Json(0), Json(129), Json(-1), Json("1"), Json(1.5), Json(nullptr)}) {
        EXPECT_EQ(ask({{"count", bad}}).status, 400) << bad;
    }
    EXPECT_EQ(ask({{"count", 1}}, kNobody).status, 403);
    EXPECT_EQ(ask({{"count", 1}}, kReleaser).status, 403);
}

TEST_F(KeyLimitsTest, HasNoAttestationOfKeysAndSaysSo) {
    ASSERT_EQ(create("k", {{"kty", "EC-HSM"}}).status, 200);
    const auto ask = [&](const std::string& target) {
        return send("GET", target, "", access_token(kUser));
    };
    Answer answer = ask("/keys/k/attestation?api-version=7.6");
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.code(), "BadParameter");
    EXPECT_THAT(answer.message(), testing::HasSubstr("hardware security module"));
    EXPECT_EQ(ask("/keys/k/attestation?api-version=2025-07-01").status, 400);
    EXPECT_EQ(ask("/keys/k/attestation?api-version=7.5").status, 400);
    EXPECT_EQ(ask("/keys/nope/attestation?api-version=7.6").status, 404);
}

}  // namespace
}  // namespace vouchsafe::vault::test
