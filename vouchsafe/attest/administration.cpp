#include "vouchsafe/attest/administration.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {

Result<void> record_role(store::Transaction& tx, audit::Log& log, const Clock& clock,
                         std::string_view action, const access::RoleAssignment& assignment) {
    audit::Entry entry;
    entry.time = clock.now();
    entry.actor = "operator";
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
                                           std::string_view scope) {
    access::RoleAssignment out;
    TRY(store.run([&](store::Transaction& tx) -> Result<void> {
        auto assigned = TRY(access::assign_role(tx, principal, role, scope));
        out = std::move(assigned.assignment);
        if (!assigned.made) return {};
        return record_role(tx, log, clock, "roleAssignments/write", out);
    }));
    return out;
}

Result<void> remove_role(store::Store& store, audit::Log& log, const Clock& clock,
                         std::string_view principal, std::string_view role,
                         std::string_view scope) {
    const access::Role* known = access::find_role(role);
    if (known == nullptr) return fail(Code::not_found, "there is no role \"{}\"", role);
    return store.run([&](store::Transaction& tx) -> Result<void> {
        const auto given = TRY(access::read_roles(tx, principal));
        const auto found = std::find_if(given.begin(), given.end(), [&](const auto& one) {
            return one.role_id == known->id && equal_ignore_case(one.scope, scope);
        });
        if (found == given.end()) return fail(Code::not_found, "there is no such role assignment");
        TRY(access::remove_role(tx, principal, found->id));
        return record_role(tx, log, clock, "roleAssignments/delete", *found);
    });
}

}  // namespace vouchsafe::attest
