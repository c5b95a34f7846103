#include "vouchsafe/policy/release/evaluate.h"

#include <algorithm>
#include <optional>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/release/compare.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kNothing = "nothing";

bool holds(const Condition& condition, const Json* claim) {
    if (condition.op == Operator::exists) {
        return (claim != nullptr) == (condition.value_text == "true");
    }
    if (claim == nullptr) return false;
    std::optional<std::string> text = comparable_text(*claim);
    if (!text) return false;
    if (condition.op == Operator::equals) return *text == condition.value_text;
    if (condition.op == Operator::not_equals) return *text != condition.value_text;
    std::optional<int> order = compare_numbers(*text, condition.value_text);
    if (!order) return false;
    switch (condition.op) {
        case Operator::less:
            return *order < 0;
        case Operator::less_or_equals:
            return *order <= 0;
        case Operator::greater:
            return *order > 0;
        case Operator::greater_or_equals:
            return *order >= 0;
        default:
            return false;
    }
}

// conclude sets `passed` and `failures` of a node from its members.
void conclude(Finding& node) {
    bool all = node.kind == Finding::Kind::all_of || node.kind == Finding::Kind::authority;
    size_t sum = 0;
    size_t least = SIZE_MAX;
    for (const Finding& member : node.members) {
        sum += member.failures;
        least = std::min(least, member.failures);
    }
    node.failures = all ? sum : least;
    node.passed = node.failures == 0;
}

Finding judge_claim(const Condition& condition, const Json& claims) {
    const Json* claim = find_claim(claims, condition.claim);
    Finding out;
    out.path = condition.path;
    out.claim = condition.claim;
    out.operation = operator_name(condition.op);
    out.expected = condition.value_shown;
    out.found = claim == nullptr ? std::string(kNothing) : show_json(*claim);
    out.missing = claim == nullptr;
    out.passed = holds(condition, claim);
    out.failures = out.passed ? 0 : 1;
    return out;
}

Finding judge(const Condition& condition, const Json& claims) {
    if (condition.kind == Condition::Kind::claim) return judge_claim(condition, claims);
    Finding out;
    out.kind =
        condition.kind == Condition::Kind::all_of ? Finding::Kind::all_of : Finding::Kind::any_of;
    out.path = condition.path;
    for (const Condition& member : condition.members) out.members.push_back(judge(member, claims));
    conclude(out);
    return out;
}

Finding judge_issuer(const Authority& authority, const std::string& path,
                     const std::string& issuer) {
    Finding out;
    out.kind = Finding::Kind::issuer;
    out.path = path + ".authority";
    out.claim = "iss";
    out.operation = operator_name(Operator::equals);
    out.expected = show_json(authority.url);
    out.found = show_json(issuer);
    out.passed = normalize_url(authority.url) == normalize_url(issuer);
    out.failures = out.passed ? 0 : 1;
    return out;
}

// closest returns the member with the fewest failed conditions, the first of equals.
const Finding& closest(const std::vector<Finding>& members) {
    return *std::min_element(
        members.begin(), members.end(),
        [](const Finding& a, const Finding& b) { return a.failures < b.failures; });
}

// record notes the findings that decided, in the policy's order, and stops at the first that
// failed.
Result<void> record(const Finding& finding, Checks& checks) {
    switch (finding.kind) {
        case Finding::Kind::policy:
        case Finding::Kind::any_of:
            return record(closest(finding.members), checks);
        case Finding::Kind::authority:
        case Finding::Kind::all_of:
            for (const Finding& member : finding.members) TRY(record(member, checks));
            return {};
        case Finding::Kind::issuer:
            return checks.require(finding.passed, "POLICY-AUTHORITY", finding.claim,
                                  finding.expected, finding.found);
        case Finding::Kind::claim:
            break;
    }
    bool absent = finding.missing && !finding.passed;
    return checks.require(finding.passed, absent ? "POLICY-CLAIM-MISSING" : "POLICY-CLAIM-MISMATCH",
                          finding.claim, fmt::format("{} {}", finding.operation, finding.expected),
                          finding.found);
}

const Authority* match(const ReleasePolicy& policy, std::string_view issuer) {
    std::string wanted = normalize_url(issuer);
    for (const Authority& authority : policy.authorities()) {
        if (normalize_url(authority.url) == wanted) return &authority;
    }
    return nullptr;
}

// deciding_authority is the index of the authority that decides: of those that match the token's
// issuer (there is one) the closest to passing.
size_t deciding_authority(const Finding& root) {
    std::optional<size_t> best;
    for (size_t i = 0; i < root.members.size(); ++i) {
        const Finding& authority = root.members[i];
        if (!authority.members[0].passed) continue;
        if (!best || authority.failures < root.members[*best].failures) best = i;
    }
    return best.value();
}

}  // namespace

Explanation explain(const ReleasePolicy& policy, const VerifiedClaims& claims) {
    return explain_claims(policy, claims.issuer(), claims.claims());
}

Explanation explain_claims(const ReleasePolicy& policy, std::string_view issuer,
                           const Json& claims) {
    Finding root;
    root.kind = Finding::Kind::policy;
    for (const Authority& authority : policy.authorities()) {
        Finding node;
        node.kind = Finding::Kind::authority;
        node.path = fmt::format("anyOf[{}]", root.members.size());
        node.members.push_back(judge_issuer(authority, node.path, std::string(issuer)));
        node.members.push_back(judge(authority.conditions, claims));
        conclude(node);
        root.members.push_back(std::move(node));
    }
    conclude(root);
    return Explanation{std::move(root)};
}

Result<std::string> select_authority(const ReleasePolicy& policy, std::string_view issuer,
                                     Checks& checks) {
    if (const Authority* found = match(policy, issuer)) return normalize_url(found->url);
    std::string accepted;
    for (const Authority& authority : policy.authorities()) {
        if (!accepted.empty()) accepted += ", ";
        accepted += show_json(authority.url);
    }
    return checks.refuse("POLICY-AUTHORITY", "iss", std::move(accepted), show_json(issuer));
}

Result<Grant> evaluate(const ReleasePolicy& policy, const VerifiedClaims& claims, Checks& checks) {
    TRY(select_authority(policy, claims.issuer(), checks));
    Explanation explanation = explain(policy, claims);
    size_t deciding = deciding_authority(explanation.root);
    TRY(record(explanation.root.members[deciding], checks));
    return Grant(policy.authorities()[deciding].url, claims, std::move(explanation));
}

}  // namespace vouchsafe::policy
