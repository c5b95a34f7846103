#include <algorithm>
#include <utility>

#include "vouchsafe/policy/jmespath/function.h"

namespace vouchsafe::policy::jmespath {

namespace {

int sign(bool less, bool greater) {
    return less ? -1 : greater ? 1 : 0;
}

bool is_large(const Json& number) {
    return number.is_number_unsigned() && number.get<uint64_t>() > INT64_MAX;
}

}  // namespace

Value make_value(Json json) {
    return std::make_shared<const Json>(std::move(json));
}

Value part_of(const Value& whole, const Json& part) {
    return Value(whole, &part);
}

bool is_true(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return false;
        case Json::value_t::boolean:
            return value.get<bool>();
        case Json::value_t::string:
            return !value.get_ref<const std::string&>().empty();
        case Json::value_t::array:
        case Json::value_t::object:
            return !value.empty();
        default:
            return true;
    }
}

int order_numbers(const Json& a, const Json& b) {
    if (a.is_number_float() || b.is_number_float()) {
        auto left = a.get<long double>();
        auto right = b.get<long double>();
        return sign(left<right, left> right);
    }
    if (is_large(a) || is_large(b)) {
        if (is_large(a) != is_large(b)) return is_large(a) ? 1 : -1;
        return sign(a.get<uint64_t>() < b.get<uint64_t>(), a.get<uint64_t>() > b.get<uint64_t>());
    }
    return sign(a.get<int64_t>() < b.get<int64_t>(), a.get<int64_t>() > b.get<int64_t>());
}

bool equal_values(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
    if (a.type() != b.type()) return false;
    if (a.is_array()) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), equal_values);
    }
    if (a.is_object()) {
        if (a.size() != b.size()) return false;
        for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
            if (left.key() != right.key() || !equal_values(*left, *right)) return false;
        }
        return true;
    }
    return a == b;
}

Result<void> Spender::spend(uint64_t steps) {
    if (budget_.left < steps) {
        budget_.left = 0;
        return fail(Code::invalid, "JMESPath limit: the expression takes too many steps");
    }
    budget_.left -= steps;
    return {};
}

Result<void> Spender::spend_copy(const Json& value) {
    if (value.is_string()) return spend(1 + value.get_ref<const std::string&>().size() / 16);
    TRY(spend(1));
    if (value.is_object()) {
        for (auto it = value.begin(); it != value.end(); ++it) {
            TRY(spend(1 + it.key().size() / 16));
            TRY(spend_copy(*it));
        }
    } else if (value.is_array()) {
        for (const Json& element : value) TRY(spend_copy(element));
    }
    return {};
}

}  // namespace vouchsafe::policy::jmespath
