#include "vouchsafe/policy/release/release_lint.h"

#include <algorithm>
#include <functional>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/release/claim_vocabulary.h"

namespace vouchsafe::policy {

namespace {

constexpr LintRule kReleaseLintRules[] = {
    {"RELEASE-LINT-DEBUG-UNCHECKED",
     "nothing excludes a machine whose memory its host may read by debugging",
     "add {\"claim\":\"x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable\",\"equals\":\"false\"}, or "
     "what the tokens of your kind of machine say of debugging"},
    {"RELEASE-LINT-ANY-MACHINE",
     "no condition says who or what runs: any confidential machine that anybody starts passes",
     "add a condition on the machine (x-ms-isolation-tee.x-ms-runtime.vm-configuration.vmUniqueId, "
     "x-ms-isolation-tee.x-ms-sevsnpvm-hostdata), on what it runs (x-vouchsafe-boot-kernel), or on "
     "a claim that a policy of your own attestation provider issues (x-ms-policy.NAME)"},
    {"RELEASE-LINT-SHARED-AUTHORITY",
     "this authority attests for every tenant of the cloud, and no condition names a tenant's "
     "machine",
     "use an attestation provider of your own, or add a condition on the machine"},
    {"RELEASE-LINT-AUTHORITY-UNREACHABLE",
     "what passes here has passed already: an earlier entry of the same authority asks no more",
     "remove the entry, or the condition of the earlier one that is too few"},
    {"RELEASE-LINT-NEVER", "no token can meet these conditions together",
     "correct the values, or put them into an anyOf"},
    {"RELEASE-LINT-DUPLICATE", "the same condition stands in this list before", "remove it"},
    {"RELEASE-LINT-CLAIM-UNKNOWN", "no attestation service issues this claim",
     "look for a slip in its name; names are case-sensitive"},
    {"RELEASE-LINT-CALLER-CLAIM",
     "the claim is what the machine's own software sends; nobody else vouches for it",
     "do not release by it; ask for what is measured"},
    {"RELEASE-LINT-NOT-EQUALS",
     "notEquals lets every other value pass, also those that nobody thought of",
     "write equals with what is wanted; several values stand in an anyOf"},
    {"RELEASE-LINT-EXISTS-FALSE",
     "every token without the claim passes, also those of services that never issue it",
     "ask for what the token must say"},
    {"RELEASE-LINT-VALUE-FORM", "tokens never have this claim in this form",
     "write digests in lower-case hex, booleans as true or false, numbers as decimals; what is in "
     "a list is for the workload rule of release rules, or for a claim that a policy issues"},
};

const LintRule& release_rule(std::string_view code) {
    return *std::find_if(std::begin(kReleaseLintRules), std::end(kReleaseLintRules),
                         [&](const LintRule& rule) { return rule.code == code; });
}

using Predicate = std::function<bool(const Condition&)>;

// demands tells whether whatever passes meets a condition of this kind.
bool demands(const Condition& condition, const Predicate& wanted) {
    if (condition.kind == Condition::Kind::claim) return wanted(condition);
    const auto member = [&](const Condition& one) { return demands(one, wanted); };
    if (condition.kind == Condition::Kind::all_of) {
        return std::any_of(condition.members.begin(), condition.members.end(), member);
    }
    return std::all_of(condition.members.begin(), condition.members.end(), member);
}

bool excludes_debug(const Condition& condition) {
    if (!is_debug_claim(condition.claim)) return false;
    if (condition.op == Operator::not_equals) return condition.value_text == "true";
    return condition.op == Operator::equals &&
           (condition.value_text == "false" || condition.value_text == "disabled");
}

bool names_workload(const Condition& condition) {
    return condition.op == Operator::equals && is_workload_claim(condition.claim);
}

bool names_machine(const Condition& condition) {
    // A policy of a provider's own issues what it likes, but a shared provider's is nobody's own.
    return condition.op == Operator::equals && is_machine_claim(condition.claim);
}

bool is_shared(std::string_view url) {
    constexpr std::string_view kHost = "https://shared";
    const std::string lower = normalize_url(url);
    const std::string_view host = std::string_view(lower).substr(0, lower.find('/', 8));
    return host.starts_with(kHost) && host.find(".attest.azure.") != std::string_view::npos;
}

std::string text_of(const Condition& condition) {
    return fmt::format("{} {} {}", condition.claim, operator_name(condition.op),
                       condition.value_text);
}

// conjuncts are the claim conditions that all must hold.
void conjuncts(const Condition& condition, std::vector<const Condition*>& out) {
    if (condition.kind == Condition::Kind::claim) out.push_back(&condition);
    const bool every = condition.kind == Condition::Kind::all_of || condition.members.size() == 1;
    for (const Condition& member : condition.members) {
        if (every) conjuncts(member, out);
    }
}

// only_conjuncts gives them as texts if the conditions are nothing else.
std::optional<std::set<std::string>> only_conjuncts(const Condition& condition) {
    if (condition.kind == Condition::Kind::claim) return std::set{text_of(condition)};
    if (condition.kind == Condition::Kind::any_of && condition.members.size() > 1) return {};
    std::set<std::string> out;
    for (const Condition& member : condition.members) {
        auto below = only_conjuncts(member);
        if (!below) return {};
        out.merge(*below);
    }
    return out;
}

bool is_upper_hex(std::string_view text) {
    return text.size() >= 32 &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos &&
           text.find_first_of("ABCDEF") != std::string_view::npos;
}

class ReleaseLinter {
  public:
    std::vector<ReleaseWarning> run(const ReleasePolicy& policy) {
        const auto& all = policy.authorities();
        for (size_t i = 0; i < all.size(); ++i) {
            const std::string path = fmt::format("anyOf[{}]", i);
            whole(all[i], path);
            if (covered_before(all, i)) warn("AUTHORITY-UNREACHABLE", path);
            contradictions(all[i].conditions, path);
            each(all[i].conditions);
        }
        return std::move(warnings_);
    }

  private:
    void warn(std::string_view code, const std::string& path, const std::string& more = "") {
        const LintRule& rule = release_rule("RELEASE-LINT-" + std::string(code));
        warnings_.push_back(
            {std::string(rule.code), path,
             more.empty() ? std::string(rule.what) : fmt::format("{}: {}", more, rule.what),
             std::string(rule.remedy)});
    }

    void whole(const Authority& authority, const std::string& path) {
        if (!demands(authority.conditions, excludes_debug)) warn("DEBUG-UNCHECKED", path);
        if (!demands(authority.conditions, names_workload)) warn("ANY-MACHINE", path);
        if (is_shared(authority.url) && !demands(authority.conditions, names_machine)) {
            warn("SHARED-AUTHORITY", path, show_json(authority.url));
        }
    }

    static bool covered_before(const std::vector<Authority>& all, size_t i) {
        const auto mine = only_conjuncts(all[i].conditions);
        if (!mine) return false;
        return std::any_of(
            all.begin(), all.begin() + static_cast<ptrdiff_t>(i), [&](const Authority& earlier) {
                const auto theirs = only_conjuncts(earlier.conditions);
                return normalize_url(earlier.url) == normalize_url(all[i].url) && theirs &&
                       std::includes(mine->begin(), mine->end(), theirs->begin(), theirs->end());
            });
    }

    void contradictions(const Condition& conditions, const std::string& path) {
        std::vector<const Condition*> required;
        conjuncts(conditions, required);
        for (const Condition* one : required) {
            for (const Condition* other : required) {
                const bool clash = one < other && one->claim == other->claim &&
                                   one->op == Operator::equals && other->op == Operator::equals &&
                                   one->value_text != other->value_text;
                if (clash) warn("NEVER", path, show_json(one->claim));
            }
        }
    }

    void each(const Condition& condition) {
        if (condition.kind == Condition::Kind::claim) return claim(condition);
        std::set<std::string> seen;
        for (const Condition& member : condition.members) {
            const bool is_claim = member.kind == Condition::Kind::claim;
            if (is_claim && !seen.insert(text_of(member)).second) warn("DUPLICATE", member.path);
            each(member);
        }
    }

    void claim(const Condition& condition) {
        const std::string name = show_json(condition.claim);
        if (!is_token_claim(condition.claim)) {
            const std::string nearest = nearest_claim(condition.claim);
            warn("CLAIM-UNKNOWN", condition.path,
                 nearest.empty() ? name : fmt::format("{} (perhaps {})", name, show_json(nearest)));
        }
        if (is_callers_word(condition.claim)) warn("CALLER-CLAIM", condition.path, name);
        const auto kind = claim_kind(condition.claim);
        if (condition.op == Operator::not_equals && kind != ClaimKind::boolean) {
            warn("NOT-EQUALS", condition.path, name);
        }
        if (condition.op == Operator::exists && condition.value_text == "false") {
            warn("EXISTS-FALSE", condition.path, name);
        }
        const bool equality =
            condition.op == Operator::equals || condition.op == Operator::not_equals;
        if (equality && !fits(kind, condition.value_text)) {
            warn("VALUE-FORM", condition.path, fmt::format("{} {}", name, condition.value));
        }
    }

    static bool fits(std::optional<ClaimKind> kind, const std::string& text) {
        if (kind == ClaimKind::boolean) return text == "true" || text == "false";
        if (kind == ClaimKind::json) return false;  // objects and lists equal nothing
        if (kind == ClaimKind::integer) {
            return !text.empty() && text.find_first_not_of("-0123456789") == std::string::npos;
        }
        return kind != ClaimKind::text || !is_upper_hex(text);
    }

    std::vector<ReleaseWarning> warnings_;
};

}  // namespace

std::span<const LintRule> release_lint_rules() {
    return kReleaseLintRules;
}

std::string ReleaseWarning::line() const {
    return fmt::format("{}: {}: {}; {}", path, code, message, remedy);
}

std::vector<ReleaseWarning> lint_release(const ReleasePolicy& policy) {
    return ReleaseLinter().run(policy);
}

}  // namespace vouchsafe::policy
