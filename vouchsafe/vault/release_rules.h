// Rules of a key beside its release policy, which Azure does not have: tokens that release once, a
// quota and an end of releases, fresh tokens, a tier, workloads, changes by two persons. A key has
// none until somebody sets them (docs/formats/release-rules.md, docs/decisions/0027). Pure: what is
// counted is in rule_uses.h, who changes them in proposals.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/result.h"
#include "vouchsafe/base/verified_claims.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxRulesBytes = 32 << 10;
inline constexpr size_t kMaxWorkloads = 16;        // requirements
inline constexpr size_t kMaxWorkloadValues = 256;  // of one requirement
inline constexpr size_t kMaxWorkloadText = 512;    // characters of a claim's path or of a value
inline constexpr int64_t kMaxQuota = 1'000'000'000;
inline constexpr int64_t kMaxTokenAgeRule = 366 * 86400;  // seconds

// WorkloadRule requires that a claim has one of the values. Claims compare as in release policies,
// by their text.
struct WorkloadRule {
    // What a claim that is a list must be: it matches nothing, any of its members is allowed (names
    // of reference values), or each is and there is one (digests of what was loaded).
    enum class List { none, any, each };

    std::string claim;  // path, as in a release policy
    std::vector<std::string> values;
    List list = List::none;

    bool operator==(const WorkloadRule&) const = default;
};

struct ReleaseRules {
    bool single_use = false;  // a token releases this key once
    std::optional<int64_t> max_releases;
    std::optional<int64_t> not_after;      // seconds since 1970; from then on nothing is released
    std::optional<int64_t> max_token_age;  // seconds since the token's iat
    bool hardware_tier = false;            // the token itself says that its tier is hardware
    std::vector<WorkloadRule> workload;    // all must hold
    bool two_person = false;               // changes of policy and rules need a second person

    bool operator==(const ReleaseRules&) const = default;
    bool empty() const { return *this == ReleaseRules(); }

    // parse reads the JSON object of the format. Unknown members are refused: a misspelt rule must
    // not pass for one. Code::invalid with a sentence about the member.
    static Result<ReleaseRules> parse(const Json& json);
    Json to_json() const;  // only what is set; parse gives the same rules
    std::string text() const;
    // of_record reads KeyRecord::rules. Code::io if they are damaged: then nothing is released.
    static Result<ReleaseRules> of_record(const std::string& stored);
};

// laxer_than returns the name of the first member in which `next` allows what `now` does not, ""
// if there is none. A requirement of a workload may lose values and have others beside it, but
// keeps its claim and the way it takes lists.
std::string laxer_than(const ReleaseRules& now, const ReleaseRules& next);

// check_rules makes the checks that need no counting: VAULT-RULES-END, -TOKEN-AGE, -TIER,
// -WORKLOAD, each if the rules have it. `skew` is allowed for an issuer's clock that is ahead.
Result<void> check_rules(const ReleaseRules& rules, const VerifiedClaims& token, Time now,
                         Seconds skew, Checks& checks);

}  // namespace vouchsafe::vault
