// Access policies and networks: what they let through, and the nearest that they do not.
#include "vouchsafe/access/access_policies.h"

#include <gtest/gtest.h>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::access::access_policies_test {
namespace {

constexpr const char* kAlice = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* kGroup = "aaaaaaaa-0000-4000-8000-00000000000f";
constexpr const char* kApp = "55555555-5555-4555-8555-555555555555";

class AccessPolicies : public testing::Test {
  protected:
    AccessPolicies()
        : dir_(MUST(TemporaryDir::create("access-policies"))),
          store_(MUST(store::open_sqlite(dir_.path() / "a.db"))) {}

    Result<AccessPolicy> put(const AccessPolicy& policy, std::string_view vault = "v") {
        std::optional<AccessPolicy> out;
        Result<void> done = store_->run([&](store::Transaction& tx) -> Result<void> {
            out = TRY(put_access_policy(tx, vault, policy));
            return {};
        });
        if (!done) return fail(done.error());
        return *out;
    }
    bool allowed(std::string_view action, const Caller& caller, bool lists = false) {
        Checks checks;
        return store_
            ->read([&](store::View& view) {
                return authorize_by_policies(view, "V", caller, permission_of(action, lists),
                                             checks);
            })
            .has_value();
    }

    TemporaryDir dir_;
    std::unique_ptr<store::Store> store_;
    Caller alice_{kAlice, kApp, {}};
};

TEST_F(AccessPolicies, GiveWhatTheyNameAndNothingElse) {
    MUST(put({kAlice, "", {"GET", "wrapkey"}, {"list"}}));
    EXPECT_TRUE(allowed("keys/read", alice_));
    EXPECT_FALSE(allowed("keys/read", alice_, true));
    EXPECT_TRUE(allowed("keys/wrap/action", alice_));
    EXPECT_FALSE(allowed("keys/unwrap/action", alice_));
    EXPECT_FALSE(allowed("secrets/getSecret/action", alice_));
    EXPECT_TRUE(allowed("secrets/readMetadata/action", alice_, true));
    EXPECT_FALSE(allowed("secrets/readMetadata/action", alice_));
    EXPECT_FALSE(allowed("keys/unheard-of/action", alice_));
    EXPECT_FALSE(allowed("keys/read", {kGroup, "", {}}));
}

TEST_F(AccessPolicies, AllIsEveryPermissionOfItsKind) {
    const AccessPolicy all = MUST(put({kAlice, "", {"All"}, {}}));
    EXPECT_EQ(all.keys.size(), key_permissions().size());
    EXPECT_TRUE(allowed("keys/release/action", alice_));
    EXPECT_TRUE(allowed("keyrotationpolicies/write", alice_));
    EXPECT_FALSE(allowed("secrets/setSecret/action", alice_));
}

TEST_F(AccessPolicies, AGroupOfTheTokenCounts) {
    MUST(put({kGroup, "", {"get"}, {}}));
    EXPECT_FALSE(allowed("keys/read", alice_));
    EXPECT_TRUE(allowed("keys/read", {kAlice, kApp, {kGroup}}));
}

TEST_F(AccessPolicies, AnApplicationsPolicyIsForThatApplication) {
    MUST(put({kAlice, kApp, {"get"}, {}}));
    EXPECT_TRUE(allowed("keys/read", alice_));
    EXPECT_FALSE(allowed("keys/read", {kAlice, "", {}}));
    EXPECT_FALSE(allowed("keys/read", {kAlice, kGroup, {}}));
    EXPECT_FALSE(allowed("keys/read", {kAlice, "-", {}}));
}

TEST_F(AccessPolicies, AreOfOneVaultAndReplaced) {
    MUST(put({kAlice, "", {"get"}, {}}, "other"));
    EXPECT_FALSE(allowed("keys/read", alice_));
    MUST(put({kAlice, "", {"get"}, {}}));
    MUST(put({kAlice, "", {"list"}, {}}));
    EXPECT_FALSE(allowed("keys/read", alice_));
    EXPECT_TRUE(allowed("keys/read", alice_, true));
    MUST(store_->run(
        [&](store::Transaction& tx) { return remove_access_policy(tx, "v", kAlice, ""); }));
    EXPECT_FALSE(allowed("keys/read", alice_, true));
    EXPECT_EQ(
        store_
            ->run([&](store::Transaction& tx) { return remove_access_policy(tx, "v", kAlice, ""); })
            .error()
            .code,
        Code::not_found);
}

TEST_F(AccessPolicies, RefuseWhatIsNone) {
    EXPECT_EQ(put({kAlice, "", {"read"}, {}}).error().code, Code::invalid);
    EXPECT_EQ(put({kAlice, "", {}, {"wrapKey"}}).error().code, Code::invalid);
    EXPECT_EQ(put({"alice", "", {"get"}, {}}).error().code, Code::invalid);
    EXPECT_EQ(put({kAlice, "app", {"get"}, {}}).error().code, Code::invalid);
}

TEST(AccessNetwork, HoldsItsAddressesAndNoOthers) {
    const auto holds = [](const char* network, const char* address) {
        return MUST(Network::parse(network)).contains(address);
    };
    EXPECT_TRUE(holds("10.1.0.0/16", "10.1.255.255"));
    EXPECT_FALSE(holds("10.1.0.0/16", "10.2.0.0"));
    EXPECT_TRUE(holds("10.1.2.3", "10.1.2.3"));
    EXPECT_FALSE(holds("10.1.2.3", "10.1.2.2"));
    EXPECT_TRUE(holds("10.1.0.0/16", "::ffff:10.1.2.3"));
    EXPECT_TRUE(holds("0.0.0.0/0", "192.0.2.1"));
    EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
    EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_FALSE(holds("::/0", "192.0.2.1"));
    for (const char* none : {"", "host", "10.1.2", "10.1.2.3.4", "fe80::1%eth0"}) {
        EXPECT_FALSE(holds("0.0.0.0/0", none)) << none;
        EXPECT_FALSE(holds("::/0", none)) << none;
    }
}

TEST(AccessNetwork, RefusesWhatIsNoNetwork) {
    for (const char* bad : {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
                            "10.1.0.0/8", "2001:db8::/129", "2001:db8::1/64", "10.0.0/8", "host",
                            "::ffff:10.1.0.0/16", "::ffff:10.1.0.0/112", "10.0.0.0/8/8"}) {
        EXPECT_FALSE(Network::parse(bad).has_value()) << bad;
    }
}

}  // namespace
}  // namespace vouchsafe::access::access_policies_test
