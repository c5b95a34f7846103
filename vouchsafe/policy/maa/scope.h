// Which identifiers a rule may use; for parser.cpp.
#pragma once

#include <set>
#include <string>

#include "vouchsafe/policy/maa/lexer.h"

namespace vouchsafe::policy {

// RuleScope is the identifiers that the conditions of a rule have bound so far.
class RuleScope {
  public:
    Result<void> bind(const ClaimCondition& condition, TextPosition at) {
        const std::string& name = condition.identifier;
        if (name.empty()) return {};
        if (bound_.contains(name) || negated_.contains(name)) {
            return policy_error(
                at, fmt::format("'{}' names a second condition of this rule", name.substr(0, 40)));
        }
        (condition.negated ? negated_ : bound_).insert(name);
        return {};
    }

    // used checks an identifier where it is used.
    Result<void> used(const PolicySymbol& name) const {
        if (bound_.contains(name.spelling)) return {};
        std::string_view problem = "names no condition before this place in the rule";
        if (negated_.contains(name.spelling)) {
            problem = "names a condition with '!', which no claim fits: it stands for nothing";
        }
        return policy_error(name.at, fmt::format("'{}' {}", name.spelling.substr(0, 40), problem));
    }

  private:
    std::set<std::string, std::less<>> bound_;
    std::set<std::string, std::less<>> negated_;
};

}  // namespace vouchsafe::policy
