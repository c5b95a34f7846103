// Two replicas of one vault on PostgreSQL: what one was told, the other knows at once, and what
// counts once counts once in both together.
#include <atomic>
#include <thread>

#include "vouchsafe/store/test_postgres.h"
#include "vouchsafe/vault/root_rotation.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

class ReplicasTest : public VaultTest {
  protected:
    void SetUp() override {
        if (store::postgres_programs().empty()) GTEST_SKIP() << store::kNoPostgres;
        static int schemas = 0;
        schema_ = fmt::format("replicas_{}", schemas++);
        for (size_t i = 0; i < 2; ++i) {
            const Clock& clock = i == 0 ? static_cast<const Clock&>(clock_) : late_;
            stores_[i] = MUST(store::open_postgres(store::PostgresServer::server().url(), schema_));
            config_.directory = dir_.path() / "replicas";
            replicas_[i] =
                MUST(Service::create(config_, {*stores_[i], clock, web_.fetch(), keys().signer}));
        }
        vault_ = MUST(replicas_[0]->create_vault({.name = "myconfkv", .tenant = kTenant}));
        for (const auto& [who, role] : {std::pair(kOfficer, "Key Vault Administrator"),
                                        std::pair(kReleaser, "Key Vault Crypto Officer")}) {
            MUST(replicas_[0]->assign_role(who, role, vault_.resource_id));
        }
        for (size_t i = 0; i < 2; ++i) EXPECT_EQ(at(i, "GET", "/keys").status, 200);
        EXPECT_EQ(at(0, "POST", "/keys/k/create", exportable_key()).status, 200);
        // Both know the keys of the attestation service.
        for (size_t i = 0; i < 2; ++i) EXPECT_EQ(release(i, token("warm-up")).status, 200);
    }

    Answer at(size_t replica, std::string_view method, const std::string& path,
              const Json& body = nullptr) {
        return send_to(*replicas_[replica], method, path + "?api-version=7.4",
                       body.is_null() ? "" : dump_json(body), officer_);
    }
    Answer release(size_t replica, const std::string& target) {
        return at(replica, "POST", "/keys/k/release", {{"target", target}});
    }
    Answer sign(size_t replica) {
        return at(replica, "POST", "/keys/s/sign",
                  {{"alg", "ES256"}, {"value", encode_base64url(Bytes(32, 1))}});
    }
    void set_rules(const Json& rules) {
        EXPECT_EQ(at(0, "PUT", "/keys/k/x-vouchsafe-release-rules", rules).status, 200);
    }
    static std::string token(const std::string& jti) {
        Json claims = attestation_claims();
        claims["jti"] = jti;
        return keys().attestation.token(claims);
    }

    // The second one's clock is half a minute behind.
    const OffsetClock late_{clock_, Seconds(-30)};
    std::string schema_;
    std::unique_ptr<store::Store> stores_[2];
    std::unique_ptr<Service> replicas_[2];
    const std::string officer_ = access_token(kOfficer);
};

TEST_F(ReplicasTest, WhatCountsOnceCountsOnceInBoth) {
    constexpr size_t kThreads = 6;
    set_rules({{"maxReleases", 5}, {"singleUse", true}});
    std::vector<std::string> tokens;
    for (int i = 0; i < 8; ++i) tokens.push_back(token(fmt::format("token {}", i)));
    std::vector<std::atomic<int>> released(tokens.size());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (size_t i = 0; i < tokens.size(); ++i) {
                if (release(t % 2, tokens[i]).status == 200) ++released[i];
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    int sum = 0;
    for (const auto& count : released) {
        EXPECT_LE(count, 1);
        sum += count;
    }
    EXPECT_EQ(sum, 5);
    EXPECT_EQ(at(1, "GET", "/keys/k/x-vouchsafe-release-rules").body["releases"], 5);
}

TEST_F(ReplicasTest, ARootKeyIsReplacedWhileBothServe) {
    const auto value = [](const std::string& text) { return Json{{"value", text}}; };
    EXPECT_EQ(at(0, "PUT", "/secrets/s", value("before")).status, 200);
    std::atomic<bool> done = false;
    std::vector<std::string> acknowledged[2];
    std::vector<std::thread> writers;
    for (size_t i = 0; i < 2; ++i) {
        writers.emplace_back([&, i] {
            for (int n = 0; !done; ++n) {
                const std::string name = fmt::format("s-{}-{}", i, n);
                const Answer set = at(i, "PUT", "/secrets/" + name, value(name));
                EXPECT_EQ(set.status, 200) << dump_json(set.body);
                if (set.status == 200) acknowledged[i].push_back(name);
            }
        });
    }
    // By a process of its own, with a connection of its own.
    const auto operators =
        MUST(store::open_postgres(store::PostgresServer::server().url(), schema_));
    for (uint64_t generation : {2, 3}) {
        auto now = crypto::keep_in_file();
        const auto rewrapped =
            MUST(rewrap_root({config_, *operators, *now, crypto::keep_in_file(), clock_}));
        EXPECT_EQ(rewrapped.generation, generation);
        EXPECT_GE(rewrapped.count, 2u);  // the key k and the secret s
    }
    done = true;
    for (std::thread& writer : writers) writer.join();
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_FALSE(acknowledged[i].empty());
        EXPECT_EQ(at(i, "GET", "/secrets/s").body["value"], "before");
        EXPECT_EQ(release(i, token(fmt::format("after-{}", i))).status, 200);
        for (const std::string& name : acknowledged[1 - i]) {
            EXPECT_EQ(at(i, "GET", "/secrets/" + name).body["value"], name);
        }
    }
}

TEST_F(ReplicasTest, AUsedTokenStaysUsedThoughTheClocksDiffer) {
    set_rules({{"singleUse", true}});
    const std::string used = token("used");
    EXPECT_EQ(release(0, used).status, 200);
    Json later = attestation_claims();
    later["exp"] = to_unix(kNow) + 2 * 86400;
    later["jti"] = "later";
    // Over for the first replica, which forgets what is over whenever it counts; not for the other.
    clock_.set(kNow + Seconds(28800 + 310));
    Json caller = access_claims(kOfficer);
    caller["exp"] = to_unix(clock_.now()) + 60;
    const std::string fresh = keys().login.token(caller);
    const auto release_as_of_now = [&](size_t replica, const std::string& target) {
        return send_to(*replicas_[replica], "POST", "/keys/k/release?api-version=7.4",
                       dump_json({{"target", target}}), fresh);
    };
    EXPECT_EQ(release_as_of_now(0, used).check(), "TOKEN-EXPIRED");
    EXPECT_EQ(release_as_of_now(0, keys().attestation.token(later)).status, 200);
    EXPECT_EQ(release_as_of_now(1, used).check(), "VAULT-RULES-SINGLE-USE");
}

TEST_F(ReplicasTest, AKeyThatIsKeptOpenEndsWithTheKey) {
    EXPECT_EQ(at(0, "POST", "/keys/s/create", {{"kty", "EC"}}).status, 200);
    EXPECT_EQ(sign(0).status, 200);  // keeps it open
    const auto enable = [&](bool enabled) {
        return at(1, "PATCH", "/keys/s", {{"attributes", {{"enabled", enabled}}}}).status;
    };
    EXPECT_EQ(enable(false), 200);
    EXPECT_EQ(sign(0).check(), "VAULT-KEY-ENABLED");
    EXPECT_EQ(enable(true), 200);
    EXPECT_EQ(at(1, "PATCH", "/keys/s", {{"key_ops", {"verify"}}}).status, 200);
    EXPECT_EQ(sign(0).check(), "VAULT-KEY-OPERATION");
    EXPECT_EQ(at(1, "PATCH", "/keys/s", {{"key_ops", {"sign"}}}).status, 200);
    EXPECT_EQ(sign(0).status, 200);
    EXPECT_EQ(at(1, "DELETE", "/keys/s").status, 200);
    EXPECT_EQ(sign(0).status, 404);
    EXPECT_EQ(at(1, "POST", "/deletedkeys/s/recover").status, 200);
    EXPECT_EQ(sign(0).status, 200);
    EXPECT_EQ(at(1, "DELETE", "/keys/s").status, 200);
    EXPECT_EQ(at(1, "DELETE", "/deletedkeys/s").status, 204);
    EXPECT_EQ(sign(0).status, 404);
    EXPECT_EQ(at(0, "POST", "/keys/s/create", {{"kty", "EC"}}).status, 200);
    const Answer again = sign(0);
    ASSERT_EQ(again.status, 200);
    const Json key = at(1, "GET", "/keys/s").body["key"];
    EXPECT_EQ(again.body["kid"], key["kid"]);
}

}  // namespace
}  // namespace vouchsafe::vault::test
