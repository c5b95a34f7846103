// Warnings about attestation policies that parse but hardly mean what their author thinks. Nothing
// here changes what a policy does.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/policy/maa/known_claims.h"
#include "vouchsafe/policy/maa/parser.h"

namespace vouchsafe::policy {

// LintRule is one kind of warning. Codes are never reused for another meaning.
struct LintRule {
    std::string_view code;    // "MAA-LINT-PERMIT-ALWAYS"
    std::string_view what;    // one sentence
    std::string_view remedy;  // one sentence
};
// lint_rules returns all kinds, in a fixed order.
std::span<const LintRule> lint_rules();

struct PolicyWarning {
    std::string code;
    TextPosition at;
    std::string message;  // one sentence about this place, printable ASCII
    std::string remedy;

    // line is "line 3, column 5: MAA-LINT-...: message; remedy".
    std::string line() const;
};

// lint returns warnings ordered by place. `target` is the kind of evidence the policy is for.
std::vector<PolicyWarning> lint(const AttestationPolicy& policy, AttestationTarget target);

}  // namespace vouchsafe::policy
