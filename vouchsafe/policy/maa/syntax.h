// The syntax tree of an attestation policy (azure-api C.6). parser.h makes it of text, evaluate.h
// applies it to claims.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/policy/maa/claim.h"

namespace vouchsafe::policy {

// TextPosition is a place in a policy's text. All are equal: a tree is compared by what it says.
struct TextPosition {
    size_t line = 1;    // from 1
    size_t column = 1;  // from 1, in characters

    bool operator==(const TextPosition&) const { return true; }
};

enum class PolicyVersion { v1_0, v1_1, v1_2 };
enum class PolicySection { configuration, authorization, issuance };
enum class ClaimProperty { type, value, value_type, issuer };
enum class Comparison { equal, not_equal, less, less_or_equal, greater, greater_or_equal };
enum class PolicyFunction {
    jmes_path,
    json_to_claim_value,
    is_subset_of,
    append_string,
    negate_bool,
    contains_only_value
};
enum class ActionKind { permit, deny, add, issue, issue_property };

// Their spellings in the language.
std::string_view version_text(PolicyVersion version);     // "1.0"
std::string_view section_name(PolicySection section);     // "authorizationrules"
std::string_view property_name(ClaimProperty property);   // "valueType"
std::string_view comparison_text(Comparison comparison);  // "<="
std::string_view function_name(PolicyFunction function);  // "JmesPath"
std::string_view action_name(ActionKind action);          // "issueproperty"

// What is spelled so, or nothing.
std::optional<PolicyVersion> find_version(std::string_view text);
std::optional<PolicySection> find_section(std::string_view name);
std::optional<ClaimProperty> find_property(std::string_view name);
std::optional<Comparison> find_comparison(std::string_view text);
std::optional<PolicyFunction> find_function(std::string_view name);
std::optional<ActionKind> find_action(std::string_view name);

// action_allowed tells in which blocks an action may stand.
bool action_allowed(ActionKind action, PolicySection section);

size_t function_arity(PolicyFunction function);
// takes_set tells whether a claim named directly as this argument stands for all claims bound to
// its identifier at once: both arguments of IsSubsetOf, the first of ContainsOnlyValue.
bool takes_set(PolicyFunction function, size_t argument);

// PolicyExpression is a literal, a property of a claim (`c.value`) or a function call.
struct PolicyExpression {
    enum class Kind { literal, property, call };
    Kind kind = Kind::literal;
    ClaimValue literal;                                     // Kind::literal
    std::string identifier;                                 // Kind::property
    ClaimProperty property = ClaimProperty::value;          // Kind::property
    PolicyFunction function = PolicyFunction::negate_bool;  // Kind::call
    std::vector<PolicyExpression> arguments;                // Kind::call
    TextPosition at;

    bool operator==(const PolicyExpression&) const = default;
};

// PropertyTest is one comparison within a condition: `value >= 3`.
struct PropertyTest {
    ClaimProperty property = ClaimProperty::type;
    Comparison comparison = Comparison::equal;
    PolicyExpression expected;
    TextPosition at;

    bool operator==(const PropertyTest&) const = default;
};

// ClaimCondition is `c:[type == "x", value == true]`, or with `!` in front its negation.
struct ClaimCondition {
    bool negated = false;
    std::string identifier;  // "" if it has none
    std::vector<PropertyTest> tests;
    TextPosition at;

    bool operator==(const ClaimCondition&) const = default;
};

// RuleAction is what a rule does. permit and deny have no arguments; the others either name a claim
// (`claim = c`) or say type, value and perhaps valueType.
struct RuleAction {
    ActionKind kind = ActionKind::permit;
    std::string claim;  // the identifier of `claim = c`; "" otherwise
    std::optional<PolicyExpression> type;
    std::optional<PolicyExpression> value;
    std::optional<PolicyExpression> value_type;
    TextPosition at;

    bool operator==(const RuleAction&) const = default;
};

struct PolicyRule {
    std::vector<ClaimCondition> conditions;  // all must hold; none: always
    RuleAction action;
    TextPosition at;

    bool operator==(const PolicyRule&) const = default;
};

struct RuleBlock {
    PolicySection section = PolicySection::authorization;
    std::vector<PolicyRule> rules;
    TextPosition at;

    bool operator==(const RuleBlock&) const = default;
};

// Text of parts of a policy in the canonical layout. String literals are written as they are, so
// the text is UTF-8; show_* of explain.h are for terminals.
std::string expression_text(const PolicyExpression& expression);
std::string condition_text(const ClaimCondition& condition);
std::string rule_text(const PolicyRule& rule);  // on one line, with its semicolon

}  // namespace vouchsafe::policy
