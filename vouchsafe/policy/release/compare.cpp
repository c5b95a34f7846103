#include "vouchsafe/policy/release/compare.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "vouchsafe/base/json.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr double kExactDouble = 9007199254740992.0;  // 2^53

// A decimal taken apart, without leading zeros before and trailing zeros after the point.
struct Decimal {
    bool negative = false;
    std::string_view whole;
    std::string_view fraction;

    bool zero() const { return whole.empty() && fraction.empty(); }
};

std::string_view take_digits(std::string_view& text) {
    size_t count = std::min(text.find_first_not_of(kDigits), text.size());
    std::string_view digits = text.substr(0, count);
    text.remove_prefix(count);
    return digits;
}

std::optional<Decimal> parse_decimal(std::string_view text) {
    Decimal out;
    if (text.starts_with('-')) {
        out.negative = true;
        text.remove_prefix(1);
    }
    out.whole = take_digits(text);
    if (out.whole.empty()) return std::nullopt;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        out.fraction = take_digits(text);
        if (out.fraction.empty()) return std::nullopt;
    }
    if (!text.empty()) return std::nullopt;
    out.whole.remove_prefix(std::min(out.whole.find_first_not_of('0'), out.whole.size()));
    out.fraction = out.fraction.substr(0, out.fraction.find_last_not_of('0') + 1);
    return out;
}

int sign(int value) {
    return value < 0 ? -1 : value > 0 ? 1 : 0;
}

int compare_magnitudes(const Decimal& a, const Decimal& b) {
    if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
    if (int whole = a.whole.compare(b.whole); whole != 0) return sign(whole);
    return sign(a.fraction.compare(b.fraction));  // no trailing zeros: text order is value order
}

std::optional<std::string> fraction_text(double value) {
    if (!(std::fabs(value) < kExactDouble)) return std::nullopt;
    if (value == 0) return "0";
    std::array<char, 512> out;  // the longest double in fixed notation has about 330 characters
    auto end = std::to_chars(out.data(), out.data() + out.size(), value, std::chars_format::fixed);
    return std::string(out.data(), end.ptr);
}

}  // namespace

const Json* find_claim(const Json& claims, std::string_view path) {
    const Json* found = find_member(claims, path);
    if (found == nullptr) {
        found = &claims;
        for (size_t start = 0; found != nullptr && start <= path.size();) {
            size_t end = std::min(path.find('.', start), path.size());
            found = find_member(*found, path.substr(start, end - start));
            start = end + 1;
        }
    }
    return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<std::string> comparable_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
    if (value.is_number_integer()) return dump_json(value);
    if (value.is_number_float()) return fraction_text(value.get<double>());
    return std::nullopt;
}

std::optional<int> compare_numbers(std::string_view a, std::string_view b) {
    std::optional<Decimal> left = parse_decimal(a);
    std::optional<Decimal> right = parse_decimal(b);
    if (!left || !right) return std::nullopt;
    if (left->zero() && right->zero()) return 0;
    if (left->zero()) return right->negative ? 1 : -1;
    if (right->zero()) return left->negative ? -1 : 1;
    if (left->negative != right->negative) return left->negative ? -1 : 1;
    int magnitude = compare_magnitudes(*left, *right);
    return left->negative ? -magnitude : magnitude;
}

}  // namespace vouchsafe::policy
