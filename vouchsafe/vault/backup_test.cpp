// Backup and restore of keys and secrets.
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

class BackupTest : public EachCollection {
  protected:
    std::string backed_up(const std::string& name) {
        Answer answer = officer("POST", active(name) + "/backup");
        EXPECT_EQ(answer.status, 200) << dump_json(answer.body);
        EXPECT_EQ(answer.body.size(), 1u);
        return answer.body["value"];
    }
    void lose(const std::string& name) {
        EXPECT_EQ(officer("DELETE", active(name)).status, 200);
        EXPECT_EQ(officer("DELETE", deleted(name)).status, 204);
    }
    Answer restore(const std::string& blob, const std::string& vault = "myconfkv") {
        return in_vault(vault, "POST", "/" + collection() + "/restore", {{"value", blob}});
    }
    // versions_in_store copies one version until there are `count`; the sealed ones do not open.
    void versions_in_store(const std::string& name, size_t count) {
        const std::string kind = collection() == "keys" ? "vault_key" : "vault_secret";
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            auto first = TRY(tx.scan(kind + "_version", "myconfkv/" + name + "/", "", 1)).at(0);
            for (size_t i = 1; i < count; ++i) {
                const std::string key = fmt::format("myconfkv/{}/{:032x}", name, i);
                TRY(tx.put(kind + "_version", key, first.value));
                TRY(tx.put(kind == "vault_key" ? "vault_key_secret" : "vault_secret_value", key,
                           Bytes(8)));
            }
            return {};
        }));
    }
};
INSTANTIATE_TEST_SUITE_P(Collections, BackupTest, testing::Values("keys", "secrets"));

TEST_P(BackupTest, RestoresAllVersionsAsTheyWere) {
    Answer first = make(collection(), "Obj");
    clock_.set(kNow + Seconds(5));
    Answer second = make(collection(), "obj");
    ASSERT_EQ(officer("PATCH", active("obj"), {{"tags", {{"a", "b"}}}}).status, 200);
    const Answer before = officer("GET", active("obj"));
    const std::string blob = backed_up("obj");
    EXPECT_NE(backed_up("obj"), blob);
    lose("obj");

    Answer back = restore(blob);
    ASSERT_EQ(back.status, 200) << dump_json(back.body);
    EXPECT_EQ(id_of(back), id_of(second));
    EXPECT_FALSE(back.body.contains("value"));
    EXPECT_EQ(officer("GET", active("obj")).body, before.body);
    EXPECT_EQ(officer("GET", path_of_object(first)).body, first.body);
    EXPECT_EQ(listed(active("obj") + "/versions").size(), 2u);
    const auto entry = recorded(back).at(0).entry;
    EXPECT_EQ(entry.action, collection() + "/restore");
    EXPECT_EQ(entry.resource, fmt::format("{}/{}/Obj", kBase, collection()));
    EXPECT_EQ(entry.details["versions"], 2);
    // It goes on from there.
    EXPECT_EQ(make(collection(), "obj").status, 200);
    EXPECT_EQ(listed(active("obj") + "/versions").size(), 3u);
}

TEST_P(BackupTest, RefusesATakenName) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    const std::string blob = backed_up("obj");
    Answer exists = restore(blob);
    EXPECT_EQ(exists.status, 409);
    EXPECT_EQ(exists.code(), "Conflict");
    ASSERT_EQ(officer("DELETE", active("obj")).status, 200);
    Answer is_deleted = restore(blob);
    EXPECT_EQ(is_deleted.status, 409);
    EXPECT_EQ(is_deleted.inner(), "ObjectIsDeletedButRecoverable");
    EXPECT_EQ(listed(deleted()), std::vector<std::string>{"obj"});
    EXPECT_TRUE(listed("/" + collection()).empty());
}

TEST_P(BackupTest, RefusesChangedAndForeignBlobs) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    const std::string blob = backed_up("obj");
    lose("obj");
    const auto expect_refused = [&](const Answer& answer, const std::string& what) {
        EXPECT_EQ(answer.status, 400) << what;
        EXPECT_EQ(answer.code(), "BadParameter") << what;
    };
    const Bytes bytes = MUST(decode_base64url(blob));
    for (size_t i = 0; i < bytes.size(); i += 7) {
        Bytes changed = bytes;
        changed[i] ^= 1;
        expect_refused(restore(encode_base64url(changed)), std::to_string(i));
        expect_refused(restore(encode_base64url(ByteView(bytes).first(i))), std::to_string(i));
    }
    for (const char* text : {"!", "AAAA", "x y"}) expect_refused(restore(text), text);
    // A blob of the other collection.
    const std::string other = collection() == "keys" ? "secrets" : "keys";
    expect_refused(officer("POST", "/" + other + "/restore", {{"value", blob}}), other);
    // Of another tenant or subscription; a vault of the same takes it.
    another_vault({.name = "other-sub",
                   .tenant = kTenant,
                   .subscription = "00000000-0000-0000-0000-000000000001"});
    expect_refused(restore(blob, "other-sub"), "subscription");
    another_vault({.name = "second", .tenant = kTenant, .resource_group = "elsewhere"});
    EXPECT_EQ(restore(blob, "second").status, 200);
    EXPECT_EQ(in_vault("second", "GET", active("obj")).status, 200);
    EXPECT_TRUE(listed("/" + collection()).empty());

    for (const Json& body : {Json::object(), Json{{"value", 7}}, Json{{"value", ""}}}) {
        expect_refused(officer("POST", "/" + collection() + "/restore", body), dump_json(body));
    }
    const std::string huge = "{\"value\":\"" + std::string(5 << 20, 'A') + "\"}";
    expect_refused(
        send("POST", "/" + collection() + "/restore?api-version=7.4", huge, access_token(kOfficer)),
        "huge");
    const std::string long_blob = "{\"value\":\"" + std::string((4 << 20) + 8, 'A') + "\"}";
    expect_refused(send("POST", "/" + collection() + "/restore?api-version=7.4", long_blob,
                        access_token(kOfficer)),
                   "longer than any");
    EXPECT_EQ(restore(blob).status, 200);
}

TEST_P(BackupTest, RefusesABlobOfAnotherInstallation) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    const std::string blob = backed_up("obj");
    auto other_store = MUST(store::open_sqlite(dir_.path() / "other.db"));
    Config other = config_;
    other.directory = dir_.path() / "other-keys";
    service_ = MUST(Service::create(other, {*other_store, clock_, web_.fetch(), keys().signer}));
    another_vault({.name = "myconfkv", .tenant = kTenant});
    EXPECT_EQ(restore(blob).status, 400);  // it has no key of backups yet
    ASSERT_EQ(make(collection(), "mine").status, 200);
    backed_up("mine");
    EXPECT_EQ(restore(blob).status, 400);
    EXPECT_EQ(listed("/" + collection()), std::vector<std::string>{"mine"});
    start();
}

TEST_P(BackupTest, HasALimitOfVersions) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    versions_in_store("obj", 501);
    Answer refused = officer("POST", active("obj") + "/backup");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.message(), testing::HasSubstr("500 versions"));
    EXPECT_EQ(recorded(refused).at(0).entry.outcome, audit::Outcome::failed);
    EXPECT_EQ(officer("POST", active("nope") + "/backup").code(), not_found());
    EXPECT_EQ(as(kReader, "POST", active("obj") + "/backup").status, 403);
    EXPECT_EQ(as(kUser, "POST", "/" + collection() + "/restore", {{"value", "AAAA"}}).status, 403);
}

using OneBackupTest = ObjectTest;

TEST_F(OneBackupTest, ARestoredKeyKeepsPolicyAndPrivateHalf) {
    Answer made = create("k", exportable_key("RSA-HSM"));
    ASSERT_EQ(made.status, 200);
    ASSERT_EQ(
        officer("PATCH", "/keys/k", {{"release_policy", envelope(tutorial_policy(), true)}}).status,
        200);
    Answer wrapped = as(kUser, "POST", "/keys/k/wrapkey", {{"alg", "RSA-OAEP"}, {"value", "AAAA"}});
    const Json before = officer("GET", "/keys/k").body;
    const Json blob = officer("POST", "/keys/k/backup").body;
    ASSERT_EQ(officer("DELETE", "/keys/k").status, 200);
    ASSERT_EQ(officer("DELETE", "/deletedkeys/k").status, 204);

    // Not into a standard vault: it has no HSM kinds.
    another_vault({.name = "plain", .sku = Sku::standard, .tenant = kTenant});
    EXPECT_EQ(in_vault("plain", "POST", "/keys/restore", blob).status, 403);
    EXPECT_EQ(in_vault("plain", "GET", "/keys/k").status, 404);

    EXPECT_EQ(officer("POST", "/keys/restore", blob).body, before);
    EXPECT_EQ(officer("GET", "/keys/k").body, before);
    const Json back = {{"alg", "RSA-OAEP"}, {"value", wrapped.body["value"]}};
    EXPECT_EQ(as(kUser, "POST", "/keys/k/unwrapkey", back).body["value"], "AAAA");
    EXPECT_EQ(as(kReleaser, "POST", "/keys/k/release",
                 {{"target", keys().attestation.token(attestation_claims())}})
                  .status,
              200);
    EXPECT_THAT(
        officer("PATCH", "/keys/k", {{"release_policy", envelope(tutorial_policy())}}).message(),
        testing::StartsWith("AKV.SKR.1020"));
}

TEST_F(OneBackupTest, HoldsNothingReadable) {
    const std::string value = "a-value-to-look-for";
    ASSERT_EQ(set("looked-for", {{"value", value}}).status, 200);
    const Json blob = officer("POST", "/secrets/looked-for/backup").body;
    const std::string bytes = to_text(MUST(decode_base64url(blob["value"].get<std::string>())));
    EXPECT_EQ(bytes.find(value), std::string::npos);
    EXPECT_EQ(bytes.find("looked-for"), std::string::npos);
}

TEST_F(OneBackupTest, HasALimitOfBytes) {
    const std::string value(25 << 10, 'x');
    for (int i = 0; i < 121; ++i) ASSERT_EQ(set("s", {{"value", value}}).status, 200);
    Answer fits = officer("POST", "/secrets/s/backup");
    ASSERT_EQ(fits.status, 200);
    for (int i = 0; i < 2; ++i) ASSERT_EQ(set("s", {{"value", value}}).status, 200);
    EXPECT_EQ(officer("POST", "/secrets/s/backup").status, 400);
    ASSERT_EQ(officer("DELETE", "/secrets/s").status, 200);
    ASSERT_EQ(officer("DELETE", "/deletedsecrets/s").status, 204);
    Answer back = officer("POST", "/secrets/restore", fits.body);
    EXPECT_EQ(back.status, 200) << back.message();
    EXPECT_TRUE(as(kReader, "GET", "/secrets/s").body["value"] == value);
}

TEST_F(OneBackupTest, KeysAndSecretsMayBeCalledRestore) {
    // The literal counts for the POST with two segments alone (azure-api A.2).
    ASSERT_EQ(make("keys", "restore").status, 200);
    ASSERT_EQ(make("secrets", "restore").status, 200);
    EXPECT_EQ(officer("GET", "/keys/restore").status, 200);
    EXPECT_EQ(officer("GET", "/secrets/restore").body["value"], "the value");
    EXPECT_EQ(officer("POST", "/secrets/restore/backup").status, 200);
    EXPECT_EQ(officer("DELETE", "/keys/restore").status, 200);
}

}  // namespace
}  // namespace vouchsafe::vault::test
