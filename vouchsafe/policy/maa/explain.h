// Explaining what an attestation policy decided: for dry runs, for the owner of the policy and the
// operator's log. It quotes claims of the evidence, so it is not for the network.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/policy/maa/evaluate.h"

namespace vouchsafe::policy {

inline constexpr uint64_t kMaxExplainSteps = 4 * kMaxPolicySteps;  // explain looks at more
inline constexpr size_t kMaxChangeTrials = 16;  // sets of changes tried by evaluating
inline constexpr size_t kMaxChangeSets = 32;    // sets of changes compared by size
inline constexpr size_t kMaxChangesOfOne = 8;   // changes for one condition
inline constexpr size_t kMaxDeniesLifted = 16;  // deny rules that fire, for a change to be sought

// TestFinding is one comparison of a condition with the claim that came closest to satisfying it.
struct TestFinding {
    std::string claim;      // the claim's type; "any claim" if the condition names none
    std::string property;   // "value"
    std::string operation;  // "=="
    std::string expected;   // as show_json writes it
    std::string found;      // the same; "nothing" if there is no such claim
    bool passed = false;
};

struct ConditionFinding {
    std::string text;  // the condition in canonical layout
    TextPosition at;
    bool negated = false;
    bool holds = false;
    std::vector<TestFinding> tests;
    std::string problem;  // why it could not be evaluated; "" if it could
};

struct RuleFinding {
    PolicySection section = PolicySection::authorization;
    size_t index = 0;
    TextPosition at;
    std::string action;  // "permit"
    bool ran = false;    // false behind the deny that ended the evaluation
    bool fired = false;  // its conditions hold; of rules that did not run, would hold
    bool decided = false;
    std::string problem;
    std::vector<ConditionFinding> conditions;
    std::vector<std::string> made;  // show_claim of each
};

// ClaimChange is one thing that had to be different.
struct ClaimChange {
    std::string claim;
    std::string property;
    std::string found;
    std::string wanted;
    bool made_by_policy = false;  // a rule of the policy makes this claim: what it is made of had
                                  // to be different
    TextPosition at;              // the condition
};

struct AttestationExplanation {
    AttestationOutcome::Verdict verdict = AttestationOutcome::Verdict::not_permitted;
    std::string reason;
    std::vector<RuleFinding> rules;  // of all blocks that matter, in order
    // For a refusal: the smallest set of changes after which one permit() fires and no deny().
    // Empty if none was found within the bounds above; change_note says so, or that evaluating with
    // the changes was not seen to permit.
    std::vector<ClaimChange> smallest_change;
    bool change_verified = false;  // the policy was evaluated with the changes, and permitted
    std::string change_note;

    bool permitted() const { return verdict == AttestationOutcome::Verdict::permitted; }
    // lines: the verdict, each rule with "ok" or "FAILED" before its conditions, the change.
    // Printable ASCII only, whatever claims and policy held.
    std::vector<std::string> lines() const;
    Json to_json() const;
};

// explain evaluates as evaluate does, and after a deny goes on to see what the other rules would
// have done. Fails as evaluate does.
Result<AttestationExplanation> explain(const AttestationPolicy& policy,
                                       const std::vector<Claim>& incoming);

}  // namespace vouchsafe::policy
