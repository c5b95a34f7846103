// Role assignments: kept in a service's store, table "role_assignment", key
// "{principal}/{assignment}" in lower case. A service keeps those that concern it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vouchsafe/access/caller.h"
#include "vouchsafe/access/roles.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::access {

struct RoleAssignment {
    std::string id;         // GUID
    std::string principal;  // object id of a caller, or of a group in its token
    std::string role_id;    // GUID of a built-in role, see roles.h
    std::string scope;      // resource id of what the role is for, or of anything above
};

inline constexpr size_t kMaxRolesOfPrincipal = 500;  // role assignments of one principal

struct Assigned {
    RoleAssignment assignment;
    bool made = false;  // false: it was there before
};

// assign_role takes a role's name ("Key Vault Crypto Officer") or id. Code::invalid for an unknown
// role, a principal that is no GUID or a malformed scope; Code::conflict for too many.
Result<Assigned> assign_role(store::Transaction& tx, std::string_view principal,
                             std::string_view role, std::string_view scope);
// remove_role returns what it removed. Code::not_found.
Result<RoleAssignment> remove_role(store::Transaction& tx, std::string_view principal,
                                   std::string_view assignment_id);
// remove_roles_below removes everybody's roles whose scope is `scope` or lies below it, and returns
// them.
Result<std::vector<RoleAssignment>> remove_roles_below(store::Transaction& tx,
                                                       std::string_view scope);
Result<std::vector<RoleAssignment>> read_roles(store::View& view, std::string_view principal);

// has_roles_on tells whether anybody has a role whose scope is just `scope`.
Result<bool> has_roles_on(store::View& view, std::string_view scope);

// authorize checks CALLER-ROLE: one of the assignments of the caller or its groups covers
// `resource` and allows one of `actions` of this kind of service ("keys/release/action").
Result<void> authorize(store::View& view, const Caller& caller, Provider provider,
                       std::string_view resource, std::span<const std::string_view> actions,
                       Checks& checks);

}  // namespace vouchsafe::access
