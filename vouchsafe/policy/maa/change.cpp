#include "vouchsafe/policy/maa/change.h"

#include <algorithm>

namespace vouchsafe::policy {

namespace {

// opposite is the comparison that holds exactly if the other does not, for values of one type.
Comparison opposite(Comparison comparison) {
    switch (comparison) {
        case Comparison::equal:
            return Comparison::not_equal;
        case Comparison::not_equal:
            return Comparison::equal;
        case Comparison::less:
            return Comparison::greater_or_equal;
        case Comparison::less_or_equal:
            return Comparison::greater;
        case Comparison::greater:
            return Comparison::less_or_equal;
        case Comparison::greater_or_equal:
            return Comparison::less;
    }
    return comparison;
}

// fitting is a value that compares so with another, if there is one.
std::optional<ClaimValue> fitting(Comparison comparison, const ClaimValue& with) {
    if (const auto* text = std::get_if<std::string>(&with)) {
        if (comparison == Comparison::equal) return with;
        if (comparison == Comparison::not_equal) return *text + "-other";
        return std::nullopt;
    }
    if (const auto* truth = std::get_if<bool>(&with)) {
        if (comparison == Comparison::equal) return with;
        if (comparison == Comparison::not_equal) return !*truth;
        return std::nullopt;
    }
    int64_t number = std::get<int64_t>(with);
    switch (comparison) {
        case Comparison::not_equal:
            return number == INT64_MAX ? number - 1 : number + 1;
        case Comparison::less:
            if (number == INT64_MIN) return std::nullopt;
            return number - 1;
        case Comparison::greater:
            if (number == INT64_MAX) return std::nullopt;
            return number + 1;
        default:
            return number;
    }
}

// with_property gives the claim another value of one of its properties, if it can have it.
std::optional<Claim> with_property(Claim claim, ClaimProperty property, const ClaimValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    switch (property) {
        case ClaimProperty::value:
            claim.value = value;
            return claim;
        case ClaimProperty::type:
            if (text == nullptr || text->empty()) return std::nullopt;
            claim.type = *text;
            return claim;
        case ClaimProperty::issuer:
            for (ClaimIssuer issuer : {ClaimIssuer::attestation_service, ClaimIssuer::custom_claim,
                                       ClaimIssuer::attestation_policy}) {
                claim.issuer = issuer;
                if (text != nullptr && issuer_name(issuer) == *text) return claim;
            }
            return std::nullopt;
        case ClaimProperty::value_type:
            break;
    }
    if (value == ClaimValue(std::string("String"))) claim.value = std::string();
    if (value == ClaimValue(std::string("Integer"))) claim.value = int64_t{0};
    if (value == ClaimValue(std::string("Boolean"))) claim.value = true;
    return claim;
}

std::string wanted_text(Comparison comparison, const ClaimValue& expected) {
    return fmt::format("{} {}", comparison_text(comparison), show_json(value_to_json(expected)));
}

// missing_claim is a claim that satisfies a condition which no claim comes close to.
std::optional<ChangeSet> missing_claim(const ConditionView& view) {
    Claim claim{"", true, ClaimIssuer::attestation_service};
    ClaimChange shown{"any claim", "value", "nothing", "", false, view.condition->at};
    for (size_t i = 0; i < view.condition->tests.size(); ++i) {
        const PropertyTest& test = view.condition->tests[i];
        if (!view.expected[i]) return std::nullopt;
        std::optional<ClaimValue> value = fitting(test.comparison, *view.expected[i]);
        std::optional<Claim> next =
            value ? with_property(claim, test.property, *value) : std::nullopt;
        if (!next) return std::nullopt;
        claim = std::move(*next);
        if (test.property == ClaimProperty::type && test.comparison == Comparison::equal) {
            shown.claim = printable_ascii(claim.type);
            continue;
        }
        shown.wanted +=
            fmt::format("{}{} {}", shown.wanted.empty() ? "" : ", ", property_name(test.property),
                        wanted_text(test.comparison, *view.expected[i]));
    }
    if (shown.wanted.empty()) shown.wanted = "to be there";
    if (claim.type.empty()) claim.type = "any";
    shown.made_by_policy = claim.issuer == ClaimIssuer::attestation_policy;
    return ChangeSet{{std::nullopt, std::move(claim), std::move(shown)}};
}

EditedClaim edit(const Claim& claim, const PropertyTest& test, Comparison comparison,
                 const ClaimValue& expected, std::optional<Claim> insert, TextPosition at) {
    ClaimChange shown{printable_ascii(claim.type),
                      std::string(property_name(test.property)),
                      show_json(value_to_json(value_of_property(claim, test.property))),
                      wanted_text(comparison, expected),
                      claim.issuer == ClaimIssuer::attestation_policy,
                      at};
    return {claim, std::move(insert), std::move(shown)};
}

// spoil is the change that makes one claim no longer satisfy a condition: of its value if a test
// looks at that, else of another property, else the claim has to go.
EditedClaim spoil(const ConditionView& view, const Claim& claim) {
    const std::vector<PropertyTest>& tests = view.condition->tests;
    for (ClaimProperty property : {ClaimProperty::value, ClaimProperty::issuer}) {
        for (size_t i = 0; i < tests.size(); ++i) {
            if (tests[i].property != property || !view.expected[i]) continue;
            Comparison comparison = opposite(tests[i].comparison);
            std::optional<ClaimValue> value = fitting(comparison, *view.expected[i]);
            std::optional<Claim> changed =
                value ? with_property(claim, property, *value) : std::nullopt;
            if (!changed) continue;
            return edit(claim, tests[i], comparison, *view.expected[i], std::move(changed),
                        view.condition->at);
        }
    }
    ClaimChange shown{printable_ascii(claim.type),
                      "value",
                      show_json(value_to_json(claim.value)),
                      "not to be there",
                      claim.issuer == ClaimIssuer::attestation_policy,
                      view.condition->at};
    return {claim, std::nullopt, std::move(shown)};
}

std::optional<ChangeSet> spoil_all(const ConditionView& view, const std::vector<Claim>& claims) {
    if (view.matches.size() > kMaxChangesOfOne) return std::nullopt;
    ChangeSet out;
    for (size_t match : view.matches) out.push_back(spoil(view, claims[match]));
    return out;
}

bool same_change(const EditedClaim& a, const EditedClaim& b) {
    return a.remove == b.remove && a.insert == b.insert;
}

ChangeSet merged(ChangeSet a, const ChangeSet& b) {
    for (const EditedClaim& change : b) {
        bool there = std::any_of(a.begin(), a.end(), [&](const EditedClaim& other) {
            return same_change(other, change);
        });
        if (!there) a.push_back(change);
    }
    return a;
}

void keep_smallest(RuleChoices& sets) {
    std::stable_sort(sets.begin(), sets.end(),
                     [](const ChangeSet& a, const ChangeSet& b) { return a.size() < b.size(); });
    if (sets.size() > kMaxChangeSets) sets.resize(kMaxChangeSets);
}

bool permits_after(const AttestationPolicy& policy, std::vector<Claim> claims,
                   const ChangeSet& changes) {
    for (const EditedClaim& change : changes) {
        if (change.shown.made_by_policy) return false;  // no evidence brings it
        if (change.remove) std::erase(claims, *change.remove);
        if (change.insert) claims.push_back(*change.insert);
    }
    Result<AttestationOutcome> outcome = evaluate(policy, claims);
    return outcome && outcome->permitted();
}

}  // namespace

std::string printable_ascii(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c >= ' ' && c <= '~') {
            out += c;
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

std::optional<ChangeSet> changes_to_hold(const ConditionView& view,
                                         const std::vector<Claim>& claims) {
    if (view.condition->negated) return spoil_all(view, claims);
    if (!view.closest) return missing_claim(view);
    Claim claim = claims[*view.closest];
    ChangeSet out;
    for (size_t i = 0; i < view.condition->tests.size(); ++i) {
        const PropertyTest& test = view.condition->tests[i];
        if (!view.expected[i]) return std::nullopt;
        if (RuleEngine::passes(claim, test, *view.expected[i])) continue;
        std::optional<ClaimValue> value = fitting(test.comparison, *view.expected[i]);
        std::optional<Claim> changed =
            value ? with_property(claim, test.property, *value) : std::nullopt;
        if (!changed) return std::nullopt;
        out.push_back(
            edit(claim, test, test.comparison, *view.expected[i], changed, view.condition->at));
        claim = std::move(*changed);
    }
    return out;
}

std::optional<ChangeSet> changes_to_fail(const ConditionView& view,
                                         const std::vector<Claim>& claims) {
    return view.condition->negated ? missing_claim(view) : spoil_all(view, claims);
}

void find_smallest_change(const AttestationPolicy& policy, const std::vector<Claim>& incoming,
                          const RuleChoices& permits, const std::vector<RuleChoices>& denies,
                          AttestationExplanation& out) {
    if (denies.size() > kMaxDeniesLifted) {
        out.change_note = fmt::format("more than {} deny rules fire", kMaxDeniesLifted);
        return;
    }
    RuleChoices sets = permits.empty() ? RuleChoices{{}} : permits;
    keep_smallest(sets);
    for (const RuleChoices& deny : denies) {
        RuleChoices next;
        for (const ChangeSet& set : sets) {
            for (const ChangeSet& way : deny) next.push_back(merged(set, way));
        }
        sets = std::move(next);
        keep_smallest(sets);
    }
    if (sets.empty()) {
        out.change_note = "no small change of claims would pass: a deny() cannot be lifted so";
        return;
    }
    const ChangeSet* chosen = &sets[0];
    for (size_t i = 0; i < std::min(sets.size(), kMaxChangeTrials); ++i) {
        if (!permits_after(policy, incoming, sets[i])) continue;
        chosen = &sets[i];
        out.change_verified = true;
        break;
    }
    for (const EditedClaim& change : *chosen) out.smallest_change.push_back(change.shown);
    if (out.change_verified) return;
    const bool derived = std::ranges::any_of(
        *chosen, [](const EditedClaim& change) { return change.shown.made_by_policy; });
    out.change_note = derived ? "this was not seen to pass: the policy derives claims from others"
                              : "this was not seen to pass: other conditions stand against it";
}

}  // namespace vouchsafe::policy
