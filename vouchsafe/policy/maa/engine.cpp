#include "vouchsafe/policy/maa/engine.h"

#include <algorithm>

namespace vouchsafe::policy {

namespace {

constexpr size_t kComparedBytesPerStep = 256;

// Uses says which identifiers an expression uses for one claim at a time, and which as sets.
struct Uses {
    std::set<std::string, std::less<>> single;
    std::set<std::string, std::less<>> set;

    void note(const PolicyExpression& expression, bool as_set = false) {
        if (expression.kind == PolicyExpression::Kind::property) {
            (as_set ? set : single).insert(expression.identifier);
        }
        for (size_t i = 0; i < expression.arguments.size(); ++i) {
            note(expression.arguments[i], takes_set(expression.function, i));
        }
    }
    void note(const RuleAction& action) {
        if (!action.claim.empty()) single.insert(action.claim);
        for (const auto* part : {&action.type, &action.value, &action.value_type}) {
            if (*part) note(**part);
        }
    }
};

uint64_t steps_to_compare(const ClaimValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    return 1 + (text == nullptr ? 0 : text->size() / kComparedBytesPerStep);
}

// wanted_type returns the type that all claims have that fit a condition which begins with
// `type == "x"`, as most do; nullptr if it begins otherwise.
const std::string* wanted_type(const ClaimCondition& condition) {
    if (condition.tests.empty()) return nullptr;
    const PropertyTest& test = condition.tests[0];
    const bool plain = test.property == ClaimProperty::type &&
                       test.comparison == Comparison::equal &&
                       test.expected.kind == PolicyExpression::Kind::literal;
    return plain ? std::get_if<std::string>(&test.expected.literal) : nullptr;
}

}  // namespace

// Join is the search for combinations of one rule.
struct RuleEngine::Join {
    const PolicyRule& rule;
    Uses action;      // of the action alone
    Uses everywhere;  // of conditions and action
    // What was found, by the claims the action uses one by one.
    std::map<std::vector<size_t>, size_t> known = {};
    std::vector<Bindings> found = {};

    // Without an identifier in the action, one combination says it all.
    bool enough() const { return !found.empty() && action.single.empty() && action.set.empty(); }
};

ClaimValue value_of_property(const Claim& claim, ClaimProperty property) {
    switch (property) {
        case ClaimProperty::type:
            return claim.type;
        case ClaimProperty::value:
            return claim.value;
        case ClaimProperty::value_type:
            return std::string(value_type_name(claim.value));
        case ClaimProperty::issuer:
            return std::string(issuer_name(claim.issuer));
    }
    return std::string();
}

bool RuleEngine::passes(const Claim& claim, const PropertyTest& test, const ClaimValue& expected) {
    auto equal = [&] {
        const auto* text = std::get_if<std::string>(&expected);
        switch (test.property) {
            case ClaimProperty::type:
                return text != nullptr && claim.type == *text;
            case ClaimProperty::value:
                return claim.value == expected;
            case ClaimProperty::value_type:
                return text != nullptr && value_type_name(claim.value) == *text;
            case ClaimProperty::issuer:
                return text != nullptr && issuer_name(claim.issuer) == *text;
        }
        return false;
    };
    if (test.comparison == Comparison::equal) return equal();
    if (test.comparison == Comparison::not_equal) return !equal();
    const auto* left = std::get_if<int64_t>(&claim.value);
    const auto* right = std::get_if<int64_t>(&expected);
    if (test.property != ClaimProperty::value || left == nullptr || right == nullptr) return false;
    switch (test.comparison) {
        case Comparison::less:
            return *left < *right;
        case Comparison::less_or_equal:
            return *left <= *right;
        case Comparison::greater:
            return *left > *right;
        default:
            return *left >= *right;
    }
}

Result<void> RuleEngine::start(std::vector<Claim> incoming) {
    TRY(meter_.within(incoming.size(), kMaxClaims, "claims"));
    claims_ = std::move(incoming);
    return {};
}

Result<PolicyValues> RuleEngine::value_of(const PolicyExpression& expression, const Bindings& bound,
                                          bool as_set) {
    if (expression.kind == PolicyExpression::Kind::literal) {
        return PolicyValues{{expression.literal}, false};
    }
    PolicyValues out;
    if (expression.kind == PolicyExpression::Kind::property) {
        auto place = bound.find(expression.identifier);
        if (place == bound.end()) return out;  // only in explanations, where nothing fits it
        auto add = [&](size_t index) -> Result<void> {
            const Claim& claim = claims_[index];
            TRY(meter_.spend(steps_to_compare(claim.value)));
            out.list.push_back(value_of_property(claim, expression.property));
            out.read_only = out.read_only || claim.read_only;
            return {};
        };
        if (!as_set) {
            if (place->second.one) TRY(add(*place->second.one));
            return out;
        }
        for (size_t index : place->second.all) TRY(add(index));
        return out;
    }
    std::vector<PolicyValues> arguments;
    for (size_t i = 0; i < expression.arguments.size(); ++i) {
        arguments.push_back(
            TRY(value_of(expression.arguments[i], bound, takes_set(expression.function, i))));
    }
    return functions_.call(expression.function, arguments, meter_);
}

Result<std::set<size_t>> RuleEngine::matching(const ClaimCondition& condition,
                                              const Bindings& bound, bool first) {
    std::set<size_t> out;
    const std::string* wanted = wanted_type(condition);
    uint64_t passed_over = 0;
    // What is compared with does not depend on the claim: it is computed once, when needed.
    std::vector<std::optional<ClaimValue>> computed(condition.tests.size());
    for (size_t index = 0; index < claims_.size(); ++index) {
        if (wanted != nullptr && claims_[index].type != *wanted) {
            ++passed_over;
            continue;
        }
        if (passed_over > 0)
            TRY(meter_.spend(passed_over * steps_to_compare(condition.tests[0].expected.literal)));
        passed_over = 0;
        bool all = true;
        for (size_t i = 0; all && i < condition.tests.size(); ++i) {
            const PropertyTest& test = condition.tests[i];
            const bool literal = test.expected.kind == PolicyExpression::Kind::literal;
            if (!literal && !computed[i]) {
                PolicyValues values = TRY(value_of(test.expected, bound));
                computed[i] = *TRY(single_value(values, "what a condition compares with"));
            }
            const ClaimValue& expected = literal ? test.expected.literal : *computed[i];
            TRY(meter_.spend(steps_to_compare(expected)));
            all = passes(claims_[index], test, expected);
        }
        if (all) out.insert(index);
        if (all && first) return out;
    }
    if (passed_over > 0)
        TRY(meter_.spend(passed_over * steps_to_compare(condition.tests[0].expected.literal)));
    return out;
}

Result<void> RuleEngine::join(Join& state, size_t next, Bindings& bound) {
    if (next == state.rule.conditions.size()) {
        std::vector<size_t> key;
        for (const std::string& name : state.action.single) key.push_back(*bound[name].one);
        auto [place, is_new] = state.known.try_emplace(key, state.found.size());
        if (is_new) {
            TRY(meter_.within(state.found.size() + 1, kMaxCombinations, "combinations in a rule"));
            state.found.push_back(bound);
            for (const std::string& set : state.action.set) state.found.back()[set].all.clear();
        }
        // In the action a set is made of the claims of all combinations.
        for (const std::string& set : state.action.set) {
            const BoundClaims& more = bound[set];
            std::set<size_t>& kept = state.found[place->second][set].all;
            TRY(meter_.spend(1 + more.all.size()));
            if (more.one) {
                kept.insert(*more.one);
            } else {
                kept.insert(more.all.begin(), more.all.end());
            }
        }
        return {};
    }
    const ClaimCondition& condition = state.rule.conditions[next];
    const std::string& name = condition.identifier;
    bool single = !name.empty() && state.everywhere.single.contains(name);
    bool set = !name.empty() && state.everywhere.set.contains(name);
    bool first = condition.negated || (!single && !set);
    std::set<size_t> matches = TRY(matching(condition, bound, first));
    if (condition.negated) return matches.empty() ? join(state, next + 1, bound) : Result<void>();
    if (matches.empty()) return {};
    if (first) return join(state, next + 1, bound);
    TRY(meter_.spend(matches.size()));
    if (!single) {
        bound[name] = {std::nullopt, std::move(matches)};
        return join(state, next + 1, bound);
    }
    for (size_t index : matches) {
        // In a later condition a set is all that fits this one.
        bound[name] = {index, set ? matches : std::set<size_t>()};
        TRY(meter_.spend(1 + bound[name].all.size()));
        TRY(join(state, next + 1, bound));
        if (state.enough()) return {};
    }
    return {};
}

Result<std::vector<Bindings>> RuleEngine::combinations(const PolicyRule& rule) {
    Join state{rule, {}, {}};
    state.action.note(rule.action);
    state.everywhere = state.action;
    for (const ClaimCondition& condition : rule.conditions) {
        for (const PropertyTest& test : condition.tests) state.everywhere.note(test.expected);
    }
    Bindings bound;
    TRY(join(state, 0, bound));
    return std::move(state.found);
}

Result<std::vector<Claim>> RuleEngine::make_claims(const RuleAction& action,
                                                   const Bindings& bound) {
    if (!action.claim.empty()) {
        TRY(meter_.spend(1));
        return std::vector<Claim>{claims_[*bound.find(action.claim)->second.one]};
    }
    PolicyValues types = TRY(value_of(*action.type, bound));
    const auto* type = std::get_if<std::string>(TRY(single_value(types, "the claim's type")));
    if (type == nullptr || type->empty()) {
        return fail(Code::invalid, "the claim's type must be text that is not empty");
    }
    PolicyValues values = TRY(value_of(*action.value, bound));
    PolicyValues value_types;
    if (action.value_type) value_types = TRY(value_of(*action.value_type, bound));
    bool read_only = types.read_only || values.read_only || value_types.read_only;
    std::vector<Claim> out;
    for (ClaimValue& value : values.list) {
        if (action.value_type) {
            const ClaimValue* wanted = TRY(single_value(value_types, "valueType"));
            if (*wanted != ClaimValue(std::string(value_type_name(value)))) {
                return fail(Code::invalid, "valueType is {}, and the value is of type {}",
                            show_json(value_to_json(*wanted), 40), value_type_name(value));
            }
        }
        const auto* text = std::get_if<std::string>(&value);
        TRY(meter_.make(type->size() + (text == nullptr ? 0 : text->size())));
        out.push_back({*type, std::move(value), ClaimIssuer::attestation_policy, read_only});
    }
    return out;
}

Result<std::vector<Claim>> RuleEngine::act(const PolicyRule& rule,
                                           const std::vector<Bindings>& all) {
    std::vector<Claim> out;
    for (const Bindings& bound : all) {
        std::vector<Claim> made = TRY(make_claims(rule.action, bound));
        for (Claim& claim : made) {
            if (rule.action.kind != ActionKind::add && claim.read_only) {
                return fail(Code::invalid, "the claim {} is read-only and cannot be issued",
                            show_json(claim.type, 60));
            }
            if (rule.action.kind == ActionKind::issue_property) TRY(check_property(claim));
            out.push_back(std::move(claim));
        }
        TRY(meter_.within(claims_.size() + out.size(), kMaxClaims, "claims"));
    }
    return out;
}

Result<RuleTrace> RuleEngine::run(const PolicyRule& rule) {
    RuleTrace out;
    out.at = rule.at;
    out.claims_before = claims_.size();
    auto problem = [&](const Error& error) -> Result<RuleTrace> {
        if (meter_.exceeded()) return fail(error);
        out.problem = error.message;
        return out;
    };
    Result<std::vector<Bindings>> all = combinations(rule);
    if (!all) return problem(all.error());
    out.combinations = all->size();
    out.fired = !all->empty();
    ActionKind kind = rule.action.kind;
    if (!out.fired || kind == ActionKind::permit || kind == ActionKind::deny) return out;
    Result<std::vector<Claim>> made = act(rule, *all);
    if (!made) return problem(made.error());
    // A claim named by `claim = c` is in the working set already.
    if (rule.action.claim.empty()) claims_.insert(claims_.end(), made->begin(), made->end());
    out.made = std::move(*made);
    return out;
}

}  // namespace vouchsafe::policy
