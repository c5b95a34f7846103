// Legacy access policies of a vault (azure-api B.2): who may do what in all of a vault, instead of
// roles. Kept in the service's store, table "access_policy", key
// "{vault}/{object id}/{application id or -}" in lower case.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vouchsafe/access/caller.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::access {

struct AccessPolicy {
    std::string object_id;             // of a caller, or of a group in its token; GUID
    std::string application_id;        // GUID: only while this application acts for it; "" any
    std::vector<std::string> keys;     // permissions: "get", "wrapKey"
    std::vector<std::string> secrets;  // permissions
};

inline constexpr size_t kMaxAccessPolicies = 1024;  // of a vault; Azure's limit

// The permissions there are, as Azure writes them.
std::span<const std::string_view> key_permissions();
std::span<const std::string_view> secret_permissions();

// put_access_policy replaces the policy of this identity; `all` becomes every permission, others
// get Azure's spelling. Code::invalid for an unknown permission or an id that is no GUID,
// Code::conflict for too many policies. It returns what is stored.
Result<AccessPolicy> put_access_policy(store::Transaction& tx, std::string_view vault,
                                       AccessPolicy policy);
Result<void> remove_access_policy(store::Transaction& tx, std::string_view vault,
                                  std::string_view object_id, std::string_view application_id);
Result<std::vector<AccessPolicy>> read_access_policies(store::View& view, std::string_view vault);

// permission_of is the permission that a data action needs: "keys/wrap/action" needs "wrapKey" for
// keys. `lists` tells reading a list from reading one thing, which Azure's actions do not. "" if
// access policies cannot give it.
struct Permission {
    bool secrets = false;
    std::string_view name;
};
Permission permission_of(std::string_view action, bool lists);

// authorize_by_policies checks CALLER-ACCESS-POLICY: a policy of the caller, or of a group of it,
// has the permission.
Result<void> authorize_by_policies(store::View& view, std::string_view vault, const Caller& caller,
                                   const Permission& permission, Checks& checks);

}  // namespace vouchsafe::access
