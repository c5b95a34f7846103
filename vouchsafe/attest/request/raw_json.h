// A member of a JSON text exactly as it was written: for protocols that sign or hash the text of a
// value rather than its meaning.
#pragma once

#include <span>
#include <string_view>

#include "vouchsafe/base/result.h"

namespace vouchsafe::attest {

// find_raw returns the text of the value at the end of `path`, member by member from the outermost
// object, names compared without case. Borrows `json`, which parse_json must have accepted: that
// bounds its depth. Code::invalid if a name is not there as it stands, without escapes. Of a name
// that is there twice it takes the first: the caller refuses those (JsonFields).
Result<std::string_view> find_raw(std::string_view json, std::span<const std::string_view> path);

}  // namespace vouchsafe::attest
