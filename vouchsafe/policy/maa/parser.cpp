#include "vouchsafe/policy/maa/parser.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/maa/scope.h"

namespace vouchsafe::policy {

namespace {

class PolicyParser {
  public:
    explicit PolicyParser(std::string_view text) : in_(text) {}

    Result<void> run(PolicyVersion& version, std::vector<RuleBlock>& blocks) {
        TRY(in_.advance());
        version_ = TRY(version_line());
        version = version_;
        while (in_.now.kind != SymbolKind::end) {
            RuleBlock block = TRY(rule_block(blocks));
            blocks.push_back(std::move(block));
        }
        bool authorizes = std::any_of(blocks.begin(), blocks.end(), [](const RuleBlock& block) {
            return block.section == PolicySection::authorization;
        });
        if (!authorizes) return in_.unexpected("a block authorizationrules");
        return {};
    }

  private:
    Result<void> needs(PolicyVersion version, std::string_view what) {
        if (version_ >= version) return {};
        return policy_error(
            in_.now.at,
            fmt::format("found '{}': {} need version {}, and this policy says {}", in_.now.spelling,
                        what, version_text(version), version_text(version_)));
    }

    Result<PolicyVersion> version_line() {
        if (!in_.at_name("version"))
            return in_.unexpected("'version'", "a policy begins with version=1.2;");
        TRY(in_.advance());
        TRY(in_.match("="));
        auto version = find_version(in_.now.spelling);
        if (in_.now.kind != SymbolKind::version || !version) {
            return in_.unexpected("a version: 1.0, 1.1 or 1.2");
        }
        TRY(in_.advance());
        TRY(in_.match(";"));
        return *version;
    }

    Result<RuleBlock> rule_block(const std::vector<RuleBlock>& before) {
        auto section =
            in_.now.kind == SymbolKind::name ? find_section(in_.now.spelling) : std::nullopt;
        if (!section) {
            return in_.unexpected("configurationrules, authorizationrules or issuancerules",
                                  "blocks are written in lower case");
        }
        if (*section == PolicySection::configuration) {
            TRY(needs(PolicyVersion::v1_1, "configuration rules"));
        }
        if (!before.empty() && before.back().section >= *section) {
            return in_.unexpected(
                "the end or a block that comes later",
                "the order is configurationrules, authorizationrules, issuancerules, each once");
        }
        RuleBlock out;
        out.section = *section;
        out.at = in_.now.at;
        section_ = *section;
        TRY(in_.advance());
        TRY(in_.match("{"));
        while (!in_.at_mark("}")) {
            if (in_.now.kind == SymbolKind::end) return in_.unexpected("a rule or '}'");
            out.rules.push_back(TRY(rule()));
        }
        TRY(in_.advance());
        TRY(in_.match(";", "a block ends with };"));
        return out;
    }

    Result<PolicyRule> rule() {
        if (++rules_ > kMaxPolicyRules) {
            return policy_error(in_.now.at, fmt::format("more than {} rules", kMaxPolicyRules));
        }
        scope_ = {};
        PolicyRule out;
        out.at = in_.now.at;
        if (!in_.at_mark("=>")) {
            do {
                if (out.conditions.size() == kMaxRuleConditions) {
                    return policy_error(in_.now.at, fmt::format("more than {} conditions in a rule",
                                                                kMaxRuleConditions));
                }
                out.conditions.push_back(TRY(condition()));
            } while (TRY(in_.take_mark("&&")));
        }
        TRY(in_.match("=>", "a rule is conditions joined by &&, then => and an action"));
        out.action = TRY(action());
        TRY(in_.match(";", "a rule ends with ;"));
        return out;
    }

    Result<ClaimCondition> condition() {
        ClaimCondition out;
        out.at = in_.now.at;
        if (in_.at_mark("!")) {
            TRY(needs(PolicyVersion::v1_2, "negated conditions"));
            TRY(in_.advance());
            out.negated = true;
        }
        TextPosition named_at = in_.now.at;
        if (in_.now.kind == SymbolKind::name) {
            out.identifier = in_.now.spelling;
            if (out.identifier == "true" || out.identifier == "false") {
                return in_.unexpected("a condition");
            }
            TRY(in_.advance());
            TRY(in_.match(":", "a condition is [ ... ], or name:[ ... ]"));
        }
        TRY(in_.match("[", "a condition is [ ... ], or name:[ ... ]"));
        do {
            if (out.tests.size() == kMaxPropertyTests) {
                return policy_error(in_.now.at, fmt::format("more than {} tests in a condition",
                                                            kMaxPropertyTests));
            }
            out.tests.push_back(TRY(property_test()));
        } while (TRY(in_.take_mark(",")));
        TRY(in_.match("]", "tests are separated by commas"));
        TRY(scope_.bind(out, named_at));
        return out;
    }

    Result<ClaimProperty> property() {
        auto out =
            in_.now.kind == SymbolKind::name ? find_property(in_.now.spelling) : std::nullopt;
        if (!out) return in_.unexpected("type, value, valueType or issuer");
        TRY(in_.advance());
        return *out;
    }

    Result<PropertyTest> property_test() {
        PropertyTest out;
        out.at = in_.now.at;
        out.property = TRY(property());
        if (in_.at_mark("="))
            return in_.unexpected("'=='", "a condition compares by ==, = sets arguments");
        auto comparison =
            in_.now.kind == SymbolKind::mark ? find_comparison(in_.now.spelling) : std::nullopt;
        if (!comparison) return in_.unexpected("==, !=, <, <=, > or >=");
        out.comparison = *comparison;
        bool ordering =
            out.comparison != Comparison::equal && out.comparison != Comparison::not_equal;
        if (ordering && out.property != ClaimProperty::value) {
            return in_.unexpected("== or !=",
                                  fmt::format("{} is text", property_name(out.property)));
        }
        TRY(in_.advance());
        TextPosition at = in_.now.at;
        out.expected = TRY(expression(1));
        if (out.expected.kind != PolicyExpression::Kind::literal) return out;
        const ClaimValue& literal = out.expected.literal;
        if (ordering && !std::holds_alternative<int64_t>(literal)) {
            return policy_error(at, fmt::format("found {}, expected an integer: {} orders integers "
                                                "only",
                                                show_json(value_to_json(literal), 40),
                                                comparison_text(out.comparison)));
        }
        if (out.property != ClaimProperty::value && !std::holds_alternative<std::string>(literal)) {
            return policy_error(at, fmt::format("found {}, expected text in double quotes: {} is "
                                                "text",
                                                show_json(value_to_json(literal), 40),
                                                property_name(out.property)));
        }
        return out;
    }

    Result<PolicyExpression> expression(size_t depth) {
        PolicyExpression out;
        out.at = in_.now.at;
        if (depth > kMaxCallDepth) {
            return policy_error(in_.now.at,
                                fmt::format("functions are nested deeper than {}", kMaxCallDepth));
        }
        switch (in_.now.kind) {
            case SymbolKind::text:
                out.literal = in_.now.text;
                break;
            case SymbolKind::integer:
                out.literal = in_.now.integer;
                break;
            case SymbolKind::name:
                if (!in_.at_name("true") && !in_.at_name("false")) return named_expression(depth);
                out.literal = in_.at_name("true");
                break;
            default:
                return in_.unexpected("text, an integer, true, false or a property like c.value");
        }
        TRY(in_.advance());
        return out;
    }

    Result<PolicyExpression> named_expression(size_t depth) {
        PolicySymbol name = in_.now;
        TRY(in_.advance());
        PolicyExpression out;
        out.at = name.at;
        if (in_.at_mark("(")) {
            std::swap(in_.now, name);  // errors are about the name
            auto function = find_function(in_.now.spelling);
            if (!function) {
                return in_.unexpected("a function",
                                      "there are JmesPath, JsonToClaimValue, IsSubsetOf, "
                                      "AppendString, NegateBool and ContainsOnlyValue");
            }
            TRY(needs(PolicyVersion::v1_2, "functions"));
            std::swap(in_.now, name);
            out.kind = PolicyExpression::Kind::call;
            out.function = *function;
            return arguments(std::move(out), depth);
        }
        if (!in_.at_mark(".")) {
            return in_.unexpected("'.' or '('",
                                  "text stands in double quotes; a claim's property is "
                                  "written c.value");
        }
        TRY(scope_.used(name));
        TRY(in_.advance());
        out.kind = PolicyExpression::Kind::property;
        out.identifier = name.spelling;
        out.property = TRY(property());
        return out;
    }

    // arguments parses the argument list of a call whose '(' stands here.
    Result<PolicyExpression> arguments(PolicyExpression call, size_t depth) {
        TRY(in_.advance());
        if (!in_.at_mark(")")) {
            do {
                call.arguments.push_back(TRY(expression(depth + 1)));
            } while (TRY(in_.take_mark(",")));
        }
        TRY(in_.match(")", "arguments are separated by commas"));
        if (call.arguments.size() != function_arity(call.function)) {
            return policy_error(
                call.at,
                fmt::format("{} takes {} argument{}, not {}", function_name(call.function),
                            function_arity(call.function),
                            function_arity(call.function) == 1 ? "" : "s", call.arguments.size()));
        }
        return call;
    }

    Result<RuleAction> action() {
        RuleAction out;
        out.at = in_.now.at;
        auto kind = in_.now.kind == SymbolKind::name ? find_action(in_.now.spelling) : std::nullopt;
        if (!kind) return in_.unexpected("permit, deny, add, issue or issueproperty");
        if (!action_allowed(*kind, section_)) {
            return in_.unexpected(section_ == PolicySection::configuration ? "issueproperty"
                                  : section_ == PolicySection::authorization
                                      ? "permit, deny or add"
                                      : "add, issue or issueproperty",
                                  fmt::format("this is the block {}", section_name(section_)));
        }
        out.kind = *kind;
        issuer_given_ = false;
        TRY(in_.advance());
        TRY(in_.match("("));
        if (out.kind == ActionKind::permit || out.kind == ActionKind::deny) {
            TRY(in_.match(")", "permit and deny have no arguments"));
            return out;
        }
        if (in_.at_name("claim")) {
            TRY(claim_argument(out));
        } else {
            do {
                TRY(property_argument(out));
            } while (TRY(in_.take_mark(",")));
        }
        TextPosition end = in_.now.at;
        TRY(in_.match(")", "arguments are separated by commas"));
        if (out.claim.empty() && (!out.type || !out.value)) {
            return policy_error(end, fmt::format("{} needs a {}: write {}(type = ..., value = ...)",
                                                 action_name(out.kind), out.type ? "value" : "type",
                                                 action_name(out.kind)));
        }
        return out;
    }

    Result<void> claim_argument(RuleAction& out) {
        TRY(in_.advance());
        TRY(in_.match("=", "write claim = c"));
        if (in_.now.kind != SymbolKind::name) return in_.unexpected("the name of a condition");
        TRY(scope_.used(in_.now));
        out.claim = in_.now.spelling;
        return in_.advance();
    }

    Result<void> property_argument(RuleAction& out) {
        if (in_.now.kind == SymbolKind::text) {
            return in_.unexpected("type, value or valueType",
                                  "arguments are written type = \"name\"");
        }
        PolicySymbol name = in_.now;
        ClaimProperty which = TRY(property());
        if (in_.at_mark("=="))
            return in_.unexpected("'='", "arguments are set by =, conditions compare by ==");
        TRY(in_.match("="));
        PolicySymbol value = in_.now;
        PolicyExpression given = TRY(expression(1));
        auto literal = [&] { return given.kind == PolicyExpression::Kind::literal; };
        if (which == ClaimProperty::issuer) {
            if (!literal() || given.literal != ClaimValue(std::string("AttestationPolicy"))) {
                return policy_error(value.at,
                                    "claims made by a policy have the issuer "
                                    "\"AttestationPolicy\", and no other can be set");
            }
            if (issuer_given_) return policy_error(name.at, "'issuer' is given twice");
            issuer_given_ = true;
            return {};
        }
        std::optional<PolicyExpression>& place = which == ClaimProperty::type    ? out.type
                                                 : which == ClaimProperty::value ? out.value
                                                                                 : out.value_type;
        if (place) {
            return policy_error(name.at, fmt::format("'{}' is given twice", property_name(which)));
        }
        place = std::move(given);
        if (which == ClaimProperty::value || place->kind != PolicyExpression::Kind::literal)
            return {};
        return check_text(*place, which, value.at);
    }

    // check_text: type and valueType, where they are literals.
    static Result<void> check_text(const PolicyExpression& given, ClaimProperty which,
                                   TextPosition at) {
        const auto* text = std::get_if<std::string>(&given.literal);
        if (text == nullptr || text->empty()) {
            return policy_error(
                at, fmt::format("{} is text in double quotes, not empty", property_name(which)));
        }
        bool known = *text == "String" || *text == "Integer" || *text == "Boolean";
        if (which == ClaimProperty::value_type && !known) {
            return policy_error(at, "valueType is \"String\", \"Integer\" or \"Boolean\"");
        }
        return {};
    }

    SymbolStream in_;
    PolicyVersion version_ = PolicyVersion::v1_0;
    PolicySection section_ = PolicySection::authorization;
    RuleScope scope_;
    size_t rules_ = 0;
    bool issuer_given_ = false;  // in this action, where it says nothing new
};

}  // namespace

Result<AttestationPolicy> AttestationPolicy::parse(std::string_view text) {
    if (text.size() > kMaxAttestationPolicyBytes) {
        return fail(Code::invalid, "attestation policy: {} bytes, more than {}", text.size(),
                    kMaxAttestationPolicyBytes);
    }
    if (!is_utf8(text)) return fail(Code::invalid, "attestation policy: this is not UTF-8");
    Parts parts;
    TRY(PolicyParser(text).run(parts.version, parts.blocks));
    return AttestationPolicy(std::make_shared<const Parts>(std::move(parts)));
}

}  // namespace vouchsafe::policy
