// Rotation by request and by policy.
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr Seconds kDay{24 * 3600};

Json rotate_after(const char* period, const char* expiry = nullptr) {
    Json out = {{"lifetimeActions", Json::array({{{"trigger", {{"timeAfterCreate", period}}},
                                                  {"action", {{"type", "Rotate"}}}}})}};
    if (expiry != nullptr) out["attributes"] = {{"expiryTime", expiry}};
    return out;
}

class RotationTest : public VaultTest {
  protected:
    // as is VaultTest's with a token of the time on the clock.
    Answer as(const char* who, const char* method, const std::string& path,
              const Json& body = nullptr) {
        Json claims = access_claims(who);
        claims["iat"] = claims["nbf"] = to_unix(clock_.now());
        claims["exp"] = to_unix(clock_.now()) + 3600;
        return send(method, path + "?api-version=7.4", body.is_null() ? "" : dump_json(body),
                    keys().login.token(claims));
    }
    Answer rotate(const std::string& name) {
        return as(kOfficer, "POST", "/keys/" + name + "/rotate");
    }
    Answer set_policy(const std::string& name, const Json& policy) {
        return as(kOfficer, "PUT", "/keys/" + name + "/rotationpolicy", policy);
    }
    Answer get(const std::string& name) { return as(kOfficer, "GET", "/keys/" + name); }
    size_t versions(const std::string& name) {
        return as(kOfficer, "GET", "/keys/" + name + "/versions").body["value"].size();
    }
    size_t index_size() {
        std::vector<store::Record> records;
        MUST(store_->read([&](store::View& view) -> Result<void> {
            records = TRY(view.scan("vault_rotation", "", "", 100));
            return {};
        }));
        return records.size();
    }
    size_t sweep() { return MUST(service_->rotate_due_keys()); }
};

TEST_F(RotationTest, MakesANewVersionOfTheSameKind) {
    const Json kinds[] = {
        {{"kty", "EC"}, {"crv", "P-384"}, {"key_ops", {"sign"}}, {"tags", {{"a", "b"}}}},
        {{"kty", "EC-HSM"}, {"crv", "P-256K"}},
        {{"kty", "RSA"}, {"key_size", 3072}},
        {{"kty", "oct-HSM"}, {"key_size", 192}},
        exportable_key(),
    };
    int number = 0;
    for (const Json& kind : kinds) {
        const std::string name = "k" + std::to_string(number++);
        Answer first = create(name, kind);
        ASSERT_EQ(first.status, 200) << dump_json(first.body);
        clock_.set(clock_.now() + Seconds(5));
        Answer second = rotate(name);
        ASSERT_EQ(second.status, 200) << dump_json(second.body);
        EXPECT_NE(second.body["key"]["kid"], first.body["key"]["kid"]);
        for (const char* same : {"kty", "key_ops", "crv"}) {
            EXPECT_EQ(second.body["key"].value(same, Json()),
                      first.body["key"].value(same, Json()));
        }
        EXPECT_EQ(second.body.value("tags", Json()), first.body.value("tags", Json()));
        EXPECT_EQ(second.body.value("release_policy", Json()),
                  first.body.value("release_policy", Json()));
        EXPECT_EQ(second.body["attributes"]["exportable"], first.body["attributes"]["exportable"]);
        EXPECT_FALSE(second.body["attributes"].contains("exp"));
        EXPECT_EQ(get(name).body, second.body);
        EXPECT_EQ(recorded(second).at(0).entry.action, "keys/rotate");
        if (kind["kty"] == "RSA") {
            EXPECT_EQ(MUST(jose::parse_jwk(second.body["key"])).bits(), 3072U);
            EXPECT_NE(second.body["key"]["n"], first.body["key"]["n"]);
        }
    }
    EXPECT_EQ(rotate("nope").status, 404);
    EXPECT_EQ(as(kUser, "POST", "/keys/k0/rotate").status, 403);
    EXPECT_EQ(send("POST", "/keys/k0/rotate?api-version=7.2", "", access_token(kOfficer)).status,
              400);
    EXPECT_EQ(versions("k0"), 2U);
}

TEST_F(RotationTest, ShowsADefaultAndKeepsWhatIsSet) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    const std::string id = "https://myconfkv.vault.azure.net/keys/k/rotationpolicy";
    const Json notify = {{"trigger", {{"timeBeforeExpiry", "P30D"}}},
                         {"action", {{"type", "Notify"}}}};
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k/rotationpolicy").body,
              Json({{"id", id},
                    {"lifetimeActions", Json::array({notify})},
                    {"attributes", Json::object()}}));
    Json policy = rotate_after("P90D", "P2Y");
    policy["lifetimeActions"].push_back(notify);
    Answer set = set_policy("k", policy);
    ASSERT_EQ(set.status, 200) << dump_json(set.body);
    policy["id"] = id;
    policy["attributes"]["created"] = policy["attributes"]["updated"] = to_unix(kNow);
    EXPECT_EQ(set.body, policy);
    EXPECT_EQ(recorded(set).at(0).entry.action, "keys/rotationpolicy/set");

    clock_.set(kNow + Seconds(9));
    Answer changed = set_policy("k", rotate_after("P1M"));
    EXPECT_EQ(changed.body["attributes"],
              Json({{"created", to_unix(kNow)}, {"updated", to_unix(kNow) + 9}}));
    EXPECT_EQ(as(kOfficer, "GET", "/keys/K/rotationpolicy").body, changed.body);

    for (const Json& bad : {Json(rotate_after("P6D")), Json(rotate_after("soon")), Json::array()}) {
        EXPECT_EQ(set_policy("k", bad).status, 400) << dump_json(bad);
    }
    EXPECT_EQ(as(kOfficer, "PUT", "/keys/k/rotationpolicy").status, 400);
    EXPECT_EQ(set_policy("nope", policy).status, 404);
    EXPECT_EQ(as(kUser, "GET", "/keys/k/rotationpolicy").status, 403);
    EXPECT_EQ(as(kUser, "PUT", "/keys/k/rotationpolicy", policy).status, 403);
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k/rotationpolicy").body, changed.body);
}

TEST_F(RotationTest, RotatesWhatIsDueAndNothingElse) {
    ASSERT_EQ(create("due", exportable_key()).status, 200);
    ASSERT_EQ(create("later", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(create("never", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(set_policy("due", rotate_after("P10D", "P60D")).status, 200);
    ASSERT_EQ(set_policy("later", rotate_after("P20D")).status, 200);
    const Answer before = get("due");
    clock_.set(kNow + 10 * kDay - Seconds(1));
    EXPECT_EQ(sweep(), 0U);
    clock_.set(kNow + 10 * kDay);
    EXPECT_EQ(sweep(), 1U);
    EXPECT_EQ(sweep(), 0U) << "once";
    const Answer after = get("due");
    EXPECT_NE(after.body["key"]["kid"], before.body["key"]["kid"]);
    EXPECT_EQ(after.body["attributes"]["exp"], to_unix(kNow + 70 * kDay));
    EXPECT_EQ(after.body["release_policy"], before.body["release_policy"]);
    EXPECT_EQ(versions("later"), 1U);

    const auto entries = MUST(service_->audit().entries(MUST(service_->audit().size()) - 1, 1));
    const audit::Entry& last = entries.at(0).entry;
    EXPECT_EQ(last.action, "keys/rotate");
    EXPECT_EQ(last.actor, "vault");
    EXPECT_EQ(last.resource, vault_.resource_id + "/keys/due");
    EXPECT_EQ(last.details["cause"], "rotation policy");

    // The new version is due in its turn, after which each key has what it should.
    clock_.set(kNow + 20 * kDay);
    EXPECT_EQ(sweep(), 2U);
    EXPECT_EQ(versions("due"), 3U);
    EXPECT_EQ(versions("later"), 2U);
    EXPECT_EQ(versions("never"), 1U);
    EXPECT_EQ(index_size(), 2U);
}

TEST_F(RotationTest, FollowsChangesOfPolicyAndExpiry) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(set_policy("k", rotate_after("P10D")).status, 200);
    ASSERT_EQ(set_policy("k", rotate_after("P30D")).status, 200);
    clock_.set(kNow + 20 * kDay);
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(index_size(), 1U) << "the outdated entry is gone";
    ASSERT_EQ(set_policy("k", Json::object()).status, 200);
    clock_.set(kNow + 40 * kDay);
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(index_size(), 0U);

    Json before_expiry = rotate_after("P30D", "P90D");
    before_expiry["lifetimeActions"][0]["trigger"] = {{"timeBeforeExpiry", "P30D"}};
    ASSERT_EQ(set_policy("k", before_expiry).status, 200);
    EXPECT_EQ(sweep(), 0U) << "a version without expiry";
    ASSERT_EQ(
        as(kOfficer, "PATCH", "/keys/k", {{"attributes", {{"exp", to_unix(kNow + 75 * kDay)}}}})
            .status,
        200);
    EXPECT_EQ(sweep(), 0U);
    clock_.set(kNow + 45 * kDay);
    EXPECT_EQ(sweep(), 1U);
    EXPECT_EQ(get("k").body["attributes"]["exp"], to_unix(kNow + 135 * kDay));
}

TEST_F(RotationTest, LeavesDisabledAndDeletedKeysAlone) {
    for (const char* name : {"off", "gone"}) {
        ASSERT_EQ(create(name, {{"kty", "EC"}}).status, 200);
        ASSERT_EQ(set_policy(name, rotate_after("P10D")).status, 200);
    }
    ASSERT_EQ(as(kOfficer, "PATCH", "/keys/off", {{"attributes", {{"enabled", false}}}}).status,
              200);
    std::optional<Bytes> record;
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        record = TRY(tx.get("vault_key", "myconfkv/gone"));
        TRY(tx.erase("vault_key", "myconfkv/gone"));
        return {};
    }));
    clock_.set(kNow + 11 * kDay);
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(versions("off"), 1U);
    EXPECT_EQ(index_size(), 2U);
    // Both are looked at again a day later: one was enabled, the other one recovered.
    ASSERT_EQ(as(kOfficer, "PATCH", "/keys/off", {{"attributes", {{"enabled", true}}}}).status,
              200);
    MUST(store_->run(
        [&](store::Transaction& tx) { return tx.put("vault_key", "myconfkv/gone", *record); }));
    clock_.set(kNow + 12 * kDay);
    EXPECT_EQ(sweep(), 2U);
    // A key that stays away is forgotten when it cannot be recovered any more.
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("vault_key", "myconfkv/gone"));
        return {};
    }));
    for (int day = 22; day < 120; ++day) {
        clock_.set(kNow + day * kDay);
        ASSERT_TRUE(service_->rotate_due_keys());
    }
    EXPECT_EQ(index_size(), 1U);
}

TEST_F(RotationTest, AKeyThatCannotBeRotatedStopsNoOther) {
    for (const char* name : {"a", "b"}) {
        ASSERT_EQ(create(name, {{"kty", "EC"}}).status, 200);
        ASSERT_EQ(set_policy(name, rotate_after("P10D")).status, 200);
    }
    MUST(store_->run(
        [&](store::Transaction& tx) { return tx.put("vault_key", "myconfkv/a", as_bytes("{}")); }));
    clock_.set(kNow + 10 * kDay);
    EXPECT_EQ(sweep(), 1U);
    EXPECT_EQ(versions("b"), 2U);
    EXPECT_EQ(sweep(), 0U);
}

TEST_F(RotationTest, WhatCannotBeRecordedIsNotRotated) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(set_policy("k", rotate_after("P10D")).status, 200);
    clock_.set(kNow + 10 * kDay);
    store_->failing_table = "audit_entry";
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(rotate("k").status, 500);
    store_->failing_table.clear();
    EXPECT_EQ(versions("k"), 1U);
    clock_.set(kNow + 11 * kDay);
    EXPECT_EQ(sweep(), 1U);
}

}  // namespace
}  // namespace vouchsafe::vault::test
