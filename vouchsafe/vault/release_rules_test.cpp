// Release rules: what each lets through, the nearest it refuses, and that every use counts once.
#include "vouchsafe/vault/release_rules.h"

#include <atomic>
#include <thread>

#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/rule_uses.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kRules = "/keys/k/x-vouchsafe-release-rules";
constexpr const char* kProposals = "/keys/k/x-vouchsafe-release-rules/proposals";
constexpr const char* kSecondOfficer = "aaaaaaaa-0000-4000-8000-000000000005";

class ReleaseRulesTest : public VaultTest {
  protected:
    ReleaseRulesTest() {
        EXPECT_EQ(create("k", exportable_key()).status, 200);
        MUST(service_->assign_role(kSecondOfficer, "Key Vault Crypto Officer", vault_.resource_id));
    }

    Answer set(const Json& rules, std::string_view oid = kOfficer) {
        return as(oid, "PUT", kRules, rules);
    }
    Json rules() { return as(kOfficer, "GET", kRules).body["rules"]; }
    int64_t releases() { return as(kOfficer, "GET", kRules).body["releases"]; }

    static std::string token(const Json& change = Json::object()) {
        Json claims = attestation_claims();
        claims.merge_patch(change);
        return keys().attestation.token(claims);
    }
    Answer release(const std::string& target, const std::string& key = "k") {
        return as(kReleaser, "POST", "/keys/" + key + "/release", {{"target", target}});
    }
    // released tells the status, or the check that refused.
    std::string released(const Json& change = Json::object()) {
        const Answer answer = release(token(change));
        return answer.status == 200 ? "released" : answer.check();
    }

    Answer propose(const Json& change, std::string_view oid = kOfficer) {
        return as(oid, "POST", kProposals, change);
    }
    Answer approve(const Answer& proposal, std::string_view oid, const std::string& hash) {
        const std::string id = proposal.body["id"];
        return as(oid, "POST", kProposals + ("/" + id) + "/approve", {{"hash", hash}});
    }
    Answer approve(const Answer& proposal, std::string_view oid = kSecondOfficer) {
        return approve(proposal, oid, proposal.body["hash"]);
    }
};

Json other_policy() {
    Json policy = tutorial_policy();
    policy["anyOf"][0]["allOf"].push_back(
        {{"claim", "x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable"}, {"equals", "false"}});
    return policy;
}

TEST_F(ReleaseRulesTest, AKeyHasNoneUntilTheyAreSet) {
    EXPECT_EQ(rules(), Json::object());
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(releases(), 0);  // nothing is counted without rules
}

TEST_F(ReleaseRulesTest, RulesComeBackAsTheyWereSet) {
    const Json all = {
        {"singleUse", true},
        {"maxReleases", 5},
        {"notAfter", to_unix(kNow) + 100},
        {"maxTokenAge", 300},
        {"trustTier", "hardware"},
        {"workload", Json::array({{{"claim", "a.b"}, {"values", {"x", "y"}}, {"list", "any"}},
                                  {{"claim", "c"}, {"values", {"z"}}}})},
        {"twoPerson", true}};
    Answer answer = set(all);
    ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
    EXPECT_EQ(answer.body, Json({{"rules", all}, {"releases", 0}}));
    EXPECT_EQ(rules(), all);
    auto entries = recorded(answer);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.action, "keys/releaserules/set");
    EXPECT_EQ(entries[0].entry.details["release_rules"], dump_json(all));
}

TEST_F(ReleaseRulesTest, RefusesRulesThatAreNone) {
    const char* broken[] = {
        R"({"singleuse":true})",
        R"({"singleUse":"true"})",
        R"({"maxReleases":-1})",
        R"({"maxReleases":1.5})",
        R"({"maxReleases":18446744073709551615})",
        R"({"notAfter":"2026"})",
        R"({"maxTokenAge":0})",
        R"({"trustTier":"simulated"})",
        R"({"workload":{}})",
        R"({"workload":[{"claim":"a"}]})",
        R"({"workload":[{"claim":"a","values":[]}]})",
        R"({"workload":[{"claim":"a","values":[1]}]})",
        R"({"workload":[{"claim":"","values":["x"]}]})",
        R"({"workload":[{"claim":"a","values":["x"],"list":"all"}]})",
        R"({"workload":[{"claim":"a","values":["x"],"lists":"any"}]})",
        R"({"twoPerson":null})",
        "[]",
        "",
        "{",
    };
    for (const char* text : broken) {
        Answer answer =
            send("PUT", std::string(kRules) + "?api-version=7.4", text, access_token(kOfficer));
        EXPECT_EQ(answer.status, 400) << text;
        EXPECT_EQ(answer.code(), "BadParameter") << text;
    }
    Json many = {{"workload", Json::array()}};
    for (size_t i = 0; i <= kMaxWorkloads; ++i) {
        many["workload"].push_back({{"claim", "a"}, {"values", {"x"}}});
    }
    EXPECT_EQ(set(many).status, 400);
    many["workload"].erase(0);
    EXPECT_EQ(set(many).status, 200);
}

TEST_F(ReleaseRulesTest, OnlyWhoManagesTheKeySetsThem) {
    EXPECT_EQ(set({{"singleUse", true}}, kReleaser).check(), "CALLER-ROLE");
    EXPECT_EQ(set({{"singleUse", true}}, kNobody).check(), "CALLER-ROLE");
    EXPECT_EQ(as(kReleaser, "GET", kRules).check(), "CALLER-ROLE");
    EXPECT_EQ(rules(), Json::object());
    EXPECT_EQ(as(kOfficer, "PUT", "/keys/none/x-vouchsafe-release-rules", Json::object()).status,
              404);
    EXPECT_EQ(create("plain", {{"kty", "EC"}}).status, 200);
    EXPECT_EQ(as(kOfficer, "PUT", "/keys/plain/x-vouchsafe-release-rules", Json::object()).check(),
              "VAULT-KEY-EXPORTABLE");
}

TEST_F(ReleaseRulesTest, ASingleUseTokenReleasesOnce) {
    set({{"singleUse", true}});
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(released(), "VAULT-RULES-SINGLE-USE");
    EXPECT_EQ(released({{"jti", "token-2"}}), "released");
    // Another signature of the same claims is the same token, whatever names it.
    EXPECT_EQ(released({{"jti", nullptr}}), "released");
    EXPECT_EQ(released({{"jti", nullptr}}), "VAULT-RULES-SINGLE-USE");
    EXPECT_EQ(released({{"jti", 7}}), "released");
    EXPECT_EQ(released({{"jti", 7}}), "VAULT-RULES-SINGLE-USE");
    EXPECT_EQ(releases(), 4);
}

TEST_F(ReleaseRulesTest, ATokenIsUsedForEachKeyByItself) {
    EXPECT_EQ(create("l", exportable_key()).status, 200);
    set({{"singleUse", true}});
    as(kOfficer, "PUT", "/keys/l/x-vouchsafe-release-rules", {{"singleUse", true}});
    EXPECT_EQ(release(token()).status, 200);
    EXPECT_EQ(release(token(), "l").status, 200);
    EXPECT_EQ(release(token(), "l").check(), "VAULT-RULES-SINGLE-USE");
}

TEST_F(ReleaseRulesTest, ARefusedReleaseUsesNothing) {
    set({{"singleUse", true}, {"maxReleases", 1}});
    const Json small = {{"x-ms-runtime", {{"keys", Json::array()}}}};
    EXPECT_EQ(released(small), "VAULT-TEE-KEY");
    store_->failing_table = "audit_entry";
    EXPECT_NE(released(), "released");
    store_->failing_table = "";
    EXPECT_EQ(releases(), 0);
    EXPECT_EQ(released(), "released");
}

TEST_F(ReleaseRulesTest, UsedTokensAreForgottenWhenTheyHaveEnded) {
    set({{"singleUse", true}});
    const auto kept = [&](const char* table) {
        size_t count = 0;
        MUST(store_->read([&](store::View& view) -> Result<void> {
            count = TRY(view.scan(table, "", "", 100)).size();
            return {};
        }));
        return count;
    };
    const Json brief = {{"exp", to_unix(kNow) - 60}};
    EXPECT_EQ(released(brief), "released");
    Json later = {{"jti", "token-2"}, {"exp", to_unix(kNow) + 86400}};
    clock_.set(kNow + Seconds(239));
    EXPECT_EQ(released(brief), "VAULT-RULES-SINGLE-USE");  // still within the skew
    EXPECT_EQ(released(later), "released");
    later["jti"] = "token-3";
    clock_.set(kNow + Seconds(241));
    EXPECT_EQ(released(brief), "TOKEN-EXPIRED");
    EXPECT_EQ(released(later), "released");
    EXPECT_EQ(kept("vault_used_token"), 3u);
    // Another replica, whose clock is behind, does not see it released again.
    clock_.set(kNow + Seconds(200));
    EXPECT_EQ(released(brief), "VAULT-RULES-SINGLE-USE");
    later["jti"] = "token-4";
    clock_.set(kNow + Seconds(241) + kClocksDiffer);
    EXPECT_EQ(released(later), "released");
    EXPECT_EQ(kept("vault_used_token"), 3u);
    EXPECT_EQ(kept("vault_used_token_end"), 3u);
}

TEST_F(ReleaseRulesTest, AQuotaEndsReleasesOfAllVersions) {
    set({{"maxReleases", 2}});
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(create("k", {{"kty", "EC-HSM"}}).status, 200);  // a new version keeps rules and count
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(released(), "VAULT-RULES-QUOTA");
    EXPECT_EQ(releases(), 2);
    set({{"maxReleases", 3}});
    EXPECT_EQ(released(), "released");
    EXPECT_EQ(released(), "VAULT-RULES-QUOTA");
    set(Json::object());  // without rules the count goes on: nobody gets releases back
    EXPECT_EQ(released(), "released");
    set({{"maxReleases", 4}});
    EXPECT_EQ(released(), "VAULT-RULES-QUOTA");
}

TEST_F(ReleaseRulesTest, ManyAtOnceAreCountedOnceEach) {
    constexpr int kThreads = 8;
    constexpr int kEach = 5;
    set({{"maxReleases", 12}, {"singleUse", true}});
    std::vector<std::string> tokens;  // each of 20 is tried twice
    for (int i = 0; i < kThreads * kEach / 2; ++i) {
        tokens.push_back(token({{"jti", fmt::format("t{}", i)}}));
    }
    const std::string access = access_token(kReleaser);
    std::atomic<int> done{0};
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                const size_t turn = static_cast<size_t>(t * kEach + i) % tokens.size();
                Answer answer = send("POST", "/keys/k/release?api-version=7.4",
                                     dump_json({{"target", tokens[turn]}}), access);
                const bool known = answer.check() == "VAULT-RULES-QUOTA" ||
                                   answer.check() == "VAULT-RULES-SINGLE-USE";
                if (answer.status == 200) ++done;
                if (answer.status == 403 && known) ++refused;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(done, 12);
    EXPECT_EQ(refused, kThreads * kEach - 12);
    EXPECT_EQ(releases(), 12);
}

TEST_F(ReleaseRulesTest, OneTokenAtOnceReleasesOnce) {
    set({{"singleUse", true}});
    const std::string target = dump_json({{"target", token()}});
    const std::string access = access_token(kReleaser);
    std::atomic<int> done{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            if (send("POST", "/keys/k/release?api-version=7.4", target, access).status == 200) {
                ++done;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(done, 1);
    EXPECT_EQ(releases(), 1);
}

TEST_F(ReleaseRulesTest, ReleasesEnd) {
    set({{"notAfter", to_unix(kNow) + 1}});
    EXPECT_EQ(released(), "released");
    set({{"notAfter", to_unix(kNow)}});
    EXPECT_EQ(released(), "VAULT-RULES-END");
}

TEST_F(ReleaseRulesTest, TokensMustBeFresh) {
    set({{"maxTokenAge", 60}});
    EXPECT_EQ(released({{"iat", to_unix(kNow) - 60}}), "released");
    EXPECT_EQ(released({{"iat", to_unix(kNow) - 61}}), "VAULT-RULES-TOKEN-AGE");
    EXPECT_EQ(released({{"iat", nullptr}}), "VAULT-RULES-TOKEN-AGE");
    EXPECT_EQ(released({{"iat", to_unix(kNow) + 300}}), "released");
    EXPECT_EQ(released({{"iat", to_unix(kNow) + 301}}), "VAULT-RULES-TOKEN-AGE");
}

TEST_F(ReleaseRulesTest, ATierMustBeToldByTheToken) {
    set({{"trustTier", "hardware"}});
    EXPECT_EQ(released({{"x-vouchsafe-trust-tier", "hardware"}}), "released");
    EXPECT_EQ(released(), "VAULT-RULES-TIER");
    // Without the rule this is Azure's token about hardware.
    EXPECT_EQ(released({{"x-vouchsafe-trust-tier", nullptr}}), "VAULT-RULES-TIER");
}

TEST_F(ReleaseRulesTest, AWorkloadIsOneOfThoseAllowed) {
    const std::string claim = "x-vouchsafe-boot-kernel";
    set({{"workload", Json::array({{{"claim", claim}, {"values", {"aa", "bb"}}}})}});
    EXPECT_EQ(released({{claim, "aa"}}), "released");
    EXPECT_EQ(released({{claim, "bb"}}), "released");
    EXPECT_EQ(released({{claim, "cc"}}), "VAULT-RULES-WORKLOAD");
    EXPECT_EQ(released({{claim, "AA"}}), "VAULT-RULES-WORKLOAD");
    EXPECT_EQ(released(), "VAULT-RULES-WORKLOAD");
    // A list is nothing that the rule speaks of.
    EXPECT_EQ(released({{claim, Json::array({"aa"})}}), "VAULT-RULES-WORKLOAD");
}

TEST_F(ReleaseRulesTest, AWorkloadsListIsJudgedAsTheRuleSays) {
    const auto rule = [](const char* list) {
        return Json(
            {{"workload",
              Json::array({{{"claim", "c.list"}, {"values", {"aa", "bb"}}, {"list", list}}})}});
    };
    const auto token_with = [](const Json& list) { return Json({{"c", {{"list", list}}}}); };
    set(rule("any"));
    EXPECT_EQ(released(token_with(Json::array({"cc", "bb"}))), "released");
    EXPECT_EQ(released(token_with(Json::array({"cc"}))), "VAULT-RULES-WORKLOAD");
    set(rule("each"));
    EXPECT_EQ(released(token_with(Json::array({"aa", "bb"}))), "released");
    EXPECT_EQ(released(token_with(Json::array({"aa", "cc"}))), "VAULT-RULES-WORKLOAD");
    EXPECT_EQ(released(token_with(Json::array())), "VAULT-RULES-WORKLOAD");
    EXPECT_EQ(released(token_with(Json::array({Json::array({"aa"})}))), "VAULT-RULES-WORKLOAD");
}

TEST_F(ReleaseRulesTest, BesideAnImmutablePolicyRulesOnlyBecomeStricter) {
    EXPECT_EQ(
        as(kOfficer, "PATCH", "/keys/k", {{"release_policy", envelope(tutorial_policy(), true)}})
            .status,
        200);
    const Json first = {{"maxReleases", 10}, {"maxTokenAge", 600}};
    EXPECT_EQ(set(first).status, 200);  // some rules are stricter than none
    EXPECT_EQ(set({{"maxReleases", 10}}).check(), "VAULT-RULES-STRICTER");
    EXPECT_EQ(set({{"maxReleases", 11}, {"maxTokenAge", 600}}).check(), "VAULT-RULES-STRICTER");
    EXPECT_EQ(set(Json::object()).check(), "VAULT-RULES-STRICTER");
    EXPECT_EQ(set(Json::object()).status, 400);
    EXPECT_EQ(rules(), first);
    EXPECT_EQ(set({{"maxReleases", 9}, {"maxTokenAge", 600}, {"singleUse", true}}).status, 200);
}

TEST(ReleaseRulesOrder, EveryRuleCanOnlyBecomeStricter) {
    const auto rules = [](const char* text) {
        return MUST(ReleaseRules::parse(MUST(parse_json(text))));
    };
    const auto laxer = [&](const char* now, const char* next) {
        return laxer_than(rules(now), rules(next));
    };
    EXPECT_EQ(laxer("{}", R"({"singleUse":true,"twoPerson":true})"), "");
    EXPECT_EQ(laxer(R"({"singleUse":true})", "{}"), "singleUse");
    EXPECT_EQ(laxer(R"({"twoPerson":true})", "{}"), "twoPerson");
    EXPECT_EQ(laxer(R"({"trustTier":"hardware"})", "{}"), "trustTier");
    EXPECT_EQ(laxer(R"({"notAfter":5})", R"({"notAfter":5})"), "");
    EXPECT_EQ(laxer(R"({"notAfter":5})", R"({"notAfter":6})"), "notAfter");
    EXPECT_EQ(laxer(R"({"maxTokenAge":5})", R"({"maxTokenAge":4})"), "");
    EXPECT_EQ(laxer(R"({"maxTokenAge":5})", "{}"), "maxTokenAge");
    const char* two = R"({"workload":[{"claim":"a","values":["x","y"]}]})";
    EXPECT_EQ(laxer(two, R"({"workload":[{"claim":"a","values":["y"]}]})"), "");
    EXPECT_EQ(laxer(two, R"({"workload":[{"claim":"a","values":["y","z"]}]})"), "workload");
    EXPECT_EQ(laxer(two, R"({"workload":[{"claim":"b","values":["y"]}]})"), "workload");
    EXPECT_EQ(laxer(two, R"({"workload":[{"claim":"a","values":["y"],"list":"any"}]})"),
              "workload");
    EXPECT_EQ(laxer("{}", two), "");
}

TEST_F(ReleaseRulesTest, TwoPersonsChangeWhatNeedsTwo) {
    set({{"twoPerson", true}});
    EXPECT_EQ(set({{"twoPerson", true}}).status, 200);  // no change
    EXPECT_EQ(set(Json::object()).check(), "VAULT-RULES-APPROVAL");
    EXPECT_EQ(set(Json::object(), kSecondOfficer).check(), "VAULT-RULES-APPROVAL");

    Answer proposed = propose({{"rules", {{"maxReleases", 1}}}});
    ASSERT_EQ(proposed.status, 200) << dump_json(proposed.body);
    EXPECT_EQ(rules(), Json({{"twoPerson", true}}));  // nothing happened yet
    EXPECT_EQ(approve(proposed, kOfficer).check(), "VAULT-PROPOSAL-SECOND");
    EXPECT_EQ(approve(proposed, kReleaser).check(), "CALLER-ROLE");
    EXPECT_EQ(approve(proposed, kSecondOfficer, std::string(64, '0')).check(),
              "VAULT-PROPOSAL-HASH");
    Answer approved = approve(proposed);
    ASSERT_EQ(approved.status, 200) << dump_json(approved.body);
    EXPECT_EQ(rules(), Json({{"maxReleases", 1}}));
    EXPECT_EQ(approve(proposed).status, 404);  // once
    const audit::Entry entry = recorded(approved).at(0).entry;
    EXPECT_EQ(entry.actor, kSecondOfficer);
    EXPECT_EQ(entry.details["proposal"]["proposer"], kOfficer);
    EXPECT_EQ(entry.details["proposal"]["hash"], proposed.body["hash"]);
}

TEST_F(ReleaseRulesTest, TwoPersonsChangeTheReleasePolicy) {
    set({{"twoPerson", true}});
    const Json change = {{"release_policy", envelope(other_policy())}};
    EXPECT_EQ(as(kOfficer, "PATCH", "/keys/k", change).check(), "VAULT-RULES-APPROVAL");
    Json version = exportable_key();
    version["release_policy"] = envelope(other_policy());
    EXPECT_EQ(create("k", version).check(), "VAULT-RULES-APPROVAL");
    // What does not change the policy needs nobody else.
    EXPECT_EQ(create("k", exportable_key()).status, 200);
    EXPECT_EQ(as(kOfficer, "PATCH", "/keys/k",
                 {{"release_policy", envelope(tutorial_policy())}, {"tags", {{"a", "b"}}}})
                  .status,
              200);
    Answer proposed = propose(change);
    ASSERT_EQ(proposed.status, 200) << dump_json(proposed.body);
    EXPECT_EQ(approve(proposed).status, 200);
    const std::string data = as(kOfficer, "GET", "/keys/k").body["release_policy"]["data"];
    EXPECT_NE(to_text(MUST(decode_base64url(data))).find("is-debuggable"), std::string::npos);
    EXPECT_EQ(rules(), Json({{"twoPerson", true}}));
}

TEST_F(ReleaseRulesTest, AProposalEndsAndIsOfOneState) {
    set({{"twoPerson", true}});
    Answer first = propose({{"rules", Json::object()}});
    Answer second = propose({{"rules", {{"maxReleases", 1}, {"twoPerson", true}}}}, kSecondOfficer);
    EXPECT_EQ(as(kOfficer, "GET", kProposals).body["value"].size(), 2u);
    // Another change in between: what was read is not what is.
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        KeyRecord record = *TRY(read_key_record(tx, "myconfkv", "k"));
        record.policy_immutable = true;
        return put_key_record(tx, "myconfkv", record);
    }));
    EXPECT_EQ(approve(first).check(), "VAULT-PROPOSAL-CURRENT");
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        KeyRecord record = *TRY(read_key_record(tx, "myconfkv", "k"));
        record.policy_immutable = false;
        return put_key_record(tx, "myconfkv", record);
    }));
    const Json claims = access_claims(kSecondOfficer);
    clock_.set(from_unix(first.body["expires"].get<int64_t>()));
    Json fresh = claims;
    fresh["nbf"] = fresh["iat"] = to_unix(clock_.now());
    fresh["exp"] = to_unix(clock_.now()) + 3600;
    const std::string id = first.body["id"];
    Answer late = send("POST", kProposals + ("/" + id) + "/approve?api-version=7.4",
                       dump_json({{"hash", first.body["hash"]}}), keys().login.token(fresh));
    EXPECT_EQ(late.check(), "VAULT-PROPOSAL-OPEN");
    Answer list =
        send("GET", std::string(kProposals) + "?api-version=7.4", "", keys().login.token(fresh));
    EXPECT_EQ(list.body["value"].size(), 0u);
}

TEST_F(ReleaseRulesTest, ProposalsAreWithdrawnAndFew) {
    EXPECT_EQ(propose({{"rules", Json::object()}}).status, 400);  // no two persons are needed
    set({{"twoPerson", true}});
    EXPECT_EQ(propose(Json::object()).status, 400);
    EXPECT_EQ(propose({{"rule", Json::object()}}).status, 400);
    EXPECT_EQ(propose({{"release_policy", {{"data", "e30"}}}}).status, 400);
    Answer proposed = propose({{"rules", Json::object()}});
    const std::string path = kProposals + ("/" + proposed.body["id"].get<std::string>());
    EXPECT_EQ(as(kUser, "GET", path).body, proposed.body);
    EXPECT_EQ(as(kReleaser, "DELETE", path).check(), "CALLER-ROLE");
    EXPECT_EQ(as(kOfficer, "DELETE", path).status, 200);
    EXPECT_EQ(as(kOfficer, "GET", path).status, 404);
    EXPECT_EQ(approve(proposed).status, 404);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(propose({{"rules", Json::object()}}).status, 200);
    EXPECT_EQ(propose({{"rules", Json::object()}}).status, 409);
}

TEST_F(ReleaseRulesTest, TwoPersonsCannotLoosenWhatIsImmutable) {
    set({{"twoPerson", true}});
    Answer proposed = propose({{"release_policy", envelope(tutorial_policy(), true)}});
    EXPECT_EQ(approve(proposed).status, 200);
    EXPECT_EQ(propose({{"rules", Json::object()}}).check(), "VAULT-RULES-STRICTER");
    EXPECT_EQ(propose({{"release_policy", envelope(other_policy(), true)}}).status, 400);
}

TEST_F(ReleaseRulesTest, RecordsOfEarlierVersionsHaveNoRules) {
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        Json old = MUST(parse_json(as_text(*TRY(tx.get("vault_key", "myconfkv/k")))));
        old.erase("rules");
        old.erase("rules_id");
        return tx.put("vault_key", "myconfkv/k", as_bytes(dump_json(old)));
    }));
    EXPECT_EQ(rules(), Json::object());
    EXPECT_EQ(released(), "released");
}

TEST_F(ReleaseRulesTest, DamagedRulesReleaseNothing) {
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        KeyRecord record = *TRY(read_key_record(tx, "myconfkv", "k"));
        record.rules = R"({"singleUs":true})";
        return put_key_record(tx, "myconfkv", record);
    }));
    EXPECT_EQ(release(token()).status, 500);
}

}  // namespace
}  // namespace vouchsafe::vault::test
