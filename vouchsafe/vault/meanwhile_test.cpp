// What others write between the judging of a request and its record: the log never tells of a use
// that comes behind the deletion or disabling of what was used.
#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

class MeanwhileTest : public ObjectTest {
  protected:
    // meanwhile does something when the next request is about to write.
    void meanwhile(std::string_view method, const std::string& path, const Json& body = nullptr) {
        store_->before_run = [=, this] {
            Answer done = officer(method, path, body);
            EXPECT_EQ(done.status, 200) << dump_json(done.body);
        };
    }
    Answer sign() {
        return as(kUser, "POST", "/keys/k/sign",
                  {{"alg", "ES256"}, {"value", encode_base64url(Bytes(32, 1))}});
    }
    // expect_refused: by this check, or because there is no such thing, and so recorded.
    void expect_refused(const Answer& answer, int status, std::string_view check) {
        EXPECT_EQ(answer.status, status) << dump_json(answer.body);
        EXPECT_EQ(answer.check(), check);
        EXPECT_FALSE(answer.body.contains("value"));
        const auto entries = recorded(answer);
        ASSERT_EQ(entries.size(), 1u);
        EXPECT_NE(entries[0].entry.outcome, audit::Outcome::allowed);
    }
};

Json attribute_enabled(bool is) {
    return {{"attributes", {{"enabled", is}}}};
}

TEST_F(MeanwhileTest, AKeyIsNotUsedBehindItsEnd) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    meanwhile("PATCH", "/keys/k", {{"tags", {{"a", "b"}}}});
    EXPECT_EQ(sign().status, 200);
    meanwhile("POST", "/keys/k/rotate");  // the version that was judged is still there
    EXPECT_EQ(sign().status, 200);
    meanwhile("PATCH", "/keys/k", {{"key_ops", {"verify"}}});
    expect_refused(sign(), 403, "VAULT-KEY-OPERATION");
    ASSERT_EQ(officer("PATCH", "/keys/k", {{"key_ops", {"sign"}}}).status, 200);
    meanwhile("PATCH", "/keys/k", attribute_enabled(false));
    expect_refused(sign(), 403, "VAULT-KEY-ENABLED");
    ASSERT_EQ(officer("PATCH", "/keys/k", attribute_enabled(true)).status, 200);
    meanwhile("DELETE", "/keys/k");
    expect_refused(sign(), 404, "");
}

TEST_F(MeanwhileTest, ASecretIsNotGivenBehindItsEnd) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    meanwhile("PUT", "/secrets/s", {{"value", "w"}});
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], "v");
    meanwhile("PATCH", "/secrets/s", attribute_enabled(false));
    expect_refused(as(kReader, "GET", "/secrets/s"), 403, "VAULT-SECRET-ENABLED");
    ASSERT_EQ(officer("PATCH", "/secrets/s", attribute_enabled(true)).status, 200);
    meanwhile("DELETE", "/secrets/s");
    expect_refused(as(kReader, "GET", "/secrets/s"), 404, "");
}

// Judged by memory, which the store's change outdates, a request is judged again: by what is there.
TEST_F(MeanwhileTest, WhatIsRememberedIsNotActedOnBehindAChange) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    const auto read = [&] { return as(kReader, "GET", "/secrets/s"); };
    const auto remember = [&] {
        for (int i = 0; i < 2; ++i) ASSERT_EQ(read().status, 200);
        for (int i = 0; i < 2; ++i) ASSERT_EQ(sign().status, 200);
    };
    remember();
    meanwhile("PUT", "/secrets/s", {{"value", "w"}});
    const Answer renewed = read();
    EXPECT_EQ(renewed.body["value"], "w");
    EXPECT_EQ(recorded(renewed).size(), 1u);
    remember();
    meanwhile("PATCH", "/secrets/s", attribute_enabled(false));
    expect_refused(read(), 403, "VAULT-SECRET-ENABLED");
    ASSERT_EQ(officer("PATCH", "/secrets/s", attribute_enabled(true)).status, 200);
    remember();
    meanwhile("PATCH", "/keys/k", attribute_enabled(false));
    expect_refused(sign(), 403, "VAULT-KEY-ENABLED");
    ASSERT_EQ(officer("PATCH", "/keys/k", attribute_enabled(true)).status, 200);
    remember();
    Administration& admin = service_->administration();
    store_->before_run = [&] { MUST(admin.set_networks(vault_.name, {"10.0.0.0/8"})); };
    expect_refused(sign(), 403, "CALLER-NETWORK");
    MUST(admin.set_networks(vault_.name, {}));
    remember();
    store_->before_run = [&] { MUST(admin.delete_vault(vault_.name)); };
    expect_refused(read(), 404, "");
}

// The same by another process, of which this one hears nothing.
TEST_F(MeanwhileTest, WhatAnotherProcessChangesCountsAtOnce) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    const auto read = [&] { return as(kReader, "GET", "/secrets/s"); };
    const auto elsewhere = [&](auto act) {
        auto others = MUST(store::open_sqlite(dir_.path() / "vault.db"));
        auto there = MUST(Service::create(config_, {*others, clock_, web_.fetch(), keys().signer}));
        act(*there);
    };
    const auto officer_there = [&](Service& there, std::string_view method, const Json& body) {
        EXPECT_EQ(send_to(there, method, "/secrets/s?api-version=7.4", dump_json(body),
                          access_token(kOfficer))
                      .status,
                  200);
    };
    for (int i = 0; i < 2; ++i) EXPECT_EQ(read().body["value"], "v");
    elsewhere([&](Service& there) { officer_there(there, "PUT", {{"value", "w"}}); });
    for (int i = 0; i < 2; ++i) EXPECT_EQ(read().body["value"], "w");
    elsewhere([&](Service& there) { officer_there(there, "PATCH", attribute_enabled(false)); });
    for (int i = 0; i < 2; ++i) expect_refused(read(), 403, "VAULT-SECRET-ENABLED");
    elsewhere([&](Service& there) { officer_there(there, "PATCH", attribute_enabled(true)); });
    for (int i = 0; i < 2; ++i) EXPECT_EQ(read().status, 200);
    elsewhere([&](Service& there) {
        MUST(there.administration().set_networks(vault_.name, {"10.0.0.0/8"}));
    });
    for (int i = 0; i < 2; ++i) expect_refused(read(), 403, "CALLER-NETWORK");
    elsewhere([&](Service& there) { MUST(there.administration().set_networks(vault_.name, {})); });
    for (int i = 0; i < 2; ++i) EXPECT_EQ(read().status, 200);
    elsewhere([&](Service& there) {
        const auto role =
            MUST(there.assign_role(kReader, "Key Vault Secrets User", vault_.resource_id));
        MUST(there.remove_role(kReader, role.id));
    });
    for (int i = 0; i < 2; ++i) expect_refused(read(), 403, "CALLER-ROLE");
}

TEST_F(MeanwhileTest, NothingIsDoneInAVaultBehindItsEnd) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    Administration& admin = service_->administration();
    const auto deleted_before = [&](const std::function<Answer()>& use) {
        store_->before_run = [&] { MUST(admin.delete_vault(vault_.name)); };
        expect_refused(use(), 404, "");
        MUST(admin.recover_vault(vault_.name));
        EXPECT_EQ(use().status, 200);
    };
    deleted_before([&] { return sign(); });
    deleted_before([&] { return as(kReader, "GET", "/secrets/s"); });
    deleted_before([&] { return create("l", {{"kty", "EC"}}); });
}

TEST_F(MeanwhileTest, NothingIsBackedUpBehindItsEnd) {
    for (const char* collection : {"keys", "secrets"}) {
        const std::string path = std::string("/") + collection + "/o";
        ASSERT_EQ(make(collection, "o").status, 200);
        meanwhile("DELETE", path);
        expect_refused(officer("POST", path + "/backup"), 404, "");
    }
}

TEST_F(MeanwhileTest, AReleaseIsJudgedByTheSettingsOfItsRecord) {
    ASSERT_EQ(create("k", exportable_key()).status, 200);
    const Json body = {{"target", keys().attestation.token(attestation_claims())}};
    const auto release = [&] { return as(kReleaser, "POST", "/keys/k/release", body); };
    EXPECT_EQ(release().status, 200);
    Administration& admin = service_->administration();
    store_->before_run = [&] { MUST(admin.set_networks(vault_.name, {"10.0.0.0/8"})); };
    expect_refused(release(), 403, "CALLER-NETWORK");
    MUST(admin.set_networks(vault_.name, {}));
    store_->before_run = [&] {
        MUST(admin.set_authorization(vault_.name, Authorization::access_policies));
    };
    expect_refused(release(), 403, "CALLER-ACCESS-POLICY");
}

TEST_F(MeanwhileTest, WhoComesWhileTheIssuerIsAwayIsToldWhenToComeAgain) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    web_.documents.clear();
    clock_.set(kNow + config_.keys.max_age);
    Json claims = access_claims(kReader);
    claims["exp"] = to_unix(clock_.now()) + 60;
    const Answer answer = send("GET", "/secrets/s?api-version=7.4", "", keys().login.token(claims));
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.get("Retry-After"), "1");
    EXPECT_FALSE(answer.body.contains("value"));
}

}  // namespace
}  // namespace vouchsafe::vault::test
