// The member `values` of a set of reference values; for reference_set.cpp.
#pragma once

#include <initializer_list>

#include "vouchsafe/attest/reference/reference_set.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::attest {

// only_members fails with Code::invalid if the object has a member of another name.
Result<void> only_members(const Json& object, std::string_view what,
                          std::initializer_list<std::string_view> names);

// parse_reference_values wants at least one value, and nothing that one of the kinds lacks.
// Code::invalid.
Result<ReferenceValues> parse_reference_values(const Json& object,
                                               std::span<const policy::AttestationTarget> kinds);
Json encode_reference_values(const ReferenceValues& values);

}  // namespace vouchsafe::attest
