#include "vouchsafe/policy/maa/syntax.h"

#include <array>

#include "vouchsafe/base/result.h"
#include "vouchsafe/policy/maa/parser.h"

namespace vouchsafe::policy {

namespace {

constexpr std::array<std::string_view, 3> kVersions = {"1.0", "1.1", "1.2"};
constexpr std::array<std::string_view, 3> kSections = {"configurationrules", "authorizationrules",
                                                       "issuancerules"};
constexpr std::array<std::string_view, 4> kProperties = {"type", "value", "valueType", "issuer"};
constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};
constexpr std::array<std::string_view, 5> kActions = {"permit", "deny", "add", "issue",
                                                      "issueproperty"};

struct FunctionRow {
    std::string_view name;
    size_t arity;
    size_t sets;  // so many of its first arguments take sets
};
constexpr std::array<FunctionRow, 6> kPolicyFunctions = {{{"JmesPath", 2, 0},
                                                          {"JsonToClaimValue", 1, 0},
                                                          {"IsSubsetOf", 2, 2},
                                                          {"AppendString", 2, 0},
                                                          {"NegateBool", 1, 0},
                                                          {"ContainsOnlyValue", 2, 1}}};

// find returns the enumerator whose spelling stands at its place in the list.
template <typename Enum, size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& list, std::string_view spelling) {
    for (size_t i = 0; i < N; ++i) {
        if (list[i] == spelling) return static_cast<Enum>(i);
    }
    return std::nullopt;
}

std::string text_literal(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string literal_text(const ClaimValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return text_literal(*text);
    if (const auto* number = std::get_if<int64_t>(&value)) return fmt::format("{}", *number);
    return std::get<bool>(value) ? "true" : "false";
}

std::string action_text(const RuleAction& action) {
    std::string out = fmt::format("{}(", action_name(action.kind));
    if (!action.claim.empty()) out += "claim = " + action.claim;
    std::string_view separator;
    auto argument = [&](ClaimProperty property, const std::optional<PolicyExpression>& given) {
        if (!given) return;
        out +=
            fmt::format("{}{} = {}", separator, property_name(property), expression_text(*given));
        separator = ", ";
    };
    argument(ClaimProperty::type, action.type);
    argument(ClaimProperty::value, action.value);
    argument(ClaimProperty::value_type, action.value_type);
    return out + ")";
}

}  // namespace

std::string_view version_text(PolicyVersion version) {
    return kVersions.at(static_cast<size_t>(version));
}
std::string_view section_name(PolicySection section) {
    return kSections.at(static_cast<size_t>(section));
}
std::string_view property_name(ClaimProperty property) {
    return kProperties.at(static_cast<size_t>(property));
}
std::string_view comparison_text(Comparison comparison) {
    return kComparisons.at(static_cast<size_t>(comparison));
}
std::string_view function_name(PolicyFunction function) {
    return kPolicyFunctions.at(static_cast<size_t>(function)).name;
}
std::string_view action_name(ActionKind action) {
    return kActions.at(static_cast<size_t>(action));
}

std::optional<PolicyVersion> find_version(std::string_view text) {
    return find<PolicyVersion>(kVersions, text);
}
std::optional<PolicySection> find_section(std::string_view name) {
    return find<PolicySection>(kSections, name);
}
std::optional<ClaimProperty> find_property(std::string_view name) {
    return find<ClaimProperty>(kProperties, name);
}
std::optional<Comparison> find_comparison(std::string_view text) {
    return find<Comparison>(kComparisons, text);
}
std::optional<ActionKind> find_action(std::string_view name) {
    return find<ActionKind>(kActions, name);
}
std::optional<PolicyFunction> find_function(std::string_view name) {
    for (size_t i = 0; i < kPolicyFunctions.size(); ++i) {
        if (kPolicyFunctions[i].name == name) return static_cast<PolicyFunction>(i);
    }
    return std::nullopt;
}

bool action_allowed(ActionKind action, PolicySection section) {
    switch (action) {
        case ActionKind::permit:
        case ActionKind::deny:
            return section == PolicySection::authorization;
        case ActionKind::add:
            return section != PolicySection::configuration;
        case ActionKind::issue:
            return section == PolicySection::issuance;
        case ActionKind::issue_property:
            return section != PolicySection::authorization;
    }
    return false;
}

size_t function_arity(PolicyFunction function) {
    return kPolicyFunctions.at(static_cast<size_t>(function)).arity;
}
bool takes_set(PolicyFunction function, size_t argument) {
    return argument < kPolicyFunctions.at(static_cast<size_t>(function)).sets;
}

std::string expression_text(const PolicyExpression& expression) {
    switch (expression.kind) {
        case PolicyExpression::Kind::literal:
            return literal_text(expression.literal);
        case PolicyExpression::Kind::property:
            return fmt::format("{}.{}", expression.identifier, property_name(expression.property));
        case PolicyExpression::Kind::call:
            break;
    }
    std::string out = fmt::format("{}(", function_name(expression.function));
    for (size_t i = 0; i < expression.arguments.size(); ++i) {
        out += fmt::format("{}{}", i > 0 ? ", " : "", expression_text(expression.arguments[i]));
    }
    return out + ")";
}

std::string condition_text(const ClaimCondition& condition) {
    std::string out = condition.negated ? "!" : "";
    if (!condition.identifier.empty()) out += condition.identifier + ":";
    out += '[';
    for (size_t i = 0; i < condition.tests.size(); ++i) {
        const PropertyTest& test = condition.tests[i];
        out += fmt::format("{}{} {} {}", i > 0 ? ", " : "", property_name(test.property),
                           comparison_text(test.comparison), expression_text(test.expected));
    }
    return out + ']';
}

std::string rule_text(const PolicyRule& rule) {
    std::string out;
    for (const ClaimCondition& condition : rule.conditions) {
        out += fmt::format("{}{}", out.empty() ? "" : " && ", condition_text(condition));
    }
    return fmt::format("{}{}=> {};", out, out.empty() ? "" : " ", action_text(rule.action));
}

const RuleBlock* AttestationPolicy::block(PolicySection section) const {
    for (const RuleBlock& block : blocks()) {
        if (block.section == section) return &block;
    }
    return nullptr;
}

std::string AttestationPolicy::to_text() const {
    std::string out = fmt::format("version= {};\n", version_text(version()));
    for (const RuleBlock& block : blocks()) {
        out += fmt::format("{}\n{{\n", section_name(block.section));
        for (const PolicyRule& rule : block.rules) out += fmt::format("    {}\n", rule_text(rule));
        out += "};\n";
    }
    return out;
}

}  // namespace vouchsafe::policy
