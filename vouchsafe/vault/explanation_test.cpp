// Explanations: whoever manages the key gets every condition; to others a request of somebody else
// is as unknown as one that was never made.
#include "vouchsafe/vault/explanation.h"

#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kOwner = "aaaaaaaa-0000-4000-8000-000000000007";

class ExplanationTest : public VaultTest {
  protected:
    ExplanationTest() {
        EXPECT_EQ(create("k", exportable_key()).status, 200);
        EXPECT_EQ(create("other", exportable_key()).status, 200);
        // Manages one key and no other.
        MUST(service_->assign_role(kOwner, "Key Vault Crypto Officer", key_scope(vault_, "k")));
    }
    Answer release(const Json& change, const std::string& key = "k") {
        Json claims = attestation_claims();
        claims.merge_patch(change);
        return as(kReleaser, "POST", "/keys/" + key + "/release",
                  {{"target", keys().attestation.token(claims)}});
    }
    static Json not_compliant() {
        return {{"x-ms-isolation-tee", {{"x-ms-compliance-status", "none"}}}};
    }
    Answer explain(const Answer& refused, std::string_view oid = kOwner) {
        return as(oid, "GET", "/x-vouchsafe-explanations/" + refused.request_id());
    }
};

TEST_F(ExplanationTest, TellsTheOwnerEachConditionAndTheSmallestChange) {
    const Answer refused = release(not_compliant());
    EXPECT_EQ(refused.check(), "POLICY-CLAIM-MISMATCH");
    const Answer answer = explain(refused);
    ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
    const Json& told = answer.body;
    EXPECT_EQ(told["request_id"], refused.request_id());
    EXPECT_EQ(told["operation"], "keys/release");
    EXPECT_EQ(told["outcome"], "refused");
    EXPECT_EQ(told["caller"], kReleaser);
    const Json& last = told["checks"].back();
    EXPECT_EQ(last["code"], "POLICY-CLAIM-MISMATCH");
    EXPECT_EQ(last["expected"], "equals \"azure-compliant-cvm\"");
    EXPECT_EQ(last["found"], "\"none\"");
    EXPECT_EQ(last["passed"], false);
    EXPECT_FALSE(last["remedy"].get<std::string>().empty());
    EXPECT_EQ(told["policy"]["passed"], false);
    const Json& change = told["smallest_change"];
    ASSERT_EQ(change["conditions"].size(), 1u);
    EXPECT_EQ(change["conditions"][0]["path"], "anyOf[0].allOf[1]");

    // The change does what it says.
    const Json wider = {
        {"release_policy",
         {{"data", encode_base64url(as_bytes(change["policy"].get<std::string>()))}}}};
    EXPECT_EQ(as(kOwner, "PATCH", "/keys/k", wider).status, 200);
    EXPECT_EQ(release(not_compliant()).status, 200);
}

TEST_F(ExplanationTest, ClaimsThatAMachineMakesLongHideNoRefusal) {
    Json policy = tutorial_policy();
    policy["anyOf"][0]["allOf"].push_back({{"claim", "x-ms-runtime.note"}, {"equals", "x"}});
    ASSERT_EQ(as(kOwner, "PATCH", "/keys/k", {{"release_policy", envelope(policy)}}).status, 200);
    const Answer refused = release({{"x-ms-runtime", {{"note", std::string(150 << 10, 'n')}}}});
    EXPECT_EQ(refused.check(), "POLICY-CLAIM-MISMATCH");
    ASSERT_EQ(recorded(refused).size(), 1u);
    const Json told = explain(refused).body;
    EXPECT_EQ(told["policy"]["passed"], false);
    EXPECT_FALSE(told.contains("smallest_change"));
}

TEST_F(ExplanationTest, TellsWhichRuleRefused) {
    EXPECT_EQ(as(kOwner, "PUT", "/keys/k/x-vouchsafe-release-rules", {{"maxReleases", 0}}).status,
              200);
    const Answer refused = release(Json::object());
    EXPECT_EQ(refused.check(), "VAULT-RULES-QUOTA");
    const Json told = explain(refused).body;
    EXPECT_EQ(told["checks"].back()["expected"], "at most 0");
    EXPECT_EQ(told["release_rules"], Json({{"maxReleases", 0}}));
    EXPECT_FALSE(told.contains("smallest_change"));
}

TEST_F(ExplanationTest, AForeignRequestIsAsUnknownAsNone) {
    const Answer foreign = release(not_compliant(), "other");
    EXPECT_EQ(explain(foreign, kOfficer).status, 200);
    const Answer mine = release(not_compliant());
    const Answer never =
        as(kOwner, "GET", "/x-vouchsafe-explanations/99999999-9999-4999-8999-999999999999");
    const Answer strange = as(kOwner, "GET", "/x-vouchsafe-explanations/x");
    ASSERT_EQ(never.status, 404);
    for (const Answer& answer : {explain(foreign), explain(mine, kReleaser), strange,
                                 explain(mine, kNobody), explain(never)}) {
        EXPECT_EQ(answer.status, 404);
        EXPECT_EQ(answer.body, never.body);
        EXPECT_EQ(answer.check(), "");
    }
    // A request that concerns no key, such as a list, belongs to nobody who manages one.
    EXPECT_EQ(explain(as(kNobody, "GET", "/keys"), kOfficer).status, 404);
}

TEST_F(ExplanationTest, AnotherVaultsRequestIsUnknown) {
    auto second = MUST(service_->create_vault({.name = "second", .tenant = kTenant}));
    MUST(service_->assign_role(kOfficer, "Key Vault Crypto Officer", second.resource_id));
    const Answer refused = release(not_compliant());
    const std::string path =
        "/x-vouchsafe-explanations/" + refused.request_id() + "?api-version=7.4";
    EXPECT_EQ(send("GET", path, "", access_token(kOfficer), "second.vault.azure.net").status, 404);
    EXPECT_EQ(send("GET", path, "", access_token(kOfficer)).status, 200);
}

TEST_F(ExplanationTest, WithoutATokenThereIsTheChallenge) {
    const Answer refused = release(not_compliant());
    const Answer answer = send(
        "GET", "/x-vouchsafe-explanations/" + refused.request_id() + "?api-version=7.4", "", "");
    EXPECT_EQ(answer.status, 401);
}

}  // namespace
}  // namespace vouchsafe::vault::test
