// What decides in a vault: roles or access policies, and from where one may come.
#include <algorithm>

#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kReaders = "aaaaaaaa-0000-4000-8000-0000000000aa";

class AuthorizationTest : public VaultTest {
  protected:
    AuthorizationTest() { EXPECT_EQ(create("k", exportable_key()).status, 200); }

    Administration& admin() { return service_->administration(); }
    void give(std::string_view oid, std::vector<std::string> keys) {
        MUST(admin().set_access_policy("MyConfKv", {std::string(oid), "", std::move(keys), {}}));
    }
    Answer release(std::string_view oid) {
        return as(oid, "POST", "/keys/k/release",
                  {{"target", keys().attestation.token(attestation_claims())}});
    }
};

TEST_F(AuthorizationTest, RolesDecideUnlessTheVaultSaysOtherwise) {
    give(kNobody, {"all"});
    EXPECT_EQ(as(kNobody, "GET", "/keys/k").inner(), "ForbiddenByRbac");
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k").status, 200);
    MUST(admin().set_authorization("myconfkv", Authorization::access_policies));
    EXPECT_EQ(as(kNobody, "GET", "/keys/k").status, 200);
    const Answer officer = as(kOfficer, "GET", "/keys/k");
    EXPECT_EQ(officer.status, 403);
    EXPECT_EQ(officer.code(), "Forbidden");
    EXPECT_EQ(officer.inner(), "AccessDenied");
    EXPECT_EQ(officer.check(), "CALLER-ACCESS-POLICY");
    MUST(admin().set_authorization("myconfkv", Authorization::roles));
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k").status, 200);
}

TEST_F(AuthorizationTest, APermissionIsForItsOperationAlone) {
    MUST(admin().set_authorization("myconfkv", Authorization::access_policies));
    give(kReleaser, {"release"});
    give(kUser, {"get"});
    EXPECT_EQ(release(kReleaser).status, 200);
    EXPECT_EQ(as(kReleaser, "GET", "/keys/k").check(), "CALLER-ACCESS-POLICY");
    EXPECT_EQ(release(kUser).check(), "CALLER-ACCESS-POLICY");
    EXPECT_EQ(as(kUser, "GET", "/keys/k").status, 200);
    EXPECT_EQ(as(kUser, "GET", "/keys").check(), "CALLER-ACCESS-POLICY");
    EXPECT_EQ(as(kUser, "GET", "/keys/k/versions").check(), "CALLER-ACCESS-POLICY");
    EXPECT_EQ(as(kUser, "PUT", "/keys/k/x-vouchsafe-release-rules", Json::object()).check(),
              "CALLER-ACCESS-POLICY");
    give(kUser, {"list", "update"});
    EXPECT_EQ(as(kUser, "GET", "/keys").status, 200);
    EXPECT_EQ(as(kUser, "PUT", "/keys/k/x-vouchsafe-release-rules", Json::object()).status, 200);
    EXPECT_EQ(as(kUser, "GET", "/keys/k").check(), "CALLER-ACCESS-POLICY");
}

// Requests are judged by the vault as it was last read until the store says that it is another now:
// then nothing of the first judgement is left.
TEST_F(AuthorizationTest, AVaultThatChangedIsJudgedAnewAsAWhole) {
    const Json sign = {{"alg", "ES256"}, {"value", encode_base64url(Bytes(32, 1))}};
    EXPECT_EQ(create("s", {{"kty", "EC"}}).status, 200);
    EXPECT_EQ(as(kUser, "POST", "/keys/s/sign", sign).status, 200);
    MUST(admin().set_networks("myconfkv", {"10.0.0.0/8"}));
    EXPECT_EQ(as(kUser, "POST", "/keys/s/sign", sign).check(), "CALLER-NETWORK");
    MUST(admin().set_networks("myconfkv", {"127.0.0.0/8"}));
    const Answer allowed = as(kUser, "POST", "/keys/s/sign", sign);
    EXPECT_EQ(allowed.status, 200);
    const auto entries = recorded(allowed);
    ASSERT_EQ(entries.size(), 1u);
    for (const char* code : {"CALLER-NETWORK", "CALLER-TOKEN", "CALLER-ROLE"}) {
        EXPECT_EQ(std::ranges::count(entries[0].entry.checks, code, &Check::code), 1) << code;
    }
}

TEST_F(AuthorizationTest, GroupsOfTheTokenCountForRolesAndPolicies) {
    Json claims = access_claims(kNobody);
    claims["groups"] = Json::array({kReaders});
    const std::string token = keys().login.token(claims);
    const auto get = [&] { return send("GET", "/keys/k?api-version=7.4", "", token).status; };
    EXPECT_EQ(get(), 403);
    MUST(service_->assign_role(kReaders, "Key Vault Reader", vault_.resource_id));
    EXPECT_EQ(get(), 200);
    MUST(admin().set_authorization("myconfkv", Authorization::access_policies));
    EXPECT_EQ(get(), 403);
    give(kReaders, {"get"});
    EXPECT_EQ(get(), 200);
}

TEST_F(AuthorizationTest, ANetworkThatMayNotComeIsToldSoBeforeAnythingElse) {
    MUST(admin().set_networks("myconfkv", {"10.0.0.0/8"}));
    for (const std::string& token :
         {access_token(kOfficer), std::string("rubbish"), std::string()}) {
        const Answer answer = send("GET", "/keys/k?api-version=7.4", "", token);
        EXPECT_EQ(answer.status, 403);
        EXPECT_EQ(answer.inner(), "ForbiddenByFirewall");
    }
    MUST(admin().set_networks("myconfkv", {"10.0.0.0/8", "127.0.0.0/8"}));
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k").status, 200);
    EXPECT_EQ(admin().set_networks("myconfkv", {"10.1.0.0/8"}).error().code, Code::invalid);
    EXPECT_EQ(admin().set_networks("none", {}).error().code, Code::not_found);
}

TEST_F(AuthorizationTest, AnOperatorsActsAreInTheLog) {
    const uint64_t before = MUST(service_->audit().size());
    MUST(admin().set_networks("myconfkv", {"127.0.0.1"}));
    MUST(admin().set_authorization("myconfkv", Authorization::access_policies));
    give(kUser, {"get"});
    MUST(admin().remove_access_policy("myconfkv", kUser, ""));
    const auto entries = MUST(service_->audit().entries(before, 10));
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].entry.action, "vaults/networks/write");
    EXPECT_EQ(entries[0].entry.details["networks"], Json::array({"127.0.0.1"}));
    EXPECT_EQ(entries[1].entry.details["authorization"], "access-policies");
    EXPECT_EQ(entries[2].entry.details["keys"], Json::array({"get"}));
    EXPECT_EQ(entries[3].entry.action, "vaults/accessPolicies/delete");
    EXPECT_EQ(entries[3].entry.actor, "operator");
}

TEST_F(AuthorizationTest, AStoreIsSetUpBeforeItsFirstService) {
    auto fresh = MUST(store::open_sqlite(dir_.path() / "fresh.db"));
    audit::Log log(*fresh);
    Administration early(*fresh, log, clock_);
    const VaultInfo made = MUST(early.create_vault({.name = "early", .tenant = kTenant}));
    MUST(early.assign_role(kUser, "Key Vault Reader", made.resource_id));
    Config config = config_;
    config.directory = dir_.path() / "fresh-keys";
    auto service = MUST(Service::create(config, {*fresh, clock_, web_.fetch(), keys().signer}));
    EXPECT_EQ(MUST(service->vaults()).size(), 1u);
    service_ = std::move(service);
    EXPECT_EQ(send("GET", "/keys?api-version=7.4", "", access_token(kUser), "early.vault.azure.net")
                  .status,
              200);
}

}  // namespace
}  // namespace vouchsafe::vault::test
