// The quick way of json.h's reader and writers, for what nearly every document is. Both give up
// rather than decide anything unusual: json.cpp then goes the careful way, which is the rule.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/json.h"

namespace vouchsafe {

// parse_json_carefully is the other way: it decides, and says what is wrong.
Result<Json> parse_json_carefully(std::string_view text, const JsonLimits& limits);

// parse_json_quick reads a document within `limits` by simdjson. nullopt: it is wrong, or breaks a
// limit, or has something on which two libraries might differ. Thread-safe; text of up to 256 KiB
// costs no allocation but the document's own, and no trace of it stays in the reader.
std::optional<Json> parse_json_quick(std::string_view text, const JsonLimits& limits);

// escape_for_guests escapes '>', '?', '~' and DEL in ASCII JSON: they stand only inside strings.
std::string escape_for_guests(std::string_view json);

// write_json_quick appends compact JSON as the library writes it. `ascii`: as dump_json_ascii does.
void write_json_quick(std::string& out, const Json& json, bool ascii);
// write_text_quick appends a string as dump_json does.
void write_text_quick(std::string& out, std::string_view text);

}  // namespace vouchsafe
