#include "vouchsafe/policy/release/release_change.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/release/compare.h"
#include "vouchsafe/policy/release/evaluate.h"

namespace vouchsafe::policy {

namespace {

std::string_view list_keyword(const Condition& list) {
    return list.kind == Condition::Kind::all_of ? "allOf" : "anyOf";
}

Json condition_json(const Condition& condition) {
    if (condition.kind == Condition::Kind::claim) {
        return {{"claim", condition.claim},
                {operator_name(condition.op), MUST(parse_json(condition.value))}};
    }
    Json members = Json::array();
    for (const Condition& member : condition.members) members.push_back(condition_json(member));
    return {{list_keyword(condition), std::move(members)}};
}

bool compares_numbers(Operator op) {
    return op == Operator::less || op == Operator::less_or_equals || op == Operator::greater ||
           op == Operator::greater_or_equals;
}

// widened is the condition that lets the claim pass too.
Json widened(const Condition& condition, const Json* claim) {
    Json passing = {{"claim", condition.claim}};
    const std::optional<std::string> text =
        claim == nullptr ? std::nullopt : comparable_text(*claim);
    if (!text) {
        passing["exists"] = claim != nullptr;
    } else if (compares_numbers(condition.op) && compare_numbers(*text, condition.value_text)) {
        const bool less =
            condition.op == Operator::less || condition.op == Operator::less_or_equals;
        passing[less ? "lessOrEquals" : "greaterOrEquals"] = *claim;
        return passing;
    } else {
        passing["equals"] = *claim;
    }
    return {{"anyOf", Json::array({condition_json(condition), std::move(passing)})}};
}

// change_condition writes the condition so that it passes, and notes what it changed.
Json change_condition(const Condition& condition, const Finding& finding, const Json& claims,
                      std::vector<ConditionChange>& changes) {
    if (finding.passed) return condition_json(condition);
    if (condition.kind == Condition::Kind::claim) {
        Json next = widened(condition, find_claim(claims, condition.claim));
        changes.push_back(
            {condition.path, finding.found, dump_json(condition_json(condition)), dump_json(next)});
        return next;
    }
    const auto nearest =
        std::min_element(finding.members.begin(), finding.members.end(),
                         [](const auto& a, const auto& b) { return a.failures < b.failures; });
    Json members = Json::array();
    for (size_t i = 0; i < condition.members.size(); ++i) {
        const bool wanted =
            condition.kind == Condition::Kind::all_of || &finding.members[i] == &*nearest;
        members.push_back(
            wanted ? change_condition(condition.members[i], finding.members[i], claims, changes)
                   : condition_json(condition.members[i]));
    }
    return {{list_keyword(condition), std::move(members)}};
}

}  // namespace

std::optional<ReleaseChange> smallest_change(const ReleasePolicy& policy, std::string_view issuer,
                                             const Json& claims) {
    const Explanation explained = explain_claims(policy, issuer, claims);
    const Finding* nearest = nullptr;
    for (const Finding& authority : explained.root.members) {
        if (!authority.members[0].passed) continue;
        if (nearest == nullptr || authority.failures < nearest->failures) nearest = &authority;
    }
    if (nearest == nullptr || nearest->passed) return std::nullopt;
    ReleaseChange out;
    Json list = Json::array();
    for (size_t i = 0; i < policy.authorities().size(); ++i) {
        const Authority& authority = policy.authorities()[i];
        const bool changed = &explained.root.members[i] == nearest;
        Json node = changed ? change_condition(authority.conditions, nearest->members[1], claims,
                                               out.conditions)
                            : condition_json(authority.conditions);
        node["authority"] = authority.url;
        list.push_back(std::move(node));
    }
    Result<ReleasePolicy> changed =
        ReleasePolicy::parse(dump_json({{"version", "1.0.0"}, {"anyOf", std::move(list)}}));
    if (changed) out.policy = changed->canonical();
    return out;
}

Json ReleaseChange::to_json() const {
    Json list = Json::array();
    for (const ConditionChange& change : conditions) {
        list.push_back({{"path", change.path},
                        {"found", change.found},
                        {"from", change.old_condition},
                        {"to", change.new_condition}});
    }
    Json out = {{"conditions", std::move(list)}};
    if (!policy.empty()) out["policy"] = policy;
    return out;
}

}  // namespace vouchsafe::policy
