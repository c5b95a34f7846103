// How a policy's value and a token's claim compare (azure-api A.8): by textual form. Strings are
// themselves, booleans "true" and "false", numbers plain decimals without exponent or needless
// zeros. No number is ever rounded to make it match.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::policy {

// find_claim follows a path of names joined by dots; a top-level claim whose name is the whole path
// comes first. nullptr if there is none; a null claim is no claim.
const Json* find_claim(const Json& claims, std::string_view path);

// comparable_text returns the textual form, or nothing for what matches nothing: null, arrays,
// objects, and numbers so large (no 64-bit integer, and 2^53 or more) that a JSON reader rounds.
std::optional<std::string> comparable_text(const Json& value);

// compare_numbers returns -1, 0 or 1, or nothing unless both texts are decimal numbers: an optional
// minus, digits, and optionally a point and digits. Exact for any length.
std::optional<int> compare_numbers(std::string_view a, std::string_view b);

}  // namespace vouchsafe::policy
