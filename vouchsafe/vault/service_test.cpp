// Who may come in: hosts, the challenge, access tokens, roles, the operator's acts, the store.
#include "vouchsafe/vault/service.h"

#include <filesystem>

#include "vouchsafe/vault/address.h"
#include "vouchsafe/vault/dispatch.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kList = "/keys?api-version=7.4";

using ServiceTest = VaultTest;

TEST_F(ServiceTest, WithoutATokenEverythingIsAnsweredWithTheChallenge) {
    struct {
        const char* method;
        const char* target;
    } const requests[] = {
        {"GET", "/keys/k/?api-version=7.4"},
        {"POST", "/keys/k/create?api-version=7.4"},
        {"PUT", "/secrets/s"},
        {"GET", "/no/such/path/at/all"},
        {"DELETE", "/keys/k/release"},
        {"GET", "/keys"},
    };
    for (const auto& request : requests) {
        Answer answer = send(request.method, request.target, "", "");
        EXPECT_EQ(answer.status, 401) << request.target;
        EXPECT_EQ(answer.code(), "Unauthorized");
        EXPECT_THAT(answer.message(), testing::StartsWith("AKV10000"));
        EXPECT_EQ(answer.headers.get("WWW-Authenticate"),
                  "Bearer authorization=\"https://login.microsoftonline.com/"
                  "11111111-1111-4111-8111-111111111111\", resource=\"https://vault.azure.net\"");
        EXPECT_FALSE(answer.request_id().empty());
    }
    EXPECT_TRUE(MUST(service_->audit().entries(4, 100)).empty());  // the fixture's own are four
}

TEST_F(ServiceTest, RefusesUnknownVaultsBeforeAnythingElse) {
    for (const char* host : {"other.vault.azure.net", "vault.azure.net", "localhost:8443", "",
                             "a.myconfkv.vault.azure.net", "myconfkv.vault.azure.net:x",
                             "myconfkv.vault.azure.net.example.org"}) {
        EXPECT_EQ(send("GET", kList, "", "", host).status, 404) << host;
        EXPECT_EQ(send("GET", kList, "", access_token(kOfficer), host).code(), "VaultNotFound");
        EXPECT_EQ(send("GET", "/no/route", "", "", host).status, 404) << host;
    }
    EXPECT_EQ(send("GET", kList, "", access_token(kOfficer), "MyConfKV.vault.azure.net:443").status,
              200);
}

TEST_F(ServiceTest, AcceptsVersionOneAndTwoTokensForTheVault) {
    Json v2 = access_claims(kOfficer);
    v2["iss"] = login_base();
    v2["aud"] = "https://vault.azure.net/";
    v2.erase("appid");
    v2["azp"] = "app";
    EXPECT_EQ(send("GET", kList, "", keys().login.token(v2)).status, 200);
    EXPECT_EQ(send("GET", kList, "", access_token(kOfficer)).status, 200);
}

TEST_F(ServiceTest, RefusesTokensThatDoNotHold) {
    struct {
        const char* check;
        std::function<std::string()> make;
    } const cases[] = {
        {"TOKEN-FORMAT", [] { return std::string("a.b"); }},
        {"TOKEN-SIGNATURE",
         [] {
             TestIssuer forger{keys().login.kid, keys().stranger.key};
             return forger.token(access_claims(kOfficer));
         }},
        {"TOKEN-KID", [] { return keys().stranger.token(access_claims(kOfficer)); }},
        {"TOKEN-ISSUER",
         [] {
             Json claims = access_claims(kOfficer);
             claims["iss"] = "https://sts.windows.net/22222222-1111-4111-8111-111111111111/";
             return keys().login.token(claims);
         }},
        {"TOKEN-AUDIENCE",
         [] {
             Json claims = access_claims(kOfficer);
             claims["aud"] = "https://management.azure.com";
             return keys().login.token(claims);
         }},
        {"TOKEN-EXPIRED",
         [] {
             Json claims = access_claims(kOfficer);
             claims["exp"] = to_unix(kNow) - 300;
             return keys().login.token(claims);
         }},
        {"TOKEN-NOT-BEFORE",
         [] {
             Json claims = access_claims(kOfficer);
             claims["nbf"] = to_unix(kNow) + 301;
             return keys().login.token(claims);
         }},
        {"CALLER-TENANT",
         [] {
             Json claims = access_claims(kOfficer);
             claims["tid"] = "22222222-1111-4111-8111-111111111111";
             return keys().login.token(claims);
         }},
        {"CALLER-OID",
         [] {
             Json claims = access_claims(kOfficer);
             claims.erase("oid");
             return keys().login.token(claims);
         }},
        {"CALLER-OID", [] { return access_token("a/b"); }},
    };
    for (const auto& test : cases) {
        Answer answer = send("GET", kList, "", test.make());
        EXPECT_EQ(answer.status, 401) << test.check;
        EXPECT_EQ(answer.check(), test.check);
        EXPECT_NE(answer.headers.find("WWW-Authenticate"), nullptr);
        auto entries = recorded(answer);
        ASSERT_EQ(entries.size(), 1u) << test.check;
        EXPECT_EQ(entries[0].entry.outcome, audit::Outcome::refused);
        EXPECT_EQ(entries[0].entry.checks.back().code, test.check);
    }
}

TEST_F(ServiceTest, RefusesOtherWaysOfAuthorization) {
    net::Request request;
    request.method = "GET";
    request.path = {"keys"};
    request.host = "myconfkv.vault.azure.net";
    request.headers.set("Authorization", "Basic " + access_token(kOfficer));
    EXPECT_EQ(service_->handler()(request).status, 401);
    request.headers.set("Authorization", "Bearer " + access_token(kOfficer));
    request.headers.add("Authorization", "Bearer " + access_token(kOfficer));
    EXPECT_EQ(service_->handler()(request).status, 401);
}

TEST_F(ServiceTest, RefusalsOfUnknownCallersCannotFillTheLog) {
    const uint64_t before = MUST(service_->audit().size());
    const std::string token = keys().stranger.token(access_claims(kOfficer));
    for (int i = 0; i < 80; ++i) EXPECT_EQ(send("GET", kList, "", token).status, 401);
    EXPECT_EQ(MUST(service_->audit().size()) - before, 60u);
    clock_.set(kNow + Seconds(5));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(send("GET", kList, "", token).status, 401);
    EXPECT_EQ(MUST(service_->audit().size()) - before, 65u);
}

TEST_F(ServiceTest, ARefusalShowsTheCheckToTheCallerAndTheValuesToTheLogAlone) {
    Answer answer = as(kReleaser, "GET", "/keys/k");
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.code(), "Forbidden");
    EXPECT_EQ(answer.inner(), "ForbiddenByRbac");
    EXPECT_EQ(answer.check(), "CALLER-ROLE");
    EXPECT_THAT(answer.message(), testing::HasSubstr(answer.request_id()));
    EXPECT_THAT(dump_json(answer.body), testing::Not(testing::HasSubstr("Release User")));

    auto entries = recorded(answer);
    ASSERT_EQ(entries.size(), 1u);
    const audit::Entry& entry = entries[0].entry;
    EXPECT_EQ(entry.actor, kReleaser);
    EXPECT_EQ(entry.action, "keys/get");
    EXPECT_EQ(entry.resource, "https://myconfkv.vault.azure.net/keys/k");
    const Check& check = entry.checks.back();
    EXPECT_EQ(check.field, "Microsoft.KeyVault/vaults/keys/read");
    EXPECT_THAT(check.expected, testing::HasSubstr("Key Vault Crypto User"));
    EXPECT_EQ(check.found, "Key Vault Crypto Service Release User");
}

TEST_F(ServiceTest, RolesApplyAtTheirScopeAndThroughGroups) {
    ASSERT_EQ(create("mine", {{"kty", "EC"}}).status, 200);
    constexpr const char* kGroup = "bbbbbbbb-0000-4000-8000-000000000001";
    EXPECT_EQ(as(kNobody, "GET", "/keys/mine").status, 403);
    MUST(service_->assign_role(kGroup, "Key Vault Reader", key_scope(vault_, "mine")));
    Json claims = access_claims(kNobody);
    claims["groups"] = {"cccccccc-0000-4000-8000-000000000001", kGroup};
    const std::string token = keys().login.token(claims);
    EXPECT_EQ(send("GET", "/keys/MINE?api-version=7.4", "", token).status, 200);
    EXPECT_EQ(send("GET", "/keys/mine2?api-version=7.4", "", token).status, 403);
    EXPECT_EQ(send("GET", kList, "", token).status, 403);
    EXPECT_EQ(as(kNobody, "GET", "/keys/mine").status, 403);

    MUST(service_->assign_role(kNobody, "Owner", "/"));
    Answer owner = as(kNobody, "GET", "/keys/mine");
    EXPECT_EQ(owner.status, 403);
    EXPECT_EQ(recorded(owner).at(0).entry.checks.back().found, "Owner");
}

TEST_F(ServiceTest, RemovingARoleEndsIt) {
    auto roles = MUST(service_->roles_of(kOfficer));
    ASSERT_EQ(roles.size(), 1u);
    EXPECT_EQ(as(kOfficer, "GET", "/keys").status, 200);
    MUST(service_->remove_role(kOfficer, roles[0].id));
    EXPECT_EQ(as(kOfficer, "GET", "/keys").status, 403);
    EXPECT_EQ(service_->remove_role(kOfficer, roles[0].id).error().code, Code::not_found);
}

TEST_F(ServiceTest, TheOperatorsActsAreRecorded) {
    auto entries = MUST(service_->audit().entries(0, 10));
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].entry.actor, "operator");
    EXPECT_EQ(entries[0].entry.action, "vaults/write");
    EXPECT_EQ(entries[1].entry.action, "roleAssignments/write");
    EXPECT_EQ(entries[1].entry.details["principal"], kOfficer);

    store_->failing_table = "audit_entry";
    EXPECT_FALSE(service_->assign_role(kNobody, "Owner", "/"));
    EXPECT_FALSE(service_->create_vault({.name = "second", .tenant = kTenant}));
    store_->failing_table.clear();
    EXPECT_TRUE(MUST(service_->roles_of(kNobody)).empty());
    EXPECT_EQ(service_->find_vault("second").error().code, Code::not_found);
}

TEST_F(ServiceTest, RefusesBadVaultsAndRoles) {
    EXPECT_EQ(service_->create_vault({.name = "MYCONFKV", .tenant = kTenant}).error().code,
              Code::conflict);
    for (const char* name : {"", "ab", "a--b", "a_b", "a.b", "abcdefghijklmnopqrstuvwxy"}) {
        EXPECT_EQ(service_->create_vault({.name = name, .tenant = kTenant}).error().code,
                  Code::invalid)
            << name;
    }
    EXPECT_EQ(service_->create_vault({.name = "abc", .tenant = "t"}).error().code, Code::invalid);
    EXPECT_EQ(service_->assign_role(kUser, "No Role", "/").error().code, Code::invalid);
    EXPECT_EQ(service_->assign_role("x", "Owner", "/").error().code, Code::invalid);
    EXPECT_EQ(service_->assign_role(kUser, "Owner", "here").error().code, Code::invalid);
    // Repeating an assignment changes nothing.
    const auto first = MUST(service_->assign_role(kUser, "Owner", "/"));
    EXPECT_EQ(MUST(service_->assign_role(kUser, "owner", "/")).id, first.id);
    EXPECT_EQ(MUST(service_->vaults()).size(), 1u);
}

TEST_F(ServiceTest, UnknownRoutesSaySo) {
    EXPECT_EQ(as(kOfficer, "GET", "/certificates").status, 404);
    EXPECT_EQ(as(kOfficer, "PUT", "/keys").status, 405);
}

TEST_F(ServiceTest, DemandsAKnownApiVersion) {
    const std::string token = access_token(kOfficer);
    for (const char* good :
         {"7.0", "7.6", "7.4-preview.1", "7.3-preview", "2025-07-01", "2016-10-01"}) {
        EXPECT_EQ(send("GET", std::string("/keys?API-Version=") + good, "", token).status, 200)
            << good;
    }
    for (const char* bad : {"", "7.7", "7", "8.0", "7.10", "7.4-preview.", "7.4-previewx",
                            "2025-07-02", "7.4-preview.1.1"}) {
        Answer answer = send("GET", std::string("/keys?api-version=") + bad, "", token);
        EXPECT_EQ(answer.status, 400) << bad;
        EXPECT_EQ(answer.code(), "BadParameter");
    }
    EXPECT_EQ(send("GET", "/keys", "", token).status, 400);
}

TEST_F(ServiceTest, AStoreBelongsToOneKindOfDirectory) {
    service_.reset();
    Config production = config_;
    production.allow_simulated = false;
    auto opened = open(production);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::conflict);
    EXPECT_TRUE(open(config_));
}

TEST_F(ServiceTest, AStoreBelongsToOneRootKey) {
    service_.reset();
    Config elsewhere = config_;
    elsewhere.directory = dir_.path() / "other-keys";
    MUST(make_private_dir(elsewhere.directory));
    MUST(write_file(elsewhere.directory / kRootKeyFile, Bytes(32, 7), Overwrite::no, 0600));
    auto opened = open(elsewhere);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::bad_evidence);
}

TEST_F(ServiceTest, MakesNoRootKeyForAStoreThatIsSealedUnderAnother) {
    EXPECT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    service_.reset();
    const Path file = config_.directory / kRootKeyFile;
    const Path away = dir_.path() / "copy";
    std::filesystem::rename(file, away);
    const auto erase = [&](std::string_view name) {
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            TRY(tx.erase(kMetaTable, name));
            return {};
        }));
    };
    // Also where what the store remembers of it is gone, and its keys are there.
    for (std::string_view gone :
         {std::string_view("nothing"), kRootKey, std::string_view("tier")}) {
        erase(gone);
        const auto opened = open(config_);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Code::not_found);
        EXPECT_THAT(opened.error().message, testing::HasSubstr("restore"));
        EXPECT_THAT(opened.error().message, testing::HasSubstr(file.string()));
        EXPECT_FALSE(std::filesystem::exists(file));
    }
    // With it they are found to be gone, and nothing is made in their place.
    std::filesystem::rename(away, file);
    EXPECT_EQ(open(config_).error().code, Code::io);
}

TEST_F(ServiceTest, MakesARootKeyForAStoreThatIsEmpty) {
    service_.reset();
    sqlite_ = MUST(store::open_sqlite(dir_.path() / "empty.db"));
    store_.emplace(*sqlite_);
    config_.directory = dir_.path() / "fresh";
    EXPECT_TRUE(open(config_));
    EXPECT_TRUE(open(config_)) << "and it is the store's from then on";
}

TEST_F(ServiceTest, RefusesBadSettings) {
    const auto refused = [&](const std::function<void(Config&)>& change) {
        Config config = config_;
        change(config);
        auto opened = open(config);
        return !opened && opened.error().code == Code::invalid;
    };
    EXPECT_TRUE(refused([](Config& c) { c.directory.clear(); }));
    EXPECT_TRUE(refused([](Config& c) { c.dns_suffixes.clear(); }));
    EXPECT_TRUE(refused([](Config& c) { c.login_authority = "http://login.example"; }));
    EXPECT_TRUE(refused([](Config& c) { c.attestation_origins = {"attest.example"}; }));
    EXPECT_FALSE(refused([](Config& c) { c.login_authority += "/"; }));

    const auto create_with = [&](net::TlsIdentity signer) {
        return Service::create(config_, {*store_, clock_, web_.fetch(), std::move(signer)});
    };
    const net::TlsIdentity& good = keys().signer;
    EXPECT_TRUE(create_with(good));
    EXPECT_FALSE(create_with({{good.chain[0]}, good.key}));
    EXPECT_FALSE(create_with({{good.chain[1], good.chain[0]}, good.key}));
    EXPECT_FALSE(create_with({good.chain, keys().tee}));
}

TEST(Address, BuildsIdentifiersFromTheHostAsSent) {
    const std::vector<std::string> suffixes = {"vault.azure.net", "kv.local"};
    Address azure = MUST(Address::parse("Abc.Vault.Azure.Net", suffixes));
    EXPECT_EQ(azure.vault, "abc");
    EXPECT_EQ(azure.base, "https://abc.vault.azure.net");
    Address local = MUST(Address::parse("abc.kv.local:8443", suffixes));
    EXPECT_EQ(local.vault, "abc");
    EXPECT_EQ(local.base, "https://abc.kv.local:8443");
    for (const char* bad : {"abc.kv.local:", "abc.kv.local:123456", "abc.kv.local:1:2", "abc.other",
                            ".kv.local", "a_c.kv.local", "abckv.local"}) {
        EXPECT_FALSE(Address::parse(bad, suffixes)) << bad;
    }
}

}  // namespace
}  // namespace vouchsafe::vault::test
