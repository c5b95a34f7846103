#include "vouchsafe/access/roles.h"

#include <gtest/gtest.h>

#include <set>

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::access {
namespace {

bool allows(std::string_view role, std::string_view action) {
    const Role* found = find_role(role);
    EXPECT_NE(found, nullptr) << role;
    return found != nullptr && role_allows(*found, Provider::key_vault, action);
}

TEST(Roles, HaveUniqueNamesAndIds) {
    std::set<std::string_view> names, ids;
    for (const Role& role : built_in_roles()) {
        EXPECT_TRUE(names.insert(role.name).second) << role.name;
        EXPECT_TRUE(ids.insert(role.id).second) << role.id;
        EXPECT_EQ(role.id.size(), 36u);
    }
    EXPECT_EQ(names.size(), 19u);
}

TEST(Roles, AreFoundByNameAndIdWithoutCase) {
    EXPECT_EQ(find_role("key vault reader"), find_role("21090545-7CA7-4776-B22C-E363652D74D2"));
    EXPECT_NE(find_role("Key Vault Reader"), nullptr);
    EXPECT_EQ(find_role("Key Vault"), nullptr);
    EXPECT_EQ(find_role(""), nullptr);
}

TEST(Roles, OwnerAloneOpensNothing) {
    for (const char* role :
         {"Owner", "Contributor", "Reader", "User Access Administrator", "Key Vault Contributor"}) {
        EXPECT_FALSE(allows(role, "keys/read")) << role;
        EXPECT_FALSE(allows(role, "keys/release/action")) << role;
        EXPECT_FALSE(allows(role, "secrets/getSecret/action")) << role;
    }
}

TEST(Roles, OwnersContributorsAndReadersOfEverythingHavePoliciesOfAttestationServices) {
    auto may = [](const char* role, const char* action) {
        return role_allows(*find_role(role), Provider::attestation, action);
    };
    for (const char* role : {"Owner", "Contributor"}) {
        EXPECT_TRUE(may(role, "attestation/write")) << role;
        EXPECT_TRUE(may(role, "attestation/delete")) << role;
    }
    for (const char* role : {"Reader", "User Access Administrator", "Attestation Reader"}) {
        EXPECT_TRUE(may(role, "attestation/read")) << role;
        EXPECT_FALSE(may(role, "attestation/write")) << role;
        EXPECT_FALSE(may(role, "attestation/delete")) << role;
    }
    EXPECT_FALSE(may("Key Vault Administrator", "attestation/read"));
}

TEST(Roles, ReleaseUserReleasesAndDoesNothingElse) {
    constexpr const char* kRole = "Key Vault Crypto Service Release User";
    EXPECT_TRUE(allows(kRole, "keys/release/action"));
    EXPECT_FALSE(allows(kRole, "keys/read"));
    EXPECT_FALSE(allows(kRole, "keys/wrap/action"));
}

TEST(Roles, CryptoUserUsesKeysAndCannotReleaseOrManageThem) {
    constexpr const char* kRole = "Key Vault Crypto User";
    EXPECT_TRUE(allows(kRole, "keys/unwrap/action"));
    EXPECT_TRUE(allows(kRole, "keys/read"));
    for (const char* action : {"keys/release/action", "keys/create/action", "keys/delete",
                               "keys/rotate/action", "keys/purge/action"}) {
        EXPECT_FALSE(allows(kRole, action)) << action;
    }
}

TEST(Roles, CryptoOfficerAndAdministratorCanRelease) {
    EXPECT_TRUE(allows("Key Vault Crypto Officer", "keys/release/action"));
    EXPECT_FALSE(allows("Key Vault Crypto Officer", "secrets/getSecret/action"));
    EXPECT_TRUE(allows("Key Vault Administrator", "keys/release/action"));
}

TEST(Roles, ReaderReadsKeysButNoSecretValues) {
    EXPECT_TRUE(allows("Key Vault Reader", "keys/read"));
    EXPECT_TRUE(allows("Key Vault Reader", "secrets/readMetadata/action"));
    EXPECT_FALSE(allows("Key Vault Reader", "secrets/getSecret/action"));
}

TEST(Roles, PatternsMatchAnyRunWithoutCase) {
    EXPECT_TRUE(pattern_matches("*", ""));
    EXPECT_TRUE(pattern_matches("*", "a/b/c"));
    EXPECT_TRUE(pattern_matches("keys/*", "KEYS/Release/Action"));
    EXPECT_TRUE(pattern_matches("*/read", "a/b/read"));
    EXPECT_TRUE(pattern_matches("a*b*c", "a--b--bc"));
    EXPECT_FALSE(pattern_matches("keys/*", "keys"));
    EXPECT_FALSE(pattern_matches("keys/*", "xkeys/read"));
    EXPECT_FALSE(pattern_matches("*/read", "read"));
    EXPECT_FALSE(pattern_matches("*/read", "keys/read/action"));
    EXPECT_FALSE(pattern_matches("keys/read", "keys/rea"));
    EXPECT_FALSE(pattern_matches("a*b*c", "a--c--b"));
}

TEST(Roles, ScopesCoverWhatIsBelowThemBySegment) {
    constexpr const char* kVault =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v";
    const std::string key = std::string(kVault) + "/keys/k";
    EXPECT_TRUE(scope_covers("/", key));
    EXPECT_TRUE(scope_covers("/subscriptions/s", key));
    EXPECT_TRUE(scope_covers("/SUBSCRIPTIONS/S/resourcegroups/G", key));
    EXPECT_TRUE(scope_covers(kVault, key));
    EXPECT_TRUE(scope_covers(std::string(kVault) + "/", key));
    EXPECT_TRUE(scope_covers(key, key));
    EXPECT_FALSE(scope_covers(key, kVault));
    EXPECT_FALSE(
        scope_covers("/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/"
                     "vaults/vv",
                     key));
    EXPECT_FALSE(scope_covers("/subscriptions/s2", key));
    EXPECT_FALSE(scope_covers("/subscription", key));
    EXPECT_FALSE(scope_covers(key, key + "2"));
}

TEST(Roles, OnAScopeAreFoundAmongManyPrincipals) {
    TemporaryDir dir = MUST(TemporaryDir::create("roles"));
    auto store = MUST(store::open_sqlite(dir.path() / "store.db"));
    constexpr const char* kScope = "/subscriptions/s/attestationProviders/attestation";
    auto found = [&] {
        bool out = false;
        MUST(store->read([&](store::View& view) -> Result<void> {
            out = TRY(has_roles_on(view, kScope));
            return {};
        }));
        return out;
    };
    auto assign = [&](const std::string& scope) {
        MUST(store->run([&](store::Transaction& tx) -> Result<void> {
            TRY(assign_role(tx, crypto::random_uuid(), "Attestation Reader", scope));
            return {};
        }));
    };
    EXPECT_FALSE(found());
    assign("/subscriptions/s");         // for more than it
    assign(std::string(kScope) + "s");  // for another
    EXPECT_FALSE(found());
    assign("/SUBSCRIPTIONS/s/attestationProviders/attestation/");
    EXPECT_TRUE(found());
}

TEST(Roles, NeededActionsSayWhichRolesAllowOne) {
    constexpr std::string_view kActions[] = {"keys/encrypt/action", "keys/read"};
    const NeededActions needed(Provider::key_vault, kActions);
    EXPECT_EQ(needed.field(), "Microsoft.KeyVault/vaults/keys/encrypt/action or keys/read");
    EXPECT_EQ(needed.expected(),
              "one of: Key Vault Administrator, Key Vault Certificate User, Key Vault Crypto "
              "Officer, Key Vault Crypto Service Encryption User, Key Vault Crypto User, Key Vault "
              "Reader");
    for (const Role& role : built_in_roles()) {
        const bool allows = role_allows(role, Provider::key_vault, kActions[0]) ||
                            role_allows(role, Provider::key_vault, kActions[1]);
        EXPECT_EQ(needed.allowed_by(role), allows) << role.name;
    }
    const NeededActions elsewhere(Provider::attestation, std::span(kActions).first(1));
    EXPECT_EQ(elsewhere.expected(), "one of: Contributor, Owner");
}

// Judged has a store in which one principal has one role.
class Judged : public ::testing::Test {
  protected:
    static constexpr std::string_view kVault = "/subscriptions/s/vaults/v";
    static constexpr std::string_view kPrincipal = "0f0e0d0c-0b0a-4908-8706-050403020100";

    void SetUp() override {
        dir_.emplace(MUST(TemporaryDir::create("judged")));
        store_ = MUST(store::open_sqlite(dir_->path() / "store.db"));
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            id_ = TRY(assign_role(tx, kPrincipal, "Key Vault Reader", kVault)).assignment.id;
            return {};
        }));
    }
    // judge returns "" if the principal may read keys, else what CALLER-ROLE found.
    std::string judge() {
        Checks checks;
        const Caller caller{std::string(kPrincipal), "", {}};
        const Result<void> judged = store_->read([&](store::View& view) {
            return authorize(view, caller, needed_, kVault, known_, checks);
        });
        if (judged) return "";
        return judged.error().reason() ? judged.error().reason()->found : judged.error().message;
    }
    // write replaces the record, under the key that it has.
    void write(std::string_view role, std::string_view scope) {
        const std::string json =
            dump_json({{"id", id_}, {"principal", kPrincipal}, {"role", role}, {"scope", scope}});
        put(json);
    }
    void put(const std::string& record) {
        MUST(store_->run([&](store::Transaction& tx) {
            return tx.put("role_assignment", fmt::format("{}/{}", kPrincipal, id_),
                          as_bytes(record));
        }));
    }

    std::optional<TemporaryDir> dir_;
    std::unique_ptr<store::Store> store_;
    NeededActions needed_{Provider::key_vault, std::array{std::string_view("keys/read")}};
    KnownAssignments known_;
    std::string id_;
};

TEST_F(Judged, ARecordThatChangesIsAnotherAssignment) {
    const std::string reader(find_role("Key Vault Reader")->id);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(judge(), "");
    write(find_role("Key Vault Secrets User")->id, kVault);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(judge(), "Key Vault Secrets User");
    write(reader, std::string(kVault) + "/keys/k");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(judge(), "none");
    write(reader, "/subscriptions/s");
    EXPECT_EQ(judge(), "");
    write(crypto::random_uuid(), kVault);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(judge(), "none") << "a role that is not known here";
}

TEST_F(Judged, ADamagedRecordFailsEachTime) {
    EXPECT_EQ(judge(), "");
    put(R"({"role":1})");
    for (int i = 0; i < 2; ++i) EXPECT_NE(judge(), "");
    write(find_role("Key Vault Reader")->id, kVault);
    EXPECT_EQ(judge(), "");
}

}  // namespace
}  // namespace vouchsafe::access
