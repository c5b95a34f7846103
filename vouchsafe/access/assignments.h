// Role assignments: kept in a service's store, table "role_assignment", key
// "{principal}/{assignment}" in lower case. A service keeps those that concern it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vouchsafe/access/caller.h"
#include "vouchsafe/access/roles.h"
#include "vouchsafe/base/kept.h"
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

// NeededActions are actions of one kind of service of which a caller needs one
// ("keys/release/action"), with the roles that allow one. Immutable: worked out once for all calls.
class NeededActions {
  public:
    // The names are literals.
    NeededActions(Provider provider, std::span<const std::string_view> names);

    const std::vector<std::string_view>& names() const { return names_; }
    bool allowed_by(const Role& role) const;
    // What CALLER-ROLE says that it looked at and expected.
    const std::string& field() const { return field_; }
    const std::string& expected() const { return expected_; }

  private:
    std::vector<std::string_view> names_;
    std::vector<const Role*> roles_;
    std::string field_, expected_;
};

// KnownAssignments keeps what records of assignments say, by their bytes: whoever calls has few,
// and they are read with every request. Which there are is the store's to tell. Thread-safe.
class KnownAssignments {
  public:
    struct Given {
        const Role* role = nullptr;  // nullptr: none that is known here
        std::string scope;
    };
    // read parses what is not kept. What fails is not kept.
    Result<std::shared_ptr<const Given>> read(const Bytes& record);

  private:
    Kept<Given, 1024> given_;
};

// authorize checks CALLER-ROLE: one of the assignments of the caller or its groups covers
// `resource` and allows one of the actions.
Result<void> authorize(store::View& view, const Caller& caller, const NeededActions& needed,
                       std::string_view resource, KnownAssignments& known, Checks& checks);

}  // namespace vouchsafe::access
