#include "vouchsafe/policy/maa/lint.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/jmespath/jmespath.h"
#include "vouchsafe/policy/maa/lint_condition.h"

namespace vouchsafe::policy {

namespace {

constexpr LintRule kLintRules[] = {
    {"MAA-LINT-PERMIT-ALWAYS", "a permit() without conditions permits all evidence that verifies",
     "give the permit() conditions, or deny() what must not pass"},
    {"MAA-LINT-NO-PERMIT", "without a permit() the policy refuses everything",
     "add a rule that ends in => permit();"},
    {"MAA-LINT-DENY-WITHOUT-PERMIT",
     "deny() alone never lets anything pass: a policy that does not permit refuses",
     "add => permit(); behind the deny() rules"},
    {"MAA-LINT-DEBUG-UNCHECKED", "no authorization rule looks at debugging",
     "test a claim that tells about it"},
    {"MAA-LINT-CLAIM-UNKNOWN", "no rule makes this claim, and neither does the service",
     "look for a slip in its name; names are case-sensitive"},
    {"MAA-LINT-RULE-UNREACHABLE", "an earlier rule without conditions has decided already",
     "remove the rule, or move it before the other"},
    {"MAA-LINT-CONDITION-IMPOSSIBLE", "no claim can pass all tests of this condition",
     "correct the tests, or split them into several rules"},
    {"MAA-LINT-ISSUE-SERVICE-CLAIM",
     "a claim of this name is made by the service, which keeps its own in the token",
     "issue it under another name"},
    {"MAA-LINT-TYPE-MISMATCH", "the claim has another type than the value it is compared with",
     "write integers and true or false without quotes"},
    {"MAA-LINT-NOT-EQUAL", "a claim that is absent passes no test, not even !=",
     "permit by == what is wanted instead of denying by != what is not"},
    {"MAA-LINT-VERSION-OLD", "this claim is JSON text, which needs functions to look into",
     "write version=1.2; and use JmesPath()"},
    {"MAA-LINT-QUERY-BROKEN", "the JMESPath query does not parse, so the rule fails when it runs",
     "correct the query; literals stand in backticks or single quotes"},
};

const LintRule& rule_of(std::string_view code) {
    return *std::find_if(std::begin(kLintRules), std::end(kLintRules),
                         [&](const LintRule& rule) { return rule.code == code; });
}

// each_expression calls `visit` for an expression and those within it.
template <typename Visit>
void each_expression(const PolicyExpression& expression, Visit visit) {
    visit(expression);
    for (const PolicyExpression& argument : expression.arguments) each_expression(argument, visit);
}

// each_expression of a rule: of its conditions, then of its action.
template <typename Visit>
void each_expression(const PolicyRule& rule, Visit visit) {
    for (const ClaimCondition& condition : rule.conditions) {
        for (const PropertyTest& test : condition.tests) each_expression(test.expected, visit);
    }
    for (const auto* part : {&rule.action.type, &rule.action.value, &rule.action.value_type}) {
        if (*part) each_expression(**part, visit);
    }
}

class Linter {
  public:
    Linter(const AttestationPolicy& policy, AttestationTarget target)
        : policy_(policy), target_(target) {
        for (const RuleBlock& block : policy.blocks()) {
            for (const PolicyRule& rule : block.rules) note_made(rule);
        }
    }

    std::vector<PolicyWarning> run() {
        authorization(*policy_.block(PolicySection::authorization));
        for (const RuleBlock& block : policy_.blocks()) {
            for (const PolicyRule& rule : block.rules) one_rule(rule);
        }
        std::stable_sort(out_.begin(), out_.end(),
                         [](const PolicyWarning& a, const PolicyWarning& b) {
                             if (a.at.line != b.at.line) return a.at.line < b.at.line;
                             return a.at.column < b.at.column;
                         });
        return std::move(out_);
    }

  private:
    void warn(std::string_view code, TextPosition at, std::string_view about = {}) {
        const LintRule& rule = rule_of(code);
        std::string message =
            about.empty() ? std::string(rule.what) : fmt::format("{}: {}", about, rule.what);
        out_.push_back({std::string(code), at, std::move(message), std::string(rule.remedy)});
    }

    void note_made(const PolicyRule& rule) {
        if (!rule.action.type) return;
        const PolicyExpression& type = *rule.action.type;
        if (type.kind == PolicyExpression::Kind::literal) {
            made_.insert(std::get<std::string>(type.literal));
        } else {
            makes_any_ = true;  // a computed name: any claim may be made
        }
    }

    void authorization(const RuleBlock& block) {
        bool permits = false;
        bool denies = false;
        std::optional<ActionKind> decided;
        for (const PolicyRule& rule : block.rules) {
            ActionKind kind = rule.action.kind;
            bool after_deny = decided == ActionKind::deny;
            if (after_deny || (decided == ActionKind::permit && kind == ActionKind::permit)) {
                warn("MAA-LINT-RULE-UNREACHABLE", rule.at);
            }
            permits = permits || kind == ActionKind::permit;
            denies = denies || kind == ActionKind::deny;
            bool decides = kind == ActionKind::permit || kind == ActionKind::deny;
            if (!rule.conditions.empty() || !decides || after_deny) continue;
            if (kind == ActionKind::permit && !decided && !denies) {
                warn("MAA-LINT-PERMIT-ALWAYS", rule.at);
            }
            decided = kind;
        }
        if (!permits) {
            warn(denies ? "MAA-LINT-DENY-WITHOUT-PERMIT" : "MAA-LINT-NO-PERMIT", block.at);
        }
        if (permits && !looks_at_debugging(block)) {
            warn("MAA-LINT-DEBUG-UNCHECKED", block.at,
                 fmt::format("for {} that is {}", target_name(target_),
                             fmt::join(debug_claims(target_), ", ")));
        }
    }

    // A claim's name in a condition counts, and in the text of a query.
    bool looks_at_debugging(const RuleBlock& block) const {
        bool found = false;
        for (const PolicyRule& rule : block.rules) {
            each_expression(rule, [&](const PolicyExpression& expression) {
                const auto* text = std::get_if<std::string>(&expression.literal);
                if (text == nullptr || text->empty()) return;
                for (std::string_view name : debug_claims(target_)) {
                    found = found || text->find(name) != std::string::npos;
                }
            });
        }
        return found;
    }

    void one_rule(const PolicyRule& rule) {
        for (const ClaimCondition& condition : rule.conditions) one_condition(rule, condition);
        const RuleAction& action = rule.action;
        if (action.kind == ActionKind::issue && action.type) {
            const auto* name = std::get_if<std::string>(&action.type->literal);
            if (name != nullptr && is_claim_of(*name, target_)) {
                warn("MAA-LINT-ISSUE-SERVICE-CLAIM", action.at, show_json(*name, 60));
            }
        }
        each_expression(rule, [&](const PolicyExpression& expression) { query(expression); });
    }

    void query(const PolicyExpression& expression) {
        bool call = expression.kind == PolicyExpression::Kind::call &&
                    expression.function == PolicyFunction::jmes_path;
        if (!call || expression.arguments[1].kind != PolicyExpression::Kind::literal) return;
        const PolicyExpression& text = expression.arguments[1];
        const auto* query = std::get_if<std::string>(&text.literal);
        if (query == nullptr) return;
        if (auto checked = jmespath::check_syntax(*query, jmespath::Dialect::azure); !checked) {
            warn("MAA-LINT-QUERY-BROKEN", text.at, checked.error().message);
        }
    }

    void one_condition(const PolicyRule& rule, const ClaimCondition& condition) {
        if (is_impossible(condition)) warn("MAA-LINT-CONDITION-IMPOSSIBLE", condition.at);
        std::optional<std::string> name = literal_test(condition, ClaimProperty::type);
        bool values_differ =
            std::any_of(condition.tests.begin(), condition.tests.end(), [](const auto& test) {
                return test.property == ClaimProperty::value &&
                       test.comparison == Comparison::not_equal;
            });
        bool pitfall = rule.action.kind == ActionKind::deny ||
                       (rule.action.kind == ActionKind::permit && !name);
        if (values_differ && pitfall && !condition.negated) {
            warn("MAA-LINT-NOT-EQUAL", condition.at,
                 name ? show_json(*name, 60) : std::string("any claim"));
        }
        if (!name || made_.contains(*name) || makes_any_) return;
        // Clients may send claims of any name.
        if (literal_test(condition, ClaimProperty::issuer) == "CustomClaim") return;
        if (!is_claim_of(*name, target_)) {
            warn("MAA-LINT-CLAIM-UNKNOWN", condition.at,
                 fmt::format("{} for {}", show_json(*name, 60), target_name(target_)));
        }
        if (const KnownClaim* known = find_known_claim(*name)) types(condition, *known);
    }

    void types(const ClaimCondition& condition, const KnownClaim& known) {
        for (const PropertyTest& test : condition.tests) {
            bool literal = test.property == ClaimProperty::value &&
                           test.expected.kind == PolicyExpression::Kind::literal;
            if (!literal) continue;
            std::string_view wanted = known.kind == ClaimKind::integer   ? "Integer"
                                      : known.kind == ClaimKind::boolean ? "Boolean"
                                                                         : "String";
            if (value_type_name(test.expected.literal) == wanted) continue;
            warn("MAA-LINT-TYPE-MISMATCH", test.at,
                 fmt::format("{} is of type {}", known.name, wanted));
        }
        if (known.kind == ClaimKind::json && policy_.version() < PolicyVersion::v1_2) {
            warn("MAA-LINT-VERSION-OLD", condition.at, known.name);
        }
    }

    const AttestationPolicy& policy_;
    AttestationTarget target_;
    std::set<std::string, std::less<>> made_;  // names that rules give to claims
    bool makes_any_ = false;
    std::vector<PolicyWarning> out_;
};

}  // namespace

std::span<const LintRule> lint_rules() {
    return kLintRules;
}

std::string PolicyWarning::line() const {
    return fmt::format("line {}, column {}: {}: {}; {}", at.line, at.column, code, message, remedy);
}

std::vector<PolicyWarning> lint(const AttestationPolicy& policy, AttestationTarget target) {
    return Linter(policy, target).run();
}

}  // namespace vouchsafe::policy
