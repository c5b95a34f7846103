// Making, reading, changing and using keys.
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/vault/key_seal.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

class KeysTest : public VaultTest {
  protected:
    crypto::PublicKey public_key(const Answer& answer) {
        return MUST(jose::parse_jwk(answer.body["key"]));
    }
    std::string path_of(const Answer& answer) {
        const std::string kid = answer.body["key"]["kid"];
        return kid.substr(std::string("https://myconfkv.vault.azure.net").size());
    }
    Answer update(const std::string& path, const Json& body) {
        return as(kOfficer, "PATCH", path, body);
    }
};

TEST_F(KeysTest, CreatesTheTutorialsKey) {
    Answer made = create("KeyEncryptionKey", exportable_key("RSA-HSM"));
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    const Json& jwk = made.body["key"];
    EXPECT_THAT(jwk["kid"].get<std::string>(),
                testing::MatchesRegex("https://myconfkv.vault.azure.net/keys/KeyEncryptionKey/"
                                      "[0-9a-f]{32}"));
    EXPECT_EQ(jwk["kty"], "RSA-HSM");
    EXPECT_EQ(jwk["key_ops"],
              Json({"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}));
    EXPECT_EQ(jwk["e"], "AQAB");
    EXPECT_FALSE(jwk.contains("d"));
    EXPECT_EQ(public_key(made).bits(), 2048u);
    EXPECT_EQ(made.body["attributes"], Json({{"enabled", true},
                                             {"created", to_unix(kNow)},
                                             {"updated", to_unix(kNow)},
                                             {"recoveryLevel", "Recoverable+Purgeable"},
                                             {"recoverableDays", 90},
                                             {"exportable", true}}));
    EXPECT_FALSE(made.body.contains("tags"));
    const Json& policy = made.body["release_policy"];
    EXPECT_EQ(policy["contentType"], "application/json; charset=utf-8");
    EXPECT_EQ(policy["immutable"], false);
    const std::string data = to_text(MUST(decode_base64url(policy["data"].get<std::string>())));
    EXPECT_THAT(data, testing::StartsWith("{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":"));
    EXPECT_EQ(MUST(parse_json(data)), tutorial_policy());

    auto entries = recorded(made);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.action, "keys/create");
    EXPECT_EQ(entries[0].entry.outcome, audit::Outcome::allowed);
    EXPECT_EQ(entries[0].entry.details["release_policy"], data);

    for (const std::string& path : {std::string("/keys/keyencryptionkey"),
                                    std::string("/keys/KeyEncryptionKey/"), path_of(made)}) {
        Answer read = as(kUser, "GET", path);
        EXPECT_EQ(read.status, 200) << path;
        EXPECT_EQ(read.body, made.body) << path;
    }
    EXPECT_EQ(as(kUser, "GET", "/keys/KeyEncryptionKey/" + std::string(32, '0')).code(),
              "KeyNotFound");
    EXPECT_EQ(as(kUser, "GET", "/keys/nope").status, 404);
    EXPECT_EQ(as(kUser, "GET", "/keys/KeyEncryptionKey/v1").status, 404);
}

TEST_F(KeysTest, CreatesEveryKindOfKey) {
    struct {
        Json body;
        size_t bits;
    } const kinds[] = {
        {{{"kty", "EC"}}, 256},
        {{{"kty", "EC-HSM"}, {"crv", "P-384"}}, 384},
        {{{"kty", "EC"}, {"crv", "P-521"}}, 521},
        {{{"kty", "EC-HSM"}, {"crv", "P-256K"}}, 256},
        {{{"kty", "RSA"}, {"key_size", 3072}}, 3072},
    };
    int count = 0;
    for (const auto& kind : kinds) {
        Answer made = create("k" + std::to_string(count++), kind.body);
        ASSERT_EQ(made.status, 200) << dump_json(kind.body) << dump_json(made.body);
        EXPECT_EQ(public_key(made).bits(), kind.bits);
        EXPECT_EQ(made.body["key"]["kty"], kind.body["kty"]);
        EXPECT_FALSE(made.body.contains("release_policy"));
    }
}

TEST_F(KeysTest, RefusesMalformedCreateRequests) {
    const Json bodies[] = {
        Json::object(),
        {{"kty", "DSA"}},
        {{"kty", 7}},
        {{"kty", "RSA"}, {"key_size", 1024}},
        {{"kty", "RSA"}, {"key_size", "2048"}},
        {{"kty", "RSA"}, {"key_size", 2048.5}},
        {{"kty", "RSA"}, {"key_size", 18446744073709551615u}},
        {{"kty", "RSA"}, {"crv", "P-256"}},
        {{"kty", "RSA"}, {"public_exponent", 3}},
        {{"kty", "EC"}, {"crv", "P-192"}},
        {{"kty", "EC"}, {"key_ops", {"encrypt"}}},
        {{"kty", "RSA"}, {"key_ops", "encrypt"}},
        {{"kty", "RSA"}, {"key_ops", {"encrypt", 1}}},
        {{"kty", "RSA"}, {"attributes", {{"enabled", "true"}}}},
        {{"kty", "RSA"}, {"attributes", {{"nbf", -1}}}},
        {{"kty", "RSA"}, {"attributes", {{"nbf", 20}, {"exp", 10}}}},
        {{"kty", "RSA"}, {"tags", {{"a", 1}}}},
        {{"kty", "RSA"}, {"tags", {{"a", std::string(257, 'x')}}}},
        {{"kty", "RSA-HSM"}, {"release_policy", "x"}},
        {{"kty", "oct"}, {"key_size", 512}},
        {{"kty", "oct-HSM"}, {"key_size", 0}},
        {{"kty", "oct"}, {"crv", "P-256"}},
        {{"kty", "OCT"}},
        {{"kty", "EC"}, {"crv", "P-256K"}, {"key_size", 256}},
        {{"kty", "EC"}, {"crv", "secp256k1"}},
    };
    for (const Json& body : bodies) {
        Answer answer = create("k", body);
        EXPECT_EQ(answer.status, 400) << dump_json(body);
        EXPECT_EQ(answer.code(), "BadParameter");
    }
    for (const char* text : {"", "[]", "{\"kty\":\"RSA\",\"kty\":\"EC\"}", "{\"kty\":"}) {
        EXPECT_EQ(
            send("POST", "/keys/k/create?api-version=7.4", text, access_token(kOfficer)).status,
            400)
            << text;
    }
    Json many_tags = Json::object();
    for (int i = 0; i < 16; ++i) many_tags[std::to_string(i)] = "x";
    EXPECT_EQ(create("k", {{"kty", "RSA"}, {"tags", many_tags}}).status, 400);
    EXPECT_EQ(create("a_b", {{"kty", "RSA"}}).status, 400);
    EXPECT_EQ(create(std::string(128, 'k'), {{"kty", "RSA"}}).status, 400);
    EXPECT_EQ(create("\xff", {{"kty", "RSA"}}).status, 400);
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 404);  // nothing half made
}

TEST_F(KeysTest, MatchesMemberNamesWithoutCase) {
    Answer made = create("k", {{"Kty", "EC"},
                               {"KEY_OPS", {"sign", "sign"}},
                               {"Tags", {{"Purpose", "test"}}},
                               {"unknown", 1}});
    ASSERT_EQ(made.status, 200);
    EXPECT_EQ(made.body["key"]["key_ops"], Json::array({"sign"}));
    EXPECT_EQ(made.body["tags"], Json({{"Purpose", "test"}}));
}

TEST_F(KeysTest, RefusesAMemberTwiceInOtherCapitals) {
    for (const Json& more : std::vector<Json>{{{"KTY", "RSA"}},
                                              {{"attributes", {{"enabled", true}, {"Enabled", 0}}}},
                                              {{"Release_Policy", nullptr}}}) {
        Json body = exportable_key();
        body.update(more);
        const Answer refused = create("k", body);
        EXPECT_EQ(refused.status, 400) << dump_json(body);
        EXPECT_THAT(refused.message(), testing::HasSubstr("a member appears twice"));
    }
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 404);
    // Names of tags are the caller's own.
    const Answer made = create("k", {{"kty", "EC"}, {"Tags", {{"a", "1"}, {"A", "2"}}}});
    EXPECT_EQ(made.body["tags"], Json({{"a", "1"}, {"A", "2"}}));
}

TEST_F(KeysTest, KeepsTheRulesOfExportableKeys) {
    const auto expect_rule = [&](const Answer& answer, const char* rule) {
        EXPECT_EQ(answer.status, 400) << rule;
        EXPECT_EQ(answer.code(), "BadParameter");
        EXPECT_THAT(answer.message(), testing::StartsWith(rule));
    };
    Json no_policy = exportable_key();
    no_policy.erase("release_policy");
    expect_rule(create("k", no_policy), "AKV.SKR.1004");
    for (const char* data : {"", "!!!"}) {
        Json bad = exportable_key();
        bad["release_policy"] = {{"data", data}};
        expect_rule(create("k", bad), "AKV.SKR.1004");
    }
    Json not_exportable = exportable_key();
    not_exportable.erase("attributes");
    expect_rule(create("k", not_exportable), "AKV.SKR.1005");
    Json software = exportable_key();
    software["kty"] = "RSA";
    expect_rule(create("k", software), "AKV.SKR.1006");
    expect_rule(send("POST", "/keys/k/create?api-version=7.2", dump_json(exportable_key()),
                     access_token(kOfficer)),
                "AKV.SKR.1001");
    Json malformed = exportable_key();
    malformed["release_policy"] = envelope({{"version", "1.0.0"}, {"anyOf", Json::array()}});
    Answer answer = create("k", malformed);
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.message(), testing::StartsWith("release_policy.data"));
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 404);
}

TEST_F(KeysTest, AStandardVaultHasNoHsmKeysAndNoExportableOnes) {
    VaultInfo standard =
        MUST(service_->create_vault({.name = "plain", .sku = Sku::standard, .tenant = kTenant}));
    MUST(service_->assign_role(kOfficer, "Key Vault Crypto Officer", standard.resource_id));
    const auto create_there = [&](const Json& body) {
        return send("POST", "/keys/k/create?api-version=7.4", dump_json(body),
                    access_token(kOfficer), "plain.vault.azure.net");
    };
    EXPECT_EQ(create_there({{"kty", "RSA-HSM"}}).status, 403);
    EXPECT_EQ(create_there({{"kty", "EC-HSM"}}).code(), "Forbidden");
    Json software = exportable_key();
    software["kty"] = "RSA";
    EXPECT_THAT(create_there(software).message(), testing::StartsWith("AKV.SKR.1001"));
    EXPECT_EQ(create_there({{"kty", "EC"}}).status, 200);
    // A key of one vault is none of the other's.
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k").status, 404);
}

TEST_F(KeysTest, ANewVersionKeepsWhatBelongsToTheKey) {
    Json body = exportable_key();
    Answer first = create("k", body);
    ASSERT_EQ(first.status, 200) << dump_json(first.body);
    clock_.set(kNow + Seconds(10));
    Answer second = create("K", {{"kty", "EC-HSM"}});
    ASSERT_EQ(second.status, 200);
    EXPECT_NE(second.body["key"]["kid"], first.body["key"]["kid"]);
    EXPECT_EQ(second.body["release_policy"], first.body["release_policy"]);
    EXPECT_EQ(second.body["attributes"]["exportable"], true);
    EXPECT_EQ(as(kUser, "GET", "/keys/k").body, second.body);
    EXPECT_EQ(as(kUser, "GET", path_of(first)).body, first.body);

    Answer changed = create("k", {{"kty", "EC-HSM"}, {"attributes", {{"exportable", false}}}});
    EXPECT_THAT(changed.message(), testing::StartsWith("AKV.SKR.1003"));
    EXPECT_THAT(create("k", {{"kty", "EC"}}).message(), testing::StartsWith("AKV.SKR.1006"));
}

TEST_F(KeysTest, UpdatesWhatMayChange) {
    ASSERT_EQ(create("k", {{"kty", "EC"}, {"tags", {{"a", "b"}}}}).status, 200);
    clock_.set(kNow + Seconds(5));
    Answer updated = update("/keys/k", {{"attributes", {{"enabled", false}, {"exp", 2000000000}}},
                                        {"tags", {{"c", "d"}}},
                                        {"key_ops", {"sign"}}});
    ASSERT_EQ(updated.status, 200) << dump_json(updated.body);
    EXPECT_EQ(updated.body["attributes"]["enabled"], false);
    EXPECT_EQ(updated.body["attributes"]["exp"], 2000000000);
    EXPECT_EQ(updated.body["attributes"]["updated"], to_unix(kNow) + 5);
    EXPECT_EQ(updated.body["attributes"]["created"], to_unix(kNow));
    EXPECT_EQ(updated.body["tags"], Json({{"c", "d"}}));
    EXPECT_EQ(updated.body["key"]["key_ops"], Json::array({"sign"}));
    EXPECT_EQ(as(kUser, "GET", "/keys/k").body, updated.body);
    EXPECT_EQ(recorded(updated).size(), 1u);

    EXPECT_EQ(update("/keys/k", Json::object()).body["tags"], Json({{"c", "d"}}));
    EXPECT_EQ(update("/keys/k", {{"key_ops", {"wrapKey"}}}).status, 400);
    EXPECT_EQ(update("/keys/nope", Json::object()).status, 404);
    EXPECT_EQ(as(kReleaser, "PATCH", "/keys/k", Json::object()).status, 403);
}

TEST_F(KeysTest, KeepsTheRulesOfReleasePoliciesOnUpdate) {
    Json body = exportable_key();
    const std::string path = path_of(create("k", body));
    ASSERT_EQ(create("plain", {{"kty", "EC"}}).status, 200);
    Json other = tutorial_policy();
    other["anyOf"][0]["allOf"][0]["equals"] = "tdxvm";
    const auto message = [&](const std::string& to, const Json& change) {
        return update(to, change).message();
    };
    using testing::StartsWith;
    EXPECT_THAT(message("/keys/k", {{"attributes", {{"exportable", false}}}}),
                StartsWith("AKV.SKR.1014"));
    EXPECT_EQ(update("/keys/k", {{"attributes", {{"exportable", true}}}}).status, 200);
    EXPECT_THAT(message(path, {{"release_policy", envelope(other)}}), StartsWith("AKV.SKR.1016"));
    EXPECT_THAT(message("/keys/plain", {{"release_policy", envelope(other)}}),
                StartsWith("AKV.SKR.1005"));
    EXPECT_THAT(message("/keys/k", {{"release_policy", {{"data", ""}}}}),
                StartsWith("AKV.SKR.1004"));

    Answer changed = update("/keys/k", {{"release_policy", envelope(other, true)}});
    ASSERT_EQ(changed.status, 200);
    EXPECT_EQ(changed.body["release_policy"]["immutable"], true);
    for (const Json& policy : {envelope(tutorial_policy(), true), envelope(other, false)}) {
        EXPECT_THAT(message("/keys/k", {{"release_policy", policy}}), StartsWith("AKV.SKR.1020"));
        EXPECT_THAT(create("k", {{"kty", "EC-HSM"}, {"release_policy", policy}}).message(),
                    StartsWith("AKV.SKR.1020"));
    }
    // The same policy written otherwise is no change.
    Json rewritten = other;
    rewritten.erase("version");
    EXPECT_EQ(update("/keys/k", {{"release_policy", envelope(rewritten, true)}}).status, 200);
}

TEST_F(KeysTest, ListsKeysAndVersionsInPages) {
    for (const char* name : {"c", "A", "b"}) ASSERT_EQ(create(name, {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(create("b", {{"kty", "EC"}, {"tags", {{"t", "v"}}}}).status, 200);

    Answer all = as(kUser, "GET", "/keys");
    ASSERT_EQ(all.body["value"].size(), 3u);
    EXPECT_TRUE(all.body["nextLink"].is_null());
    EXPECT_EQ(all.body["value"][0]["kid"], "https://myconfkv.vault.azure.net/keys/A");
    EXPECT_EQ(all.body["value"][1]["tags"], Json({{"t", "v"}}));
    EXPECT_EQ(all.body["value"][2]["attributes"]["enabled"], true);

    Answer page = as(kUser, "GET", "/keys?maxresults=2");
    ASSERT_EQ(page.body["value"].size(), 2u);
    const std::string next = page.body["nextLink"];
    const std::string base = "https://myconfkv.vault.azure.net";
    ASSERT_THAT(next, testing::StartsWith(base + "/keys?api-version=7.4&"));
    Answer rest = send("GET", next.substr(base.size()), "", access_token(kUser));
    ASSERT_EQ(rest.body["value"].size(), 1u);
    EXPECT_EQ(rest.body["value"][0]["kid"], base + "/keys/c");
    EXPECT_TRUE(rest.body["nextLink"].is_null());

    Answer versions = as(kUser, "GET", "/keys/B/versions?maxresults=1");
    ASSERT_EQ(versions.body["value"].size(), 1u);
    EXPECT_THAT(versions.body["value"][0]["kid"].get<std::string>(),
                testing::StartsWith(base + "/keys/b/"));
    const std::string more = versions.body["nextLink"];
    Answer last = send("GET", more.substr(base.size()), "", access_token(kUser));
    ASSERT_EQ(last.body["value"].size(), 1u);
    EXPECT_NE(last.body["value"][0]["kid"], versions.body["value"][0]["kid"]);
    EXPECT_TRUE(last.body["nextLink"].is_null());

    for (const char* bad : {"0", "26", "-1", "x", ""}) {
        EXPECT_EQ(as(kUser, "GET", std::string("/keys?maxresults=") + bad).status, 400) << bad;
    }
    EXPECT_EQ(as(kUser, "GET", "/keys?$skiptoken=!").status, 400);
    EXPECT_EQ(as(kUser, "GET", "/keys/nope/versions").status, 404);
}

TEST_F(KeysTest, WrapsAndUnwrapsWithEveryAlgorithm) {
    Answer made = create("k", {{"kty", "RSA"}});
    const crypto::PublicKey key = public_key(made);
    const Bytes secret(32, 7);
    const std::string plain = encode_base64url(secret);
    for (const auto& [to, back] : {std::pair("wrapkey", "unwrapkey"), {"encrypt", "decrypt"}}) {
        for (const char* alg : {"RSA1_5", "RSA-OAEP", "RSA-OAEP-256"}) {
            Answer wrapped =
                as(kUser, "POST", path_of(made) + "/" + to, {{"alg", alg}, {"value", plain}});
            ASSERT_EQ(wrapped.status, 200) << dump_json(wrapped.body);
            EXPECT_EQ(wrapped.body["kid"], made.body["key"]["kid"]);
            EXPECT_EQ(MUST(decode_base64url(wrapped.body["value"].get<std::string>())).size(),
                      256u);
            Answer opened = as(kUser, "POST", std::string("/keys/k/") + back,
                               {{"alg", alg}, {"value", wrapped.body["value"]}});
            ASSERT_EQ(opened.status, 200) << dump_json(opened.body);
            EXPECT_EQ(opened.body, Json({{"kid", made.body["key"]["kid"]}, {"value", plain}}));
            EXPECT_EQ(recorded(opened).at(0).entry.details["alg"], alg);
            EXPECT_TRUE(recorded(wrapped).empty());
        }
    }
    // What a client wrapped with the public key, in the other base64 alphabet and padded.
    const Bytes by_client = MUST(key.encrypt_pkcs1(secret));
    Answer opened = as(kUser, "POST", "/keys/k/unwrapKey",
                       {{"alg", "RSA1_5"}, {"value", encode_base64(by_client)}});
    EXPECT_EQ(opened.body["value"], plain);
}

TEST_F(KeysTest, RefusesWrongUseOfKeys) {
    ASSERT_EQ(create("k", {{"kty", "RSA"}}).status, 200);
    ASSERT_EQ(create("ec", {{"kty", "EC"}}).status, 200);
    const auto use = [&](const std::string& path, const Json& body) {
        return as(kUser, "POST", "/keys/" + path, body);
    };
    const Json good = {{"alg", "RSA-OAEP-256"}, {"value", "AAAA"}};
    EXPECT_EQ(use("k/wrapkey", good).status, 200);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "A256KW"}, {"value", "AAAA"}}).status, 400);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "rsa-oaep"}, {"value", "AAAA"}}).status, 400);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "RSA1_5"}}).status, 400);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "RSA1_5"}, {"value", "A"}}).status, 400);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "RSA1_5"}, {"value", std::string(400, 'A')}}).status, 400);
    EXPECT_EQ(use("k/wrapkey", {{"alg", "RSA1_5"}, {"value", std::string(4000, 'A')}}).status, 400);
    EXPECT_EQ(use("ec/wrapkey", good).check(), "VAULT-KEY-OPERATION");
    // Every way of not decrypting looks the same, and a wrong padding of RSA1_5 is none.
    Answer made = as(kUser, "GET", "/keys/k");
    const Bytes oaep = MUST(public_key(made).encrypt_oaep(crypto::HashAlg::sha1, Bytes(32)));
    std::set<std::string> messages;
    for (const Json& body :
         {Json{{"alg", "RSA1_5"}, {"value", encode_base64url(Bytes(255, 1))}},
          Json{{"alg", "RSA-OAEP-256"}, {"value", encode_base64url(oaep)}},
          Json{{"alg", "RSA-OAEP"}, {"value", encode_base64url(Bytes(256, 1))}},
          Json{{"alg", "RSA-OAEP"}, {"value", encode_base64url(Bytes(256, 255))}},
          Json{{"alg", "RSA-OAEP"}, {"value", encode_base64url(Bytes(255, 1))}}}) {
        Answer refused = use("k/unwrapkey", body);
        EXPECT_EQ(refused.status, 400);
        messages.insert(refused.message());
        EXPECT_EQ(recorded(refused).at(0).entry.outcome, audit::Outcome::failed);
    }
    EXPECT_EQ(messages.size(), 1u);

    // A key that may only wrap.
    ASSERT_EQ(update("/keys/k", {{"key_ops", Json::array({"wrapKey"})}}).status, 200);
    EXPECT_EQ(use("k/wrapkey", good).status, 200);
    Answer forbidden = use("k/unwrapkey", good);
    EXPECT_EQ(forbidden.status, 403);
    EXPECT_EQ(forbidden.check(), "VAULT-KEY-OPERATION");
}

TEST_F(KeysTest, DisabledKeysAndDatesForbidUse) {
    ASSERT_EQ(create("k", {{"kty", "RSA"}, {"attributes", {{"exp", to_unix(kNow) + 10}}}}).status,
              200);
    const Json body = {{"alg", "RSA-OAEP"}, {"value", "AAAA"}};
    Answer wrapped = as(kUser, "POST", "/keys/k/wrapkey", body);
    ASSERT_EQ(wrapped.status, 200);
    const Json back = {{"alg", "RSA-OAEP"}, {"value", wrapped.body["value"]}};

    clock_.set(kNow + Seconds(10));
    EXPECT_EQ(as(kUser, "POST", "/keys/k/wrapkey", body).check(), "VAULT-KEY-WINDOW");
    EXPECT_EQ(as(kUser, "POST", "/keys/k/encrypt", body).check(), "VAULT-KEY-WINDOW");
    EXPECT_EQ(as(kUser, "POST", "/keys/k/unwrapkey", back).status, 200);  // A.4
    ASSERT_EQ(update("/keys/k",
                     {{"attributes", {{"nbf", to_unix(kNow) + 20}, {"exp", to_unix(kNow) + 30}}}})
                  .status,
              200);
    EXPECT_EQ(as(kUser, "POST", "/keys/k/wrapkey", body).check(), "VAULT-KEY-WINDOW");
    clock_.set(kNow + Seconds(20));
    EXPECT_EQ(as(kUser, "POST", "/keys/k/wrapkey", body).status, 200);

    ASSERT_EQ(update("/keys/k", {{"attributes", {{"enabled", false}}}}).status, 200);
    Answer disabled = as(kUser, "POST", "/keys/k/unwrapkey", back);
    EXPECT_EQ(disabled.status, 403);
    EXPECT_EQ(disabled.inner(), "KeyDisabled");
    EXPECT_EQ(disabled.check(), "VAULT-KEY-ENABLED");
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 200);
}

TEST_F(KeysTest, WhatCannotBeRecordedDoesNotHappen) {
    ASSERT_EQ(create("k", {{"kty", "RSA"}}).status, 200);
    Answer wrapped = as(kUser, "POST", "/keys/k/wrapkey", {{"alg", "RSA-OAEP"}, {"value", "AAAA"}});
    store_->failing_table = "audit_entry";
    Answer made = create("second", {{"kty", "EC"}});
    EXPECT_EQ(made.status, 500);
    EXPECT_EQ(made.code(), "InternalServerError");
    EXPECT_THAT(made.message(), testing::Not(testing::HasSubstr("disk")));
    Answer opened = as(kUser, "POST", "/keys/k/unwrapkey",
                       {{"alg", "RSA-OAEP"}, {"value", wrapped.body["value"]}});
    EXPECT_EQ(opened.status, 500);
    EXPECT_FALSE(opened.body.contains("value"));
    EXPECT_EQ(update("/keys/k", {{"attributes", {{"enabled", false}}}}).status, 500);
    // A refusal stays one even if nobody can write it down.
    EXPECT_EQ(as(kNobody, "GET", "/keys/k").status, 403);
    store_->failing_table.clear();
    EXPECT_EQ(as(kUser, "GET", "/keys/second").status, 404);
    EXPECT_EQ(as(kUser, "GET", "/keys/k").body["attributes"]["enabled"], true);
}

TEST_F(KeysTest, TheDatabaseHoldsNoPrivateKey) {
    Answer made = create("k", {{"kty", "RSA"}});
    // The modulus is public and must be there; the primes and the private exponent must not.
    const Bytes modulus = MUST(public_key(made).rsa()).modulus;
    const std::string files = on_disk();
    // spki is stored in base64, so the modulus's own bytes are nowhere; its base64 is.
    EXPECT_THAT(files, testing::HasSubstr(encode_base64(public_key(made).spki())));
    EXPECT_EQ(files.find(as_text(modulus)), std::string::npos);  // part of PKCS#8 too
    EXPECT_EQ(files.find("PRIVATE KEY"), std::string::npos);
    // rsaEncryption's AlgorithmIdentifier stands at the beginning of each RSA PKCS#8 key.
    const Bytes marker = MUST(decode_hex("020100300d06092a864886f70d010101"));
    EXPECT_EQ(files.find(as_text(marker)), std::string::npos);
    const Bytes root = MUST(read_file(config_.directory / "root.key"));
    EXPECT_EQ(files.find(as_text(root)), std::string::npos);
}

TEST(KeySeal, OpensOnlyWhatWasSealedUnchangedAndHere) {
    const TemporaryDir dir = MUST(TemporaryDir::create("key-seal"));
    const auto ring_of = [&](const char* file) {
        return MUST(crypto::RootRing::load_or_create(dir.path() / file, crypto::keep_in_file()));
    };
    const auto root = ring_of("root"), other = ring_of("other");
    const Bytes secret = to_bytes("a private key");
    const Bytes sealed = seal_key(*root, "v/k/1", secret);
    EXPECT_TRUE(equal(MUST(open_key(*root, "v/k/1", sealed)).expose(), secret));
    EXPECT_NE(seal_key(*root, "v/k/1", secret), sealed);
    EXPECT_FALSE(open_key(*root, "v/k/2", sealed));
    EXPECT_FALSE(open_key(*other, "v/k/1", sealed));
    for (size_t i = 0; i < sealed.size(); ++i) {
        Bytes changed = sealed;
        changed[i] ^= 1;
        EXPECT_FALSE(open_key(*root, "v/k/1", changed)) << i;
        EXPECT_FALSE(open_key(*root, "v/k/1", ByteView(sealed).first(i))) << i;
    }
}

}  // namespace
}  // namespace vouchsafe::vault::test
