// The smallest change of a release policy under which given claims would pass, for people who write
// policies. It widens: what passed before passes still. Nothing here decides anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/policy/release/release_policy.h"

namespace vouchsafe::policy {

// ConditionChange is one condition to write anew. Texts are JSON of the grammar.
struct ConditionChange {
    std::string path;   // of the condition: "anyOf[0].allOf[1]"
    std::string found;  // the claim as show_json writes it, or "nothing"
    std::string old_condition;
    std::string new_condition;
};

struct ReleaseChange {
    std::vector<ConditionChange> conditions;
    std::string policy;  // the whole policy, canonical; "" if it would be over the grammar's limits

    Json to_json() const;
};

// smallest_change changes the authority that is nearest to passing, of those whose URL matches the
// issuer: the fewest conditions, each no further than to the claim that was found. nullopt if the
// policy passes as it is, or names no such authority: whom to believe is no small change.
std::optional<ReleaseChange> smallest_change(const ReleasePolicy& policy, std::string_view issuer,
                                             const Json& claims);

}  // namespace vouchsafe::policy
