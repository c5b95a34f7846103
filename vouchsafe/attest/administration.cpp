#include "vouchsafe/attest/administration.h"

#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

Result<access::RoleAssignment> assign_role(store::Store& store, audit::Log& log, const Clock& clock,
                                           std::string_view principal, std::string_view role,
                                           std::string_view scope) {
    access::RoleAssignment out;
    TRY(store.run([&](store::Transaction& tx) -> Result<void> {
        auto assigned = TRY(access::assign_role(tx, principal, role, scope));
        out = std::move(assigned.assignment);
        if (!assigned.made) return {};
        audit::Entry entry;
        entry.time = clock.now();
        entry.actor = "operator";
        entry.action = "roleAssignments/write";
        entry.resource = out.scope;
        entry.request_id = crypto::random_uuid();
        entry.details = {{"assignment", out.id},
                         {"principal", out.principal},
                         {"role", access::find_role(out.role_id)->name}};
        TRY(log.append(tx, entry));
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::attest
