#include "vouchsafe/store/numbered.h"

#include <algorithm>

namespace vouchsafe::store {

namespace {
constexpr size_t kDigits = 16;
}

std::string number_key(uint64_t number) {
    std::string out(kDigits, '0');
    for (size_t i = kDigits; number != 0; number >>= 4) out[--i] = "0123456789abcdef"[number & 15];
    return out;
}

std::optional<uint64_t> parse_number(std::string_view key) {
    if (key.size() != kDigits) return std::nullopt;
    uint64_t out = 0;
    for (char c : key) {
        const bool decimal = c >= '0' && c <= '9';
        if (!decimal && (c < 'a' || c > 'f')) return std::nullopt;
        out = out << 4 | static_cast<uint64_t>(decimal ? c - '0' : c - 'a' + 10);
    }
    if (out > kMaxNumber) return std::nullopt;
    return out;
}

std::optional<size_t> numbered_table(std::string_view table) {
    const auto* found = std::ranges::find(kNumberedTables, table);
    if (found == std::end(kNumberedTables)) return std::nullopt;
    return static_cast<size_t>(found - std::begin(kNumberedTables));
}

}  // namespace vouchsafe::store
