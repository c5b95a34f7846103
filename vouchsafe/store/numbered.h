// Numbered tables: those whose keys are numbers and which grow at their end. For their users they
// are tables like others, but for the keys, and a scan of them has no prefix. An engine may keep
// them in a place of their own: SQLite changes one page then for a new record, where among the
// others it would be five (docs/decisions/0042-append.md).
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::store {

// Records of one number in these tables lie side by side. No names are added: places depend on it.
inline constexpr std::string_view kNumberedTables[] = {"audit_entry", "audit_hash"};
inline constexpr uint64_t kMaxNumber = (uint64_t{1} << 61) - 1;

// number_key is a number as a key: 16 hexadecimal digits, lower case. Thread-safe as all here.
std::string number_key(uint64_t number);
// parse_number gives back what number_key wrote, up to kMaxNumber; nullopt for any other key.
std::optional<uint64_t> parse_number(std::string_view key);
// numbered_table is the table's place in kNumberedTables; nullopt if it is none of them.
std::optional<size_t> numbered_table(std::string_view table);

}  // namespace vouchsafe::store
