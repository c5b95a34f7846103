// What is remembered is found by the bytes it follows from, so what anybody changes counts at once:
// the changes here are made by another service on the same store, as another process makes them.
#include "vouchsafe/vault/remembered.h"

#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/object_test_support.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault::test {
namespace {

StoredObject stored_key(std::string_view name) {
    return {to_bytes(fmt::format(R"({{"name":"{}","current":"c","versions":1,"exportable":true,)"
                                 R"("policy":"","policy_content_type":"",)"
                                 R"("policy_immutable":false}})",
                                 name)),
            to_bytes(R"({"version":"c","kty":"oct","key_ops":[],"enabled":true,"created":1,)"
                     R"("updated":1,"tags":{},"spki":""})")};
}

TEST(Remembered, KnowsARecordByAllOfItsBytes) {
    Remembered remembered;
    const StoredObject object = stored_key("k");
    const auto key = MUST(remembered.key(object));
    EXPECT_EQ(key->record.name, "k");
    EXPECT_EQ(MUST(remembered.key(object)), key) << "parsed once";
    EXPECT_EQ(MUST(remembered.key(stored_key("l")))->record.name, "l");
    StoredObject moved = object;  // the same bytes, but none of the records is whole
    moved.record.push_back(moved.version.front());
    moved.version.erase(moved.version.begin());
    for (int i = 0; i < 2; ++i) {
        const auto damaged = remembered.key(moved);
        ASSERT_FALSE(damaged);
        EXPECT_EQ(damaged.error().code, Code::io);
    }
    ASSERT_FALSE(remembered.secret(object)) << "a key's record";
}

TEST(Remembered, KnowsTheVersionThatARecordNames) {
    Remembered remembered;
    const Bytes record = stored_key("k").record;
    const auto version = MUST(remembered.current_version(record));
    EXPECT_EQ(*version, "c");
    EXPECT_EQ(MUST(remembered.current_version(record)), version);
    EXPECT_EQ(*MUST(remembered.current_version(to_bytes(R"({"current":"d"})"))), "d");
    for (const char* damaged : {R"({"current":""})", R"({"current":1})", "{}", "", "{"}) {
        for (int i = 0; i < 2; ++i) {
            EXPECT_FALSE(remembered.current_version(to_bytes(damaged))) << damaged;
        }
    }
}

TEST(Remembered, KnowsAMachinesKeyByAllOfIt) {
    Remembered remembered;
    const Json jwk = tee_jwk(keys().tee.public_key());
    const auto tee = MUST(remembered.tee_key(jwk));
    EXPECT_EQ(MUST(remembered.tee_key(jwk)), tee);
    EXPECT_EQ(tee->thumbprint, encode_base64url(jose::thumbprint(keys().tee.public_key())));
    const Json other = tee_jwk(keys().stranger.key.public_key());
    EXPECT_TRUE(MUST(remembered.tee_key(other))->key == keys().stranger.key.public_key());
    Json broken = jwk;
    broken["e"] = "";
    EXPECT_FALSE(remembered.tee_key(broken));
    EXPECT_FALSE(remembered.tee_key(broken));
}

class RememberedTest : public ObjectTest {
  protected:
    void SetUp() override { other_ = MUST(open(config_)); }

    // elsewhere does it by another service.
    Answer elsewhere(std::string_view method, const std::string& path, const Json& body = nullptr) {
        Answer done = send_to(*other_, method, path + "?api-version=7.4",
                              body.is_null() ? "" : dump_json(body), access_token(kOfficer));
        EXPECT_EQ(done.status, 200) << dump_json(done.body);
        return done;
    }
    Answer get(const std::string& path) { return as(kOfficer, "GET", path); }
    Answer release(const std::string& target) {
        return as(kReleaser, "POST", "/keys/released/release", {{"target", target}});
    }

    std::unique_ptr<Service> other_;
};

TEST_F(RememberedTest, AKeyThatIsChangedElsewhereIsAnotherOne) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    const Answer before = get("/keys/k");
    EXPECT_EQ(get("/keys/k").body, before.body);
    elsewhere("PATCH", "/keys/k", {{"tags", {{"a", "b"}}}});
    EXPECT_EQ(get("/keys/k").body["tags"]["a"], "b");
    elsewhere("POST", "/keys/k/create", {{"kty", "EC"}});
    const Answer after = get("/keys/k");
    EXPECT_NE(after.body["key"]["kid"], before.body["key"]["kid"]);
    EXPECT_NE(after.body["key"]["x"], before.body["key"]["x"]);
    const auto path = path_of_object(before);
    EXPECT_EQ(get(path).body["key"]["x"], before.body["key"]["x"]);
}

TEST_F(RememberedTest, ASecretThatIsChangedElsewhereIsAnotherOne) {
    ASSERT_EQ(set("s", {{"value", "one"}}).status, 200);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(get("/secrets/s").body["value"], "one");
    elsewhere("PUT", "/secrets/s", {{"value", "two"}, {"tags", {{"a", "b"}}}});
    EXPECT_EQ(get("/secrets/s").body["value"], "two");
    EXPECT_EQ(get("/secrets/s").body["tags"]["a"], "b");
    elsewhere("PATCH", "/secrets/s", {{"attributes", {{"enabled", false}}}});
    EXPECT_EQ(get("/secrets/s").check(), "VAULT-SECRET-ENABLED");
}

TEST_F(RememberedTest, ARecordThatWasDamagedIsAnswered) {
    ASSERT_EQ(set("s", {{"value", "one"}}).status, 200);
    ASSERT_EQ(get("/secrets/s").status, 200);
    MUST(store_->run([](store::Transaction& tx) {
        return tx.put(secrets::kRecords, "myconfkv/s", as_bytes(R"({"current":1})"));
    }));
    EXPECT_EQ(get("/secrets/s").status, 500);
}

TEST_F(RememberedTest, APolicyThatIsChangedElsewhereDecides) {
    ASSERT_EQ(create("released", exportable_key("RSA-HSM")).status, 200);
    const std::string token = keys().attestation.token(attestation_claims());
    for (int i = 0; i < 2; ++i) ASSERT_EQ(release(token).status, 200);
    Json policy = tutorial_policy();
    policy["anyOf"][0]["allOf"].push_back({{"claim", "jti"}, {"equals", "another"}});
    elsewhere("PATCH", "/keys/released", {{"release_policy", envelope(policy)}});
    EXPECT_EQ(release(token).check(), "POLICY-CLAIM-MISMATCH");
}

TEST_F(RememberedTest, ARoleThatIsTakenBackElsewhereIsGone) {
    ASSERT_EQ(create("released", exportable_key("RSA-HSM")).status, 200);
    const std::string token = keys().attestation.token(attestation_claims());
    for (int i = 0; i < 2; ++i) ASSERT_EQ(release(token).status, 200);
    for (const RoleAssignment& role : MUST(other_->roles_of(kReleaser))) {
        MUST(other_->remove_role(kReleaser, role.id));
    }
    EXPECT_EQ(release(token).check(), "CALLER-ROLE");
}

TEST_F(RememberedTest, TokensEndWhenTheyEnd) {
    ASSERT_EQ(create("released", exportable_key("RSA-HSM")).status, 200);
    Json claims = attestation_claims();
    claims["exp"] = to_unix(kNow) + 60;
    const std::string token = keys().attestation.token(claims);
    ASSERT_EQ(release(token).status, 200);
    clock_.set(kNow + Seconds(60) + config_.token_skew - Seconds(1));
    EXPECT_EQ(release(token).status, 200);
    clock_.set(kNow + Seconds(60) + config_.token_skew);
    EXPECT_EQ(release(token).check(), "TOKEN-EXPIRED");
    EXPECT_EQ(release(token).status, 403);
    clock_.set(kNow + Seconds(3600) + config_.token_skew - Seconds(1));
    EXPECT_EQ(get("/keys/released").status, 200);
    clock_.set(kNow + Seconds(3600) + config_.token_skew);
    EXPECT_EQ(get("/keys/released").check(), "TOKEN-EXPIRED");
}

TEST_F(RememberedTest, TokensEndWithTheKeysThatSignedThem) {
    ASSERT_EQ(create("released", exportable_key("RSA-HSM")).status, 200);
    const std::string token = keys().attestation.token(attestation_claims());
    ASSERT_EQ(release(token).status, 200);
    web_.serve(kAuthority, keys().stranger);
    clock_.set(kNow + config_.keys.refresh - Seconds(1));
    EXPECT_EQ(release(token).status, 200);
    clock_.set(kNow + config_.keys.refresh);
    EXPECT_EQ(release(token).check(), "TOKEN-KID");
}

TEST_F(RememberedTest, AnEntryOfTheLogHasTheSameChecksEachTime) {
    ASSERT_EQ(create("released", exportable_key("RSA-HSM")).status, 200);
    const std::string token = keys().attestation.token(attestation_claims());
    const auto checks = [&] {
        Json out = Json::array();
        const auto entries = recorded(release(token));
        for (const Check& check : entries.at(0).entry.checks) {
            out.push_back({check.code, check.field, check.expected, check.found, check.passed});
        }
        return out;
    };
    const Json first = checks();
    EXPECT_GT(first.size(), 15u);
    EXPECT_EQ(checks(), first);
    other_ = std::move(service_);
    start();
    EXPECT_EQ(checks(), first) << "by a service that remembers nothing";
}

}  // namespace
}  // namespace vouchsafe::vault::test
