// What an operator sets up in the store of an attestation service: who may read and change its
// policies. It needs no keys, so it works beside a running service and before the first one.
#pragma once

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/clock.h"

namespace vouchsafe::attest {

// assign_role gives a role ("Attestation Contributor") on `scope`, a service's Config::resource_id;
// audited as done by "operator", in the same transaction. Repeating it changes nothing. Errors:
// access::assign_role's, the store's. Thread-safe.
Result<access::RoleAssignment> assign_role(store::Store& store, audit::Log& log, const Clock& clock,
                                           std::string_view principal, std::string_view role,
                                           std::string_view scope);

// remove_role takes it away again, audited likewise. Code::not_found if it was not given.
Result<void> remove_role(store::Store& store, audit::Log& log, const Clock& clock,
                         std::string_view principal, std::string_view role, std::string_view scope);

}  // namespace vouchsafe::attest
