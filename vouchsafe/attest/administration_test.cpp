#include "vouchsafe/attest/administration.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/file.h"

namespace vouchsafe::attest {
namespace {

constexpr std::string_view kWho = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr std::string_view kScope = "/subscriptions/s/resourceGroups/g/providers/a/b/c";

TEST(AttestAdministration, RecordsEachRoleOnceAndNothingThatIsRefused) {
    const TemporaryDir dir = MUST(TemporaryDir::create("vs-attest-administration"));
    auto store = MUST(store::open_sqlite(dir.path() / "store.db"));
    audit::Log log(*store);
    SystemClock clock;
    const auto assign = [&](std::string_view who, std::string_view role) {
        return assign_role(*store, log, clock, who, role, kScope);
    };
    const auto made = MUST(assign(kWho, "Attestation Contributor"));
    EXPECT_EQ(MUST(assign(kWho, "Attestation Contributor")).id, made.id);
    const auto entries = MUST(log.entries(0, 10));
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].entry.actor, "operator");
    EXPECT_EQ(entries[0].entry.resource, kScope);
    EXPECT_EQ(entries[0].entry.details["role"], "Attestation Contributor");

    EXPECT_EQ(assign(kWho, "Attestation Dictator").error().code, Code::invalid);
    EXPECT_EQ(assign("alice", "Attestation Contributor").error().code, Code::invalid);
    EXPECT_EQ(MUST(log.size()), 1U);

    // Of another role, scope or principal, nothing is removed.
    const auto remove = [&](std::string_view who, std::string_view role, std::string_view scope) {
        return remove_role(*store, log, clock, who, role, scope);
    };
    const auto refused = [&](std::string_view who, std::string_view role, std::string_view scope) {
        return remove(who, role, scope).error().code == Code::not_found;
    };
    EXPECT_TRUE(refused(kWho, "Attestation Reader", kScope));
    EXPECT_TRUE(refused(kWho, "Attestation Contributor", "/subscriptions/s"));
    EXPECT_TRUE(refused("aaaaaaaa-0000-4000-8000-000000000002", "Attestation Contributor", kScope));
    MUST(remove(kWho, "Attestation Contributor", kScope));
    EXPECT_TRUE(refused(kWho, "Attestation Contributor", kScope));
    const auto after = MUST(log.entries(1, 10));
    ASSERT_EQ(after.size(), 1U);
    EXPECT_EQ(after[0].entry.action, "roleAssignments/delete");
}

}  // namespace
}  // namespace vouchsafe::attest
