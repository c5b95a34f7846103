// Running single rules of an attestation policy; for evaluate.cpp and explain.cpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vouchsafe/policy/maa/evaluate.h"
#include "vouchsafe/policy/maa/function.h"

namespace vouchsafe::policy {

// BoundClaims is what the identifier of a condition stands for: one claim where it is used for
// each, all of them where a function takes a set. They are indices of the working set.
struct BoundClaims {
    std::optional<size_t> one;
    std::set<size_t> all;
};
using Bindings = std::map<std::string, BoundClaims, std::less<>>;

// RuleEngine holds the working set. Rules run one after the other, each once.
class RuleEngine {
  public:
    explicit RuleEngine(uint64_t steps = kMaxPolicySteps) : meter_(steps) {}

    // start fails if there are too many claims.
    Result<void> start(std::vector<Claim> incoming);

    const std::vector<Claim>& claims() const { return claims_; }

    // run runs a rule: decides whether it fires, and for add, issue and issueproperty extends the
    // working set. RuleTrace::made holds what was added, issued or set. Fails only if a bound is
    // exceeded.
    Result<RuleTrace> run(const PolicyRule& rule);

    // Bindings for which the conditions hold, those that differ in claims the action uses one by
    // one. Exactly one, perhaps empty, if the action uses none. Empty list: the rule does not fire.
    Result<std::vector<Bindings>> combinations(const PolicyRule& rule);

    // value_of evaluates an expression with what is bound.
    Result<PolicyValues> value_of(const PolicyExpression& expression, const Bindings& bound,
                                  bool as_set = false);

    // passes tells whether a claim passes a test whose expected value is this.
    static bool passes(const Claim& claim, const PropertyTest& test, const ClaimValue& expected);

    // matching returns the claims that satisfy a condition, only the first if `first` is set.
    // Negation is not looked at.
    Result<std::set<size_t>> matching(const ClaimCondition& condition, const Bindings& bound,
                                      bool first);

    Result<void> spend(uint64_t steps) { return meter_.spend(steps); }
    bool exceeded() const { return meter_.exceeded(); }

  private:
    struct Join;

    Result<void> join(Join& state, size_t next, Bindings& bound);
    Result<std::vector<Claim>> make_claims(const RuleAction& action, const Bindings& bound);
    Result<std::vector<Claim>> act(const PolicyRule& rule, const std::vector<Bindings>& all);

    std::vector<Claim> claims_;
    PolicyMeter meter_;
    PolicyFunctions functions_;
};

// value_of_property is a claim's property as it compares: value as it is, the others as text.
ClaimValue value_of_property(const Claim& claim, ClaimProperty property);

// check_property fails with Code::invalid if a known property has a wrong type or value;
// set_property stores one that was checked.
Result<void> check_property(const Claim& property);
void set_property(PolicyProperties& properties, const Claim& property);

}  // namespace vouchsafe::policy
