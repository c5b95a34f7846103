// A backup of before undoes no release rule and no policy that two persons decided.
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kSecondPersonOfKept = "aaaaaaaa-0000-4000-8000-000000000008";
const std::string kRulesOfKey = "/keys/k/x-vouchsafe-release-rules";

class KeptRulesTest : public ObjectTest {
  protected:
    KeptRulesTest() {
        MUST(service_->assign_role(kSecondPersonOfKept, "Key Vault Crypto Officer",
                                   vault_.resource_id));
        another_vault({.name = "otherkv", .tenant = kTenant});
        EXPECT_EQ(create("k", exportable_key()).status, 200);
    }
    std::string backup() { return officer("POST", "/keys/k/backup").body["value"]; }
    void set_rules(const Json& rules) { EXPECT_EQ(officer("PUT", kRulesOfKey, rules).status, 200); }
    Answer restore(const std::string& blob, const std::string& vault = "otherkv") {
        Answer answer = in_vault(vault, "POST", "/keys/restore", {{"value", blob}});
        EXPECT_EQ(answer.status, 200) << dump_json(answer.body);
        return answer;
    }
    Json rules_in(const std::string& vault) { return in_vault(vault, "GET", kRulesOfKey).body; }
    std::string released(const std::string& vault, const std::string& jti) {
        Json claims = attestation_claims();
        claims["jti"] = jti;
        const Answer answer = in_vault(vault, "POST", "/keys/k/release",
                                       {{"target", keys().attestation.token(claims)}});
        return answer.status == 200 ? "released" : answer.check();
    }
    static Json no_debugging() {
        Json policy = tutorial_policy();
        policy["anyOf"][0]["allOf"].push_back(
            {{"claim", "x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable"}, {"equals", "false"}});
        return policy;
    }
};

TEST_F(KeptRulesTest, ABackupOfBeforeTheRulesComesBackUnderThem) {
    const std::string before = backup();
    set_rules({{"maxReleases", 1}, {"twoPerson", true}});
    EXPECT_EQ(released("myconfkv", "one"), "released");
    const Answer back = restore(before);
    EXPECT_EQ(rules_in("otherkv"),
              Json({{"rules", {{"maxReleases", 1}, {"twoPerson", true}}}, {"releases", 1}}));
    EXPECT_EQ(released("otherkv", "two"), "VAULT-RULES-QUOTA");
    const auto entry = recorded(back).at(0).entry;
    EXPECT_EQ(entry.details["kept_since_backup"], true);
    // Nor does it where the key itself is gone.
    EXPECT_EQ(officer("DELETE", "/keys/k").status, 200);
    EXPECT_EQ(officer("DELETE", "/deletedkeys/k").status, 204);
    restore(before, "myconfkv");
    EXPECT_EQ(released("myconfkv", "three"), "VAULT-RULES-QUOTA");
}

TEST_F(KeptRulesTest, ABackupOfLaxerRulesComesBackUnderTheLast) {
    set_rules({{"maxReleases", 1000}});
    const std::string lax = backup();
    EXPECT_EQ(create("k", {{"kty", "EC-HSM"}}).status, 200);
    set_rules({{"maxReleases", 0}});
    restore(lax);
    EXPECT_EQ(rules_in("otherkv")["rules"], Json({{"maxReleases", 0}}));
    // And a backup of that one, too.
    const std::string again = in_vault("otherkv", "POST", "/keys/k/backup").body["value"];
    another_vault({.name = "thirdkv", .tenant = kTenant});
    set_rules({{"maxReleases", 0}, {"singleUse", true}});
    restore(again, "thirdkv");
    EXPECT_EQ(rules_in("thirdkv")["rules"], Json({{"maxReleases", 0}, {"singleUse", true}}));
}

TEST_F(KeptRulesTest, APolicyOfTwoPersonsIsNotUndoneByABackup) {
    const std::string before = backup();
    set_rules({{"twoPerson", true}});
    const Answer proposal =
        officer("POST", kRulesOfKey + "/proposals", {{"release_policy", envelope(no_debugging())}});
    ASSERT_EQ(proposal.status, 200) << dump_json(proposal.body);
    ASSERT_EQ(as(kSecondPersonOfKept, "POST",
                 kRulesOfKey + "/proposals/" + proposal.body["id"].get<std::string>() + "/approve",
                 {{"hash", proposal.body["hash"]}})
                  .status,
              200);
    const Json policy = officer("GET", "/keys/k").body["release_policy"];
    EXPECT_EQ(restore(before).body["release_policy"], policy);
    EXPECT_EQ(
        in_vault("otherkv", "PATCH", "/keys/k", {{"release_policy", envelope(tutorial_policy())}})
            .check(),
        "VAULT-RULES-APPROVAL");
}

TEST_F(KeptRulesTest, AKeyThatNeverHadRulesComesBackAsItWas) {
    const std::string before = backup();
    const Json policy = officer("GET", "/keys/k").body["release_policy"];
    EXPECT_EQ(officer("PATCH", "/keys/k", {{"release_policy", envelope(no_debugging())}}).status,
              200);
    const Answer back = restore(before);
    EXPECT_EQ(back.body["release_policy"], policy);
    EXPECT_FALSE(recorded(back).at(0).entry.details.contains("kept_since_backup"));
    // The rules of another key are not its own.
    EXPECT_EQ(create("other", exportable_key()).status, 200);
    EXPECT_EQ(officer("PUT", "/keys/other/x-vouchsafe-release-rules", {{"maxReleases", 0}}).status,
              200);
    EXPECT_EQ(released("otherkv", "one"), "released");
}

TEST_F(KeptRulesTest, OfSeveralCopiesWithRulesOfTheirOwnTheStrictestCount) {
    for (bool copy_first : {true, false}) {
        const std::string key = copy_first ? "a" : "b";
        const std::string rules = "/keys/" + key + "/x-vouchsafe-release-rules";
        ASSERT_EQ(create(key, exportable_key()).status, 200);
        const std::string before = officer("POST", "/keys/" + key + "/backup").body["value"];
        restore(before);
        const Json lax = {{"maxReleases", 1000}}, strict = {{"maxReleases", 0}};
        const auto set_copy = [&] {
            EXPECT_EQ(in_vault("otherkv", "PUT", rules, lax).status, 200);
        };
        if (copy_first) set_copy();
        EXPECT_EQ(officer("PUT", rules, strict).status, 200);
        if (!copy_first) set_copy();
        // A version that the copy alone has speaks for itself, and not for the one before.
        EXPECT_EQ(in_vault("otherkv", "POST", "/keys/" + key + "/rotate").status, 200);
        const std::string of_copy =
            in_vault("otherkv", "POST", "/keys/" + key + "/backup").body["value"];
        int count = 0;
        for (const std::string& blob : {before, of_copy}) {
            const std::string vault = fmt::format("third-{}{}", key, count++);
            another_vault({.name = vault, .tenant = kTenant});
            restore(blob, vault);
            EXPECT_EQ(in_vault(vault, "GET", rules).body["rules"], strict) << vault;
        }
    }
}

TEST_F(KeptRulesTest, WhatTwoPersonsDecideIsNotUndoneByACopyOfBefore) {
    set_rules({{"maxReleases", 5}});
    const std::string blob = backup();
    restore(blob);
    const Json strict = {{"maxReleases", 5}, {"twoPerson", true}};
    set_rules(strict);
    const auto comes_back_as = [&](const std::string& vault) {
        another_vault({.name = vault, .tenant = kTenant});
        restore(blob, vault);
        return rules_in(vault)["rules"];
    };
    EXPECT_EQ(in_vault("otherkv", "PATCH", "/keys/k", {{"tags", {{"a", "b"}}}}).status, 200);
    EXPECT_EQ(comes_back_as("third"), strict);
    EXPECT_EQ(in_vault("otherkv", "PUT", kRulesOfKey, {{"maxReleases", 1000}}).status, 200);
    EXPECT_EQ(comes_back_as("fourth"), strict);
    // Two persons undo it for good.
    const Answer proposal =
        officer("POST", kRulesOfKey + "/proposals", {{"rules", {{"maxReleases", 7}}}});
    ASSERT_EQ(as(kSecondPersonOfKept, "POST",
                 kRulesOfKey + "/proposals/" + proposal.body["id"].get<std::string>() + "/approve",
                 {{"hash", proposal.body["hash"]}})
                  .status,
              200);
    EXPECT_EQ(comes_back_as("fifth"), Json({{"maxReleases", 7}}));
}

}  // namespace
}  // namespace vouchsafe::vault::test
