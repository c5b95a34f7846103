// What an operator sets up in the store of an attestation service: who may read and change its
// policies. It needs no keys, so it works beside a running service and before the first one.
#pragma once

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/clock.h"

namespace vouchsafe::attest {

// Who acts where the caller does not say more: in the audit log.
inline constexpr std::string_view kOperator = "operator";

// assign_role gives a role ("Attestation Contributor") on `scope`, a service's Config::resource_id;
// audited as done by `actor`, in the same transaction. Repeating it changes nothing. Errors:
// access::assign_role's, the store's. Thread-safe.
Result<access::RoleAssignment> assign_role(store::Store& store, audit::Log& log, const Clock& clock,
                                           std::string_view principal, std::string_view role,
                                           std::string_view scope,
                                           std::string_view actor = kOperator);

// remove_role takes it away again, audited likewise. Code::not_found if it was not given.
Result<void> remove_role(store::Store& store, audit::Log& log, const Clock& clock,
                         std::string_view principal, std::string_view role, std::string_view scope,
                         std::string_view actor = kOperator);

// erase_provider erases what a store has of the service with this issuer: signing keys, policies,
// signers, reference values, and the roles on `scope` and below it unless that is empty. Its tokens
// can be verified by nobody then, and one that comes back under the same name is another one. The
// audit log stays; audited as done by `actor` if there was anything. The service must not run, here
// or elsewhere. Thread-safe.
Result<void> erase_provider(store::Store& store, audit::Log& log, const Clock& clock,
                            const std::string& issuer, std::string_view scope,
                            std::string_view actor = kOperator);

}  // namespace vouchsafe::attest
