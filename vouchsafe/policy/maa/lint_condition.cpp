#include "vouchsafe/policy/maa/lint_condition.h"

#include <algorithm>

namespace vouchsafe::policy {

namespace {

// ValueRange is what tests with literals leave of a claim's values.
struct ValueRange {
    std::optional<ClaimValue> equal;
    std::vector<ClaimValue> unequal;
    int64_t least = INT64_MIN;
    int64_t most = INT64_MAX;
    bool ordered = false;  // some test wants an integer
    bool impossible = false;

    void narrow(Comparison comparison, const ClaimValue& with) {
        const auto* number = std::get_if<int64_t>(&with);
        if (comparison == Comparison::equal) {
            impossible = impossible || (equal && *equal != with);
            equal = with;
        } else if (comparison == Comparison::not_equal) {
            unequal.push_back(with);
        } else if (number != nullptr) {
            ordered = true;
            order(comparison, *number);
        }
    }

    void order(Comparison comparison, int64_t with) {
        if (comparison == Comparison::less && with == INT64_MIN) impossible = true;
        if (comparison == Comparison::greater && with == INT64_MAX) impossible = true;
        if (impossible) return;
        if (comparison == Comparison::less) most = std::min(most, with - 1);
        if (comparison == Comparison::less_or_equal) most = std::min(most, with);
        if (comparison == Comparison::greater) least = std::max(least, with + 1);
        if (comparison == Comparison::greater_or_equal) least = std::max(least, with);
    }

    bool empty() const {
        if (impossible || least > most) return true;
        if (!equal) return false;
        if (std::find(unequal.begin(), unequal.end(), *equal) != unequal.end()) return true;
        const auto* number = std::get_if<int64_t>(&*equal);
        return ordered && (number == nullptr || *number < least || *number > most);
    }
};

bool is_one_of(const ClaimValue& value, std::initializer_list<std::string_view> names) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr && std::find(names.begin(), names.end(), *text) != names.end();
}

ValueRange range_of(const ClaimCondition& condition, ClaimProperty property) {
    ValueRange out;
    for (const PropertyTest& test : condition.tests) {
        bool literal = test.expected.kind == PolicyExpression::Kind::literal;
        if (literal && test.property == property)
            out.narrow(test.comparison, test.expected.literal);
    }
    return out;
}

}  // namespace

std::optional<std::string> literal_test(const ClaimCondition& condition, ClaimProperty property) {
    for (const PropertyTest& test : condition.tests) {
        bool equal = test.property == property && test.comparison == Comparison::equal &&
                     test.expected.kind == PolicyExpression::Kind::literal;
        if (equal) return std::get<std::string>(test.expected.literal);
    }
    return std::nullopt;
}

bool is_impossible(const ClaimCondition& condition) {
    for (ClaimProperty property : {ClaimProperty::type, ClaimProperty::value,
                                   ClaimProperty::value_type, ClaimProperty::issuer}) {
        if (range_of(condition, property).empty()) return true;
    }
    ValueRange value = range_of(condition, ClaimProperty::value);
    ValueRange type = range_of(condition, ClaimProperty::value_type);
    ValueRange issuer = range_of(condition, ClaimProperty::issuer);
    if (type.equal && !is_one_of(*type.equal, {"String", "Integer", "Boolean"})) return true;
    if (type.equal && value.equal && value_type_name(*value.equal) != std::get<0>(*type.equal)) {
        return true;
    }
    if (type.equal && value.ordered && std::get<0>(*type.equal) != "Integer") return true;
    return issuer.equal &&
           !is_one_of(*issuer.equal, {"AttestationService", "AttestationPolicy", "CustomClaim"});
}

}  // namespace vouchsafe::policy
