// Soft delete of keys and secrets.
#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

class DeletionTest : public EachCollection {
  protected:
    // set_purge_date makes the deletion in vault "short" due at another time. Access tokens of the
    // tests do not last until the true one.
    void set_purge_date(int64_t when) {
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            const std::string key = collection() + "/short/obj";
            Json deletion = TRY(parse_json(to_text(TRY(tx.get("vault_deleted", key)).value())));
            deletion["purge"] = when;
            return tx.put("vault_deleted", key, as_bytes(dump_json(deletion)));
        }));
    }
};
INSTANTIATE_TEST_SUITE_P(Collections, DeletionTest, testing::Values("keys", "secrets"));

TEST_P(DeletionTest, DeletesWholeAndRecoversTheSame) {
    Answer first = make(collection(), "Obj");
    Answer second = make(collection(), "obj");
    const Answer before = officer("GET", active("obj"));
    clock_.set(kNow + Seconds(7));
    Answer gone = officer("DELETE", active("OBJ"));
    ASSERT_EQ(gone.status, 200) << dump_json(gone.body);
    EXPECT_EQ(gone.body["recoveryId"], kBase + deleted("Obj"));
    EXPECT_EQ(gone.body["deletedDate"], to_unix(kNow) + 7);
    EXPECT_EQ(gone.body["scheduledPurgeDate"], to_unix(kNow) + 7 + 90 * kDay);
    EXPECT_EQ(id_of(gone), id_of(second));
    EXPECT_FALSE(gone.body.contains("value"));
    EXPECT_EQ(gone.body["attributes"], before.body["attributes"]);
    EXPECT_EQ(officer("GET", deleted("obj")).body, gone.body);
    EXPECT_EQ(recorded(gone).at(0).entry.action, collection() + "/delete");

    // It is nowhere among the active ones.
    for (const std::string& path : {active("obj"), active("obj") + "/versions",
                                    path_of_object(first), path_of_object(second)}) {
        Answer answer = officer("GET", path);
        EXPECT_EQ(answer.status, 404) << path;
        EXPECT_EQ(answer.code(), not_found());
    }
    EXPECT_EQ(officer("PATCH", active("obj"), Json::object()).status, 404);
    EXPECT_EQ(officer("DELETE", active("obj")).status, 404);
    EXPECT_EQ(officer("POST", active("obj") + "/backup").status, 404);
    EXPECT_TRUE(listed("/" + collection()).empty());

    clock_.set(kNow + Seconds(20));
    Answer back = officer("POST", deleted("obj") + "/recover", Json::object());
    ASSERT_EQ(back.status, 200) << dump_json(back.body);
    EXPECT_FALSE(back.body.contains("value"));
    EXPECT_FALSE(back.body.contains("recoveryId"));
    EXPECT_EQ(officer("GET", active("obj")).body, before.body);
    EXPECT_EQ(officer("GET", path_of_object(first)).status, 200);
    EXPECT_EQ(listed("/" + collection()), std::vector<std::string>{"Obj"});
    EXPECT_TRUE(listed(deleted()).empty());
    EXPECT_EQ(officer("GET", deleted("obj")).status, 404);
    EXPECT_EQ(officer("POST", deleted("obj") + "/recover").code(), not_found());
    EXPECT_EQ(officer("DELETE", deleted("obj")).status, 404);  // an active one is not purged
}

TEST_P(DeletionTest, TheNameStaysTaken) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    ASSERT_EQ(officer("DELETE", active("obj")).status, 200);
    Answer again = make(collection(), "OBJ");
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(again.code(), "Conflict");
    EXPECT_EQ(again.inner(), "ObjectIsDeletedButRecoverable");
    EXPECT_EQ(again.check(), "VAULT-NAME-FREE");
    EXPECT_EQ(recorded(again).at(0).entry.outcome, audit::Outcome::refused);
    EXPECT_EQ(listed(deleted()), std::vector<std::string>{"obj"});
    // Of this collection in this vault alone.
    EXPECT_EQ(make(collection() == "keys" ? "secrets" : "keys", "obj").status, 200);
    another_vault({.name = "second", .tenant = kTenant});
    EXPECT_EQ(in_vault("second", "POST", "/keys/obj/create", {{"kty", "EC"}}).status, 200);
    EXPECT_EQ(in_vault("second", "PUT", "/secrets/obj", {{"value", "v"}}).status, 200);
    EXPECT_EQ(in_vault("second", "GET", deleted("obj")).status, 404);
    EXPECT_EQ(make(collection(), "object").status, 200);
}

TEST_P(DeletionTest, PurgesForGood) {
    Answer made = make(collection(), "obj");
    ASSERT_EQ(make(collection(), "obj").status, 200);
    ASSERT_EQ(make(collection(), "obj2").status, 200);  // a neighbour by name
    ASSERT_EQ(officer("DELETE", active("obj")).status, 200);
    Answer purged = officer("DELETE", deleted("obj"));
    EXPECT_EQ(purged.status, 204);
    EXPECT_TRUE(purged.body.is_null());
    EXPECT_EQ(recorded(purged).at(0).entry.action, "deleted" + collection() + "/purge");
    EXPECT_EQ(officer("GET", deleted("obj")).status, 404);
    EXPECT_EQ(officer("DELETE", deleted("obj")).status, 404);
    EXPECT_EQ(officer("POST", deleted("obj") + "/recover").status, 404);
    MUST(store_->read([](store::View& view) -> Result<void> {
        for (const char* table : {"vault_key_secret", "vault_key_version", "vault_secret_value",
                                  "vault_secret_version", "vault_deleted", "vault_purge_due"}) {
            for (const store::Record& record : TRY(view.scan(table, "", "", 10))) {
                EXPECT_THAT(record.key, testing::HasSubstr("/obj2/")) << table;
            }
        }
        return {};
    }));
    EXPECT_EQ(officer("GET", active("obj2")).status, 200);
    // A new one of that name is another one.
    Answer next = make(collection(), "obj");
    ASSERT_EQ(next.status, 200);
    EXPECT_EQ(officer("GET", path_of_object(made)).status, 404);
    EXPECT_EQ(listed(active("obj") + "/versions").size(), 1u);
}

TEST_P(DeletionTest, ListsTheDeletedInPages) {
    for (const char* name : {"c", "A", "b", "d"}) {
        ASSERT_EQ(make(collection(), name).status, 200);
    }
    for (const char* name : {"c", "A", "b"}) {
        ASSERT_EQ(officer("DELETE", active(name)).status, 200);
    }
    EXPECT_EQ(listed("/" + collection()), std::vector<std::string>{"d"});
    EXPECT_EQ(listed(deleted()), (std::vector<std::string>{"A", "b", "c"}));
    Answer page = officer("GET", deleted() + "?maxresults=2");
    ASSERT_EQ(page.body["value"].size(), 2u);
    const Json& item = page.body["value"][0];
    EXPECT_EQ(item["recoveryId"], kBase + deleted("A"));
    EXPECT_EQ(item["deletedDate"], to_unix(kNow));
    EXPECT_EQ(item["scheduledPurgeDate"], to_unix(kNow) + 90 * kDay);
    const std::string next = page.body["nextLink"];
    ASSERT_THAT(next, testing::StartsWith(kBase + deleted() + "?"));
    Answer rest =
        send("GET", next.substr(std::string_view(kBase).size()), "", access_token(kOfficer));
    ASSERT_EQ(rest.body["value"].size(), 1u);
    EXPECT_TRUE(rest.body["nextLink"].is_null());
    EXPECT_EQ(officer("GET", deleted() + "?maxresults=0").status, 400);
}

TEST_P(DeletionTest, RetentionPurgesOnAccess) {
    another_vault({.name = "short", .tenant = kTenant, .retention_days = 7});
    const auto here = [&](std::string_view method, const std::string& path) {
        return in_vault("short", method, path);
    };
    const auto make_here = [&] {
        return collection() == "keys"
                   ? in_vault("short", "POST", "/keys/obj/create", {{"kty", "EC"}})
                   : in_vault("short", "PUT", "/secrets/obj", {{"value", "v"}});
    };
    Answer made = make_here();
    EXPECT_EQ(made.body["attributes"]["recoverableDays"], 7);
    EXPECT_EQ(made.body["attributes"]["recoveryLevel"], "CustomizedRecoverable+Purgeable");
    ASSERT_EQ(here("DELETE", active("obj")).status, 200);
    clock_.set(kNow + Seconds(10));
    EXPECT_EQ(MUST(service_->purge_due()), 0u);
    EXPECT_EQ(here("GET", deleted("obj")).status, 200);
    // The same deletion, due now.
    set_purge_date(to_unix(kNow) + 10);
    EXPECT_EQ(here("GET", deleted()).body["value"].size(), 0u);
    EXPECT_EQ(here("GET", deleted("obj")).status, 404);
    const auto entries = log();
    const audit::Entry& entry = entries.back().entry;
    EXPECT_EQ(entry.actor, "retention");
    EXPECT_EQ(entry.action, "deleted" + collection() + "/purge");
    EXPECT_THAT(entry.resource, testing::EndsWith("/vaults/short/" + collection() + "/obj"));
    EXPECT_EQ(make_here().status, 200);
    EXPECT_EQ(here("GET", active("obj")).status, 200);
    EXPECT_EQ(in_vault("short", "GET", path_of_object(made)).status, 404);

    // Making one is an access too; recovering one that is due is too late.
    ASSERT_EQ(here("DELETE", active("obj")).status, 200);
    set_purge_date(to_unix(kNow) + 10);
    EXPECT_EQ(here("POST", deleted("obj") + "/recover").status, 404);
    EXPECT_EQ(make_here().status, 200);
    ASSERT_EQ(here("DELETE", active("obj")).status, 200);
    set_purge_date(to_unix(kNow) + 10);
    EXPECT_EQ(make_here().status, 200);
}

TEST_P(DeletionTest, TheSweepPurgesWhatIsDueInAllVaults) {
    another_vault({.name = "short", .tenant = kTenant, .retention_days = 7});
    another_vault(
        {.name = "safe", .tenant = kTenant, .retention_days = 7, .purge_protection = true});
    for (const char* vault : {"short", "safe", "myconfkv"}) {
        ASSERT_EQ(in_vault(vault, "POST", "/keys/obj/create", {{"kty", "EC"}}).status, 200);
        ASSERT_EQ(in_vault(vault, "DELETE", "/keys/obj").status, 200);
    }
    ASSERT_EQ(in_vault("short", "POST", "/keys/kept/create", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(in_vault("short", "DELETE", "/keys/kept").status, 200);
    ASSERT_EQ(in_vault("short", "POST", "/deletedkeys/kept/recover").status, 200);
    clock_.set(kNow + Seconds(7 * kDay - 1));
    EXPECT_EQ(MUST(service_->purge_due()), 0u);
    clock_.set(kNow + Seconds(7 * kDay));
    EXPECT_EQ(MUST(service_->purge_due()), 2u);  // protection ends with the retention
    EXPECT_EQ(MUST(service_->purge_due()), 0u);
    clock_.set(kNow + Seconds(90 * kDay));
    EXPECT_EQ(MUST(service_->purge_due()), 1u);
    clock_.set(kNow);
    EXPECT_EQ(in_vault("short", "GET", "/keys/kept").status, 200);
    EXPECT_EQ(in_vault("safe", "GET", "/deletedkeys/obj").status, 404);
    size_t by_retention = 0;
    for (const audit::StoredEntry& stored : log()) {
        by_retention += stored.entry.actor == "retention" ? 1 : 0;
    }
    EXPECT_EQ(by_retention, 3u);
}

TEST_P(DeletionTest, ADamagedRecordDoesNotKeepTheSweepFromTheRest) {
    for (const char* name : {"a", "b", "c"}) {
        ASSERT_EQ(make(collection(), name).status, 200);
        ASSERT_EQ(officer("DELETE", active(name)).status, 200);
    }
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        return tx.put("vault_deleted", collection() + "/myconfkv/b", as_bytes("{}"));
    }));
    clock_.set(kNow + Seconds(90 * kDay));
    const Result<size_t> purged = service_->purge_due();
    ASSERT_FALSE(purged);
    EXPECT_EQ(purged.error().code, Code::io);
    clock_.set(kNow);
    EXPECT_EQ(officer("GET", deleted("a")).status, 404);
    EXPECT_EQ(officer("GET", deleted("b")).status, 500);
    EXPECT_EQ(officer("GET", deleted("c")).status, 404);
}

TEST_P(DeletionTest, PurgeProtectionHoldsAndStays) {
    another_vault({.name = "safe", .tenant = kTenant, .purge_protection = true});
    ASSERT_EQ(in_vault("safe", "PUT", "/secrets/obj", {{"value", "v"}}).status, 200);
    Answer made = in_vault("safe", "POST", "/keys/obj/create", {{"kty", "EC"}});
    EXPECT_EQ(made.body["attributes"]["recoveryLevel"], "Recoverable");
    ASSERT_EQ(in_vault("safe", "DELETE", active("obj")).status, 200);
    Answer refused = in_vault("safe", "DELETE", deleted("obj"));
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.code(), "Forbidden");
    EXPECT_EQ(refused.check(), "VAULT-PURGE-PROTECTION");
    EXPECT_EQ(in_vault("safe", "GET", deleted("obj")).status, 200);
    EXPECT_EQ(in_vault("safe", "DELETE", deleted("nope")).status, 404);

    // Turned on later it holds for what was deleted before.
    ASSERT_EQ(make(collection(), "obj").status, 200);
    ASSERT_EQ(officer("DELETE", active("obj")).status, 200);
    EXPECT_TRUE(MUST(service_->protect_from_purge("MyConfKV")).purge_protection);
    EXPECT_TRUE(MUST(service_->protect_from_purge("myconfkv")).purge_protection);
    EXPECT_TRUE(MUST(service_->find_vault("myconfkv")).purge_protection);
    EXPECT_EQ(MUST(service_->protect_from_purge("myconfkv")).retention_days, 90);
    EXPECT_EQ(officer("DELETE", deleted("obj")).check(), "VAULT-PURGE-PROTECTION");
    EXPECT_EQ(officer("POST", deleted("obj") + "/recover").body["attributes"]["recoveryLevel"],
              "Recoverable");
    EXPECT_FALSE(service_->protect_from_purge("nope"));
}

TEST_P(DeletionTest, ClosesAWholeVaultUntilItIsRecovered) {
    Administration& admin = service_->administration();
    ASSERT_EQ(make(collection(), "obj").status, 200);
    const Answer before = officer("GET", active("obj"));
    ASSERT_EQ(before.status, 200);
    EXPECT_TRUE(MUST(admin.delete_vault("MYCONFKV")).deleted);
    const uint64_t entries = MUST(service_->audit().size());
    EXPECT_TRUE(MUST(admin.delete_vault(vault_.name)).deleted);
    EXPECT_EQ(MUST(service_->audit().size()), entries);

    EXPECT_EQ(officer("GET", active("obj")).status, 404);
    EXPECT_EQ(officer("GET", "/" + collection()).status, 404);
    EXPECT_EQ(make(collection(), "new").status, 404);
    EXPECT_TRUE(MUST(service_->find_vault(vault_.name)).deleted);
    VaultSpec same;
    same.name = vault_.name;
    same.tenant = vault_.tenant;
    EXPECT_EQ(service_->create_vault(same).error().code, Code::conflict);

    const uint64_t closed = MUST(service_->audit().size());
    EXPECT_FALSE(MUST(admin.recover_vault(vault_.name)).deleted);
    EXPECT_FALSE(MUST(admin.recover_vault(vault_.name)).deleted);
    EXPECT_EQ(MUST(service_->audit().size()), closed + 1);
    EXPECT_EQ(officer("GET", active("obj")).body, before.body);
    EXPECT_EQ(officer("GET", active("new")).status, 404);
    EXPECT_EQ(admin.delete_vault("nope").error().code, Code::not_found);
    EXPECT_EQ(admin.recover_vault("nope").error().code, Code::not_found);
}

TEST_P(DeletionTest, PurgesAWholeVault) {
    Administration& admin = service_->administration();
    ASSERT_EQ(make(collection(), "obj").status, 200);
    ASSERT_EQ(make(collection(), "gone").status, 200);
    ASSERT_EQ(officer("DELETE", active("gone")).status, 200);
    MUST(admin.set_access_policy(vault_.name, {kOfficer, "", {"get"}, {"get"}}));
    EXPECT_EQ(service_->purge_vault(vault_.name).error().code, Code::conflict);
    EXPECT_EQ(service_->purge_vault("nope").error().code, Code::not_found);
    EXPECT_EQ(officer("GET", active("obj")).status, 200);
    MUST(admin.delete_vault(vault_.name));
    MUST(service_->purge_vault("MYCONFKV", "somebody"));
    EXPECT_EQ(service_->purge_vault(vault_.name).error().code, Code::not_found);
    const auto entries = MUST(service_->audit().entries(MUST(service_->audit().size()) - 1, 1));
    EXPECT_EQ(entries.at(0).entry.actor, "somebody");
    EXPECT_EQ(entries.at(0).entry.details[collection()], 2);

    // Nothing of it is left but what belongs to no vault.
    VaultSpec same;
    same.name = vault_.name;
    same.tenant = vault_.tenant;
    same.retention_days = 7;
    MUST(service_->create_vault(same));
    EXPECT_EQ(officer("GET", active("obj")).status, 403);
    EXPECT_TRUE(MUST(admin.access_policies(vault_.name)).empty());
    MUST(admin.assign_role(kOfficer, "Key Vault Administrator", vault_.resource_id));
    EXPECT_TRUE(listed("/" + collection()).empty());
    EXPECT_TRUE(listed(deleted()).empty());
    EXPECT_EQ(make(collection(), "gone").status, 200);
    MUST(store_->read([&](store::View& view) -> Result<void> {
        for (const char* table : {"vault_key_version", "vault_key_secret", "vault_secret_version",
                                  "vault_secret_value"}) {
            for (const store::Record& record : TRY(view.scan(table, "myconfkv/", "", 100))) {
                EXPECT_TRUE(record.key.starts_with("myconfkv/gone/")) << table << record.key;
            }
        }
        EXPECT_TRUE(TRY(view.scan("vault_purge_due", "", "", 100)).empty());
        return {};
    }));
}

TEST_P(DeletionTest, DoesNotPurgeAProtectedVaultBeforeItsTime) {
    Administration& admin = service_->administration();
    VaultSpec spec;
    spec.name = "guarded";
    spec.tenant = vault_.tenant;
    spec.retention_days = 7;
    spec.purge_protection = true;
    MUST(service_->create_vault(spec));
    MUST(admin.delete_vault("guarded"));
    EXPECT_EQ(service_->purge_vault("guarded").error().code, Code::forbidden);
    clock_.set(kNow + Seconds(7 * kDay - 1));
    EXPECT_EQ(service_->purge_vault("guarded").error().code, Code::forbidden);
    EXPECT_TRUE(MUST(service_->find_vault("guarded")).deleted);
    clock_.set(kNow + Seconds(7 * kDay));
    MUST(service_->purge_vault("guarded"));
    EXPECT_FALSE(service_->find_vault("guarded"));
}

TEST_P(DeletionTest, NeedsARoleForEachAct) {
    ASSERT_EQ(make(collection(), "obj").status, 200);
    EXPECT_EQ(as(kUser, "DELETE", active("obj")).inner(), "ForbiddenByRbac");
    EXPECT_EQ(as(kReader, "DELETE", active("obj")).inner(), "ForbiddenByRbac");
    ASSERT_EQ(officer("DELETE", active("obj")).status, 200);
    const char* const reader = collection() == "keys" ? kUser : kReader;
    EXPECT_EQ(as(reader, "GET", deleted("obj")).status, 200);
    EXPECT_EQ(as(reader, "GET", deleted()).status, 200);
    EXPECT_EQ(as(reader, "DELETE", deleted("obj")).status, 403);
    EXPECT_EQ(as(reader, "POST", deleted("obj") + "/recover").status, 403);
    EXPECT_EQ(as(kNobody, "GET", deleted("obj")).status, 403);
    EXPECT_EQ(officer("GET", deleted("obj")).status, 200);
}

TEST_P(DeletionTest, WhatCannotBeRecordedDoesNotHappen) {
    ASSERT_EQ(make(collection(), "kept").status, 200);
    ASSERT_EQ(make(collection(), "gone").status, 200);
    ASSERT_EQ(officer("DELETE", active("gone")).status, 200);
    store_->failing_table = "audit_entry";
    EXPECT_EQ(officer("DELETE", active("kept")).status, 500);
    EXPECT_EQ(officer("DELETE", deleted("gone")).status, 500);
    EXPECT_EQ(officer("POST", deleted("gone") + "/recover").status, 500);
    clock_.set(kNow + Seconds(90 * kDay));
    EXPECT_FALSE(service_->purge_due());
    clock_.set(kNow);
    store_->failing_table.clear();
    EXPECT_EQ(listed("/" + collection()), std::vector<std::string>{"kept"});
    EXPECT_EQ(listed(deleted()), std::vector<std::string>{"gone"});
    EXPECT_EQ(officer("POST", deleted("gone") + "/recover").status, 200);
}

TEST_P(DeletionTest, RefusesMalformedNames) {
    for (const char* name : {"a_b", "a.b", "%41"}) {
        for (const std::string& path : {active(name), deleted(name)}) {
            EXPECT_EQ(officer("DELETE", path).status, 400) << path;
        }
        EXPECT_EQ(officer("GET", deleted(name)).status, 400);
        EXPECT_EQ(officer("POST", deleted(name) + "/recover").status, 400);
    }
    EXPECT_EQ(officer("DELETE", active(std::string(128, 'k'))).status, 400);
    EXPECT_EQ(officer("GET", deleted(std::string(127, 'k'))).status, 404);
    EXPECT_EQ(officer("PUT", deleted("k")).status, 405);
}

using DeletedKeyTest = ObjectTest;

TEST_F(DeletedKeyTest, IsNeitherUsedNorReleased) {
    ASSERT_EQ(create("k", exportable_key()).status, 200);
    Answer rsa = create("rsa", {{"kty", "RSA"}});
    Answer wrapped =
        as(kUser, "POST", "/keys/rsa/wrapkey", {{"alg", "RSA-OAEP"}, {"value", "AAAA"}});
    const auto release = [&] {
        return as(kReleaser, "POST", "/keys/k/release",
                  {{"target", keys().attestation.token(attestation_claims())}});
    };
    const auto unwrap = [&](const std::string& path) {
        return as(kUser, "POST", path + "/unwrapkey",
                  {{"alg", "RSA-OAEP"}, {"value", wrapped.body["value"]}});
    };
    ASSERT_EQ(release().status, 200);
    ASSERT_EQ(officer("DELETE", "/keys/k").status, 200);
    ASSERT_EQ(officer("DELETE", "/keys/rsa").status, 200);
    EXPECT_EQ(release().code(), "KeyNotFound");
    EXPECT_EQ(unwrap("/keys/rsa").status, 404);
    EXPECT_EQ(unwrap(path_of_object(rsa)).status, 404);
    ASSERT_EQ(officer("POST", "/deletedkeys/k/recover").status, 200);
    ASSERT_EQ(officer("POST", "/deletedkeys/rsa/recover").status, 200);
    EXPECT_EQ(release().status, 200);
    EXPECT_EQ(unwrap(path_of_object(rsa)).body["value"], "AAAA");
}

TEST_F(DeletedKeyTest, DeletedDuringItsReleaseIsNotReleased) {
    ASSERT_EQ(create("k", exportable_key()).status, 200);
    auto fetch = web_.fetch();
    const auto meddling = [&](const std::string& url) {
        if (url == std::string(kAuthority) + "/certs") {
            EXPECT_EQ(officer("DELETE", "/keys/k").status, 200);
        }
        return fetch(url);
    };
    service_ = MUST(Service::create(config_, {*store_, clock_, meddling, keys().signer}));
    Answer answer = as(kReleaser, "POST", "/keys/k/release",
                       {{"target", keys().attestation.token(attestation_claims())}});
    EXPECT_EQ(answer.status, 404);
    EXPECT_FALSE(answer.body.contains("value"));
}

TEST_F(DeletedKeyTest, AVaultSaysHowLongAndKeepsIt) {
    for (int days : {6, 91, 0, -1}) {
        EXPECT_FALSE(
            service_->create_vault({.name = "bad", .tenant = kTenant, .retention_days = days}))
            << days;
    }
    const struct {
        int days;
        bool protection;
        const char* level;
    } vaults[] = {{90, false, "Recoverable+Purgeable"},
                  {90, true, "Recoverable"},
                  {89, false, "CustomizedRecoverable+Purgeable"},
                  {7, true, "CustomizedRecoverable"}};
    int count = 0;
    for (const auto& vault : vaults) {
        const std::string name = "vault" + std::to_string(count++);
        another_vault({.name = name,
                       .tenant = kTenant,
                       .retention_days = vault.days,
                       .purge_protection = vault.protection});
        const VaultInfo found = MUST(service_->find_vault(name));
        EXPECT_EQ(found.retention_days, vault.days);
        EXPECT_EQ(found.purge_protection, vault.protection);
        Answer made = in_vault(name, "PUT", "/secrets/s", {{"value", "v"}});
        EXPECT_EQ(made.body["attributes"]["recoveryLevel"], vault.level);
        EXPECT_EQ(made.body["attributes"]["recoverableDays"], vault.days);
        Answer gone = in_vault(name, "DELETE", "/secrets/s");
        EXPECT_EQ(gone.body["scheduledPurgeDate"], to_unix(kNow) + vault.days * kDay);
    }
}

TEST_F(DeletedKeyTest, AVaultFromBeforeSoftDeleteIsReadWithAzuresDefaults) {
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        const Json old = {{"name", "old"},
                          {"sku", "premium"},
                          {"tenant", kTenant},
                          {"resource_id", "/subscriptions/s/x/vaults/old"}};
        return tx.insert("vault", "old", as_bytes(dump_json(old)));
    }));
    const VaultInfo old = MUST(service_->find_vault("old"));
    EXPECT_EQ(old.retention_days, 90);
    EXPECT_FALSE(old.purge_protection);
}

}  // namespace
}  // namespace vouchsafe::vault::test
