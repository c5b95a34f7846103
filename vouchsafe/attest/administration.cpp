#include "vouchsafe/attest/administration.h"

#include <algorithm>

#include "vouchsafe/attest/policy/policy_book.h"
#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/attest/reference/reference_book.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {

Result<void> record_role(store::Transaction& tx, audit::Log& log, const Clock& clock,
                         std::string_view actor, std::string_view action,
                         const access::RoleAssignment& assignment) {
    audit::Entry entry;
    entry.time = clock.now();
    entry.actor = actor;
    entry.action = action;
    entry.resource = assignment.scope;
    entry.request_id = crypto::random_uuid();
    entry.details = {{"assignment", assignment.id},
                     {"principal", assignment.principal},
                     {"role", access::find_role(assignment.role_id)->name}};
    TRY(log.append(tx, entry));
    return {};
}

}  // namespace

Result<access::RoleAssignment> assign_role(store::Store& store, audit::Log& log, const Clock& clock,
                                           std::string_view principal, std::string_view role,
                                           std::string_view scope, std::string_view actor) {
    access::RoleAssignment out;
    TRY(store.run([&](store::Transaction& tx) -> Result<void> {
        auto assigned = TRY(access::assign_role(tx, principal, role, scope));
        out = std::move(assigned.assignment);
        if (!assigned.made) return {};
        return record_role(tx, log, clock, actor, "roleAssignments/write", out);
    }));
    return out;
}

Result<void> remove_role(store::Store& store, audit::Log& log, const Clock& clock,
                         std::string_view principal, std::string_view role, std::string_view scope,
                         std::string_view actor) {
    const access::Role* known = access::find_role(role);
    if (known == nullptr) return fail(Code::not_found, "there is no role \"{}\"", role);
    return store.run([&](store::Transaction& tx) -> Result<void> {
        const auto given = TRY(access::read_roles(tx, principal));
        const auto found = std::find_if(given.begin(), given.end(), [&](const auto& one) {
            return one.role_id == known->id && equal_ignore_case(one.scope, scope);
        });
        if (found == given.end()) return fail(Code::not_found, "there is no such role assignment");
        TRY(access::remove_role(tx, principal, found->id));
        return record_role(tx, log, clock, actor, "roleAssignments/delete", *found);
    });
}

Result<void> erase_provider(store::Store& store, audit::Log& log, const Clock& clock,
                            const std::string& issuer, std::string_view scope,
                            std::string_view actor) {
    return store.run([&](store::Transaction& tx) -> Result<void> {
        const size_t erased = TRY(erase_signing_keys(tx, issuer)) +
                              TRY(PolicyBook::erase(tx, issuer)) +
                              TRY(ReferenceBook::erase(tx, issuer));
        size_t roles = 0;
        if (!scope.empty()) roles = TRY(access::remove_roles_below(tx, scope)).size();
        if (erased + roles == 0) return {};
        audit::Entry entry;
        entry.time = clock.now();
        entry.actor = actor;
        entry.action = "provider/delete";
        entry.resource = issuer;
        entry.request_id = crypto::random_uuid();
        entry.details = {{"issuer", issuer}, {"records", erased}, {"roles", roles}};
        TRY(log.append(tx, entry));
        return {};
    });
}

}  // namespace vouchsafe::attest
