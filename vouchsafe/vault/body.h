// Members of request bodies, as keys and secrets share them: names are matched without case, types
// strictly, null counts as absent (azure-api F.11). A member that is there twice is refused, in
// other capitals too. Private to vault/.
#pragma once

#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxBody = 1 << 20;  // bytes of any request body but a restore's

// All fail with Code::invalid and a sentence about the member.
Result<Json> parse_body(const std::string& text, size_t max_bytes = kMaxBody);

const Json* member(const Json& object, std::string_view name);  // nullptr: absent
tl::unexpected<Error> wrong_type(std::string_view name, std::string_view type);
Result<std::optional<std::string>> text_member(const Json& object, std::string_view name);
Result<std::string> required_text(const Json& object, std::string_view name);  // not empty
Result<std::optional<int64_t>> number_member(const Json& object, std::string_view name,
                                             int64_t max);  // 0 to max
Result<std::optional<bool>> flag_member(const Json& object, std::string_view name);

// parse_tags takes at most kMaxTags tags with names and values of at most `max_text` bytes.
Result<std::map<std::string, std::string>> parse_tags(const Json& json,
                                                      size_t max_text = kMaxTagText);
Result<AttributesBody> parse_attributes(const Json& json);

}  // namespace vouchsafe::vault
