// The functions of policy version 1.2 (azure-api C.6) and what evaluation may spend; for the files
// of this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/jmespath/jmespath.h"
#include "vouchsafe/policy/maa/syntax.h"

namespace vouchsafe::policy {

// PolicyMeter counts what an evaluation spends. Once a bound is exceeded, exceeded() stays true:
// that is how a bound is told from an error of a rule.
class PolicyMeter {
  public:
    explicit PolicyMeter(uint64_t steps) : steps_{steps}, limit_(steps) {}
    Result<void> spend(uint64_t steps);
    // make pays for a value of this many bytes that a rule makes.
    Result<void> make(size_t bytes);
    // within fails if `count` is more than `limit` of `what`.
    Result<void> within(size_t count, size_t limit, std::string_view what);
    bool exceeded() const { return exceeded_ || steps_.left == 0; }
    jmespath::StepBudget& steps() { return steps_; }

  private:
    tl::unexpected<Error> exceed(std::string_view what, size_t limit);

    jmespath::StepBudget steps_;
    uint64_t limit_;
    size_t made_ = 0;
    bool exceeded_ = false;
};

// PolicyValues is what an expression gives: a set of values, most often one. It is read-only if it
// was computed from a read-only claim.
struct PolicyValues {
    std::vector<ClaimValue> list;
    bool read_only = false;
};

// single_value returns the value if there is exactly one; Code::invalid otherwise.
Result<const ClaimValue*> single_value(const PolicyValues& values, std::string_view what);

// PolicyFunctions calls functions. It keeps the JSON document it parsed last, since policies ask
// the same event log many questions.
class PolicyFunctions {
  public:
    // call fails with Code::invalid if an argument is not what the function takes.
    Result<PolicyValues> call(PolicyFunction function, const std::vector<PolicyValues>& arguments,
                              PolicyMeter& meter);

  private:
    Result<const Json*> document(const std::string& text, PolicyMeter& meter);

    std::string text_;
    std::optional<Json> parsed_;
};

}  // namespace vouchsafe::policy
