// Template files as people write them, and as az sends them: JSON with comments, with member names
// that are not quoted, commas before a closing bracket, and line ends within texts
// (real-clients.md, 4: the body of `az deployment group create` is no JSON). Pure.
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxTemplateText = 4 << 20;  // bytes; Azure's limit for a template

// to_strict_json takes only these liberties out of a text and leaves everything else as it is, so
// that JSON stays what it was and nonsense stays nonsense. Code::invalid for a comment or text that
// does not end, and for more than kMaxTemplateText.
Result<std::string> to_strict_json(std::string_view text);

// parse_relaxed_json_object is parse_json_object after that, with room for a template.
Result<Json> parse_relaxed_json_object(std::string_view text);

}  // namespace vouchsafe::cloud
