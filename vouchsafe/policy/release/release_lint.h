// Warnings about release policies that parse but hardly mean what their author thinks, above all
// those that release to more machines than meant. Nothing here changes what a policy does.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vouchsafe/policy/maa/lint.h"
#include "vouchsafe/policy/release/release_policy.h"

namespace vouchsafe::policy {

// release_lint_rules returns all kinds of warnings, in a fixed order.
std::span<const LintRule> release_lint_rules();

struct ReleaseWarning {
    std::string code;     // "RELEASE-LINT-DEBUG-UNCHECKED"
    std::string path;     // where: "anyOf[0].allOf[1]"
    std::string message;  // one sentence about this place, printable ASCII
    std::string remedy;

    std::string line() const;  // "anyOf[0]: RELEASE-LINT-...: message; remedy"
};

// lint_release returns warnings in the order of the policy: first those about an authority as a
// whole, then those about its conditions.
std::vector<ReleaseWarning> lint_release(const ReleasePolicy& policy);

}  // namespace vouchsafe::policy
