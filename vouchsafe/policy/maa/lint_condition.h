// What can be said of a condition without claims; for lint.cpp.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/policy/maa/syntax.h"

namespace vouchsafe::policy {

// literal_test returns the text a property must be equal to, if the condition says so by a literal.
std::optional<std::string> literal_test(const ClaimCondition& condition, ClaimProperty property);

// is_impossible tells whether the literals of a condition contradict each other, or name an issuer
// or a value type that does not exist. It does not find every contradiction.
bool is_impossible(const ClaimCondition& condition);

}  // namespace vouchsafe::policy
