// The one door to the JSON library (nlohmann/json). Include json_fwd.h in headers, this in sources.
//
// Untrusted text comes in only through parse_json: it refuses duplicate keys (two readers that
// disagree on a duplicate are an attack), depth beyond a limit, and text that is too long.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe {

struct JsonLimits {
    size_t max_bytes = 1 << 20;
    size_t max_depth = 32;
    size_t max_values = 1 << 18;  // altogether; each takes some 60 bytes of memory
};

// parse_json fails with Code::invalid and a sentence that says where.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});
// parse_json_object is parse_json for what must be an object.
Result<Json> parse_json_object(std::string_view text, const JsonLimits& limits = {});

// dump_json writes compact JSON; object members are sorted by name.
std::string dump_json(const Json& json);
// append_json and append_json_text append the same, for who writes a document without making one
// first: `text` becomes a string, in which what is no UTF-8 is replaced.
void append_json(std::string& out, const Json& json);
void append_json_text(std::string& out, std::string_view text);
std::string dump_json_pretty(const Json& json);

// dump_json_ascii writes compact JSON in which non-ASCII, '>', '?' and '~' are escaped, so that its
// base64url form contains neither '-' nor '_': Azure's guest clients decode token payloads with the
// standard alphabet (guest-protocol.md, 7, no. 15).
std::string dump_json_ascii(const Json& json);

// show_json makes a value from outside fit for people's eyes in messages and checks: compact JSON
// in printable ASCII, whatever it holds, cut to `max_size` characters (of which the last three are
// then dots).
std::string show_json(const Json& json, size_t max_size = 120);

// Typed members. A missing member or one of another type is Code::invalid with the member's name.
Result<std::string> json_string(const Json& object, std::string_view name);
Result<int64_t> json_integer(const Json& object, std::string_view name);
Result<bool> json_bool(const Json& object, std::string_view name);
Result<const Json*> json_object(const Json& object, std::string_view name);  // borrows `object`
Result<const Json*> json_array(const Json& object, std::string_view name);   // borrows `object`

// Optional members: absent or null gives nullopt; another type is still an error.
Result<std::optional<std::string>> json_optional_string(const Json& object, std::string_view name);
Result<std::optional<int64_t>> json_optional_integer(const Json& object, std::string_view name);
Result<std::optional<bool>> json_optional_bool(const Json& object, std::string_view name);

// find_member returns the member or nullptr; nullptr too if `object` is no object.
const Json* find_member(const Json& object, std::string_view name);
// text_or_empty returns the member if it is there and a text, else "".
std::string text_or_empty(const Json& object, std::string_view name);
// find_member_ignore_case is for wire formats whose clients disagree about capitals.
const Json* find_member_ignore_case(const Json& object, std::string_view name);

}  // namespace vouchsafe
