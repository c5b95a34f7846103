// The smallest change after which a policy would pass; for explain.cpp.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "vouchsafe/policy/maa/engine.h"
#include "vouchsafe/policy/maa/explain.h"

namespace vouchsafe::policy {

// EditedClaim is a change as it is tried: one claim taken away, another put in its place.
struct EditedClaim {
    std::optional<Claim> remove;
    std::optional<Claim> insert;
    ClaimChange shown;
};
using ChangeSet = std::vector<EditedClaim>;

// ConditionView is a condition with the claims of one moment, and what is bound before it.
struct ConditionView {
    const ClaimCondition* condition = nullptr;
    std::vector<std::optional<ClaimValue>> expected;  // of each test; empty where it fails
    std::vector<size_t> matches;                      // claims that satisfy it
    std::optional<size_t> closest;                    // the claim that comes closest
    bool holds = false;
};

// printable_ascii keeps printable ASCII and writes other bytes as \xNN.
std::string printable_ascii(std::string_view text);

// changes_to_hold: what makes a condition hold that does not. Nothing if no change can.
std::optional<ChangeSet> changes_to_hold(const ConditionView& view,
                                         const std::vector<Claim>& claims);
// changes_to_fail: what makes a condition fail that holds.
std::optional<ChangeSet> changes_to_fail(const ConditionView& view,
                                         const std::vector<Claim>& claims);

// RuleChoices is a list of ways to get what is wanted of one rule.
using RuleChoices = std::vector<ChangeSet>;

// find_smallest_change picks one way to make a permit fire and one for each deny to lift it, so
// that together they are as few as possible, and tries them on the incoming claims. `permits` is
// empty if some permit fires already.
void find_smallest_change(const AttestationPolicy& policy, const std::vector<Claim>& incoming,
                          const RuleChoices& permits, const std::vector<RuleChoices>& denies,
                          AttestationExplanation& out);

}  // namespace vouchsafe::policy
