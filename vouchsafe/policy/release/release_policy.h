// Key Vault release policies (azure-api A.8): the grammar, parsed strictly.
//
//     Policy    := { "version":"1.0.0", "anyOf":[ Authority+ ] }
//     Authority := { "authority":URL, ("allOf"|"anyOf"):[ Condition+ ] }
//     Condition := { "claim":Path, Operator:Value } | { "allOf":[...] } | { "anyOf":[...] }
//
// Keywords are matched without regard to capitals, a missing version means 1.0.0. Everything that
// is not in the grammar is refused: a misspelt keyword must never weaken a policy. This header says
// what a policy is; evaluate.h applies one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::policy {

inline constexpr size_t kMaxPolicyBytes = 10 << 10;  // as written, and as re-serialised
inline constexpr size_t kMaxConditions = 64;         // claim conditions in the whole policy
inline constexpr size_t kMaxDepth = 8;               // lists within lists; an authority's own is 1

enum class Operator {
    equals,
    not_equals,
    less,
    less_or_equals,
    greater,
    greater_or_equals,
    exists
};
std::string_view operator_name(Operator op);  // "lessOrEquals", as in the grammar

// Condition compares one claim, or is a list of conditions of which all or any must hold.
struct Condition {
    enum class Kind { claim, all_of, any_of };
    Kind kind = Kind::claim;
    std::string path;  // where it stands: "anyOf[0].allOf[1]"; of a list: "anyOf[0].allOf"

    // Kind::claim only.
    std::string claim;  // the claim's path in the token: "x-ms-isolation-tee.x-ms-attestation-type"
    Operator op = Operator::equals;
    std::string value;        // as JSON: "\"sevsnpvm\"", "true", "8"
    std::string value_text;   // what it is compared as: "sevsnpvm", "true", "8"; see compare.h
    std::string value_shown;  // for people: show_json

    std::vector<Condition> members;  // the other kinds only; never empty
};

struct Authority {
    std::string url;       // as written
    Condition conditions;  // Kind::all_of or Kind::any_of
};

// ReleasePolicy is a parsed policy. Cheap to copy (shared, immutable), thread-safe.
class ReleasePolicy {
  public:
    // parse reads the policy's JSON text: what stands base64url-encoded in release_policy.data.
    // Code::invalid with where the error is and how to write it instead.
    static Result<ReleasePolicy> parse(std::string_view json);

    // canonical is the policy as the real service gives it back: version first, authority before
    // its list, no white space, keywords in their published spelling, values kept. Parsing it gives
    // the same policy.
    const std::string& canonical() const { return parts_->canonical; }

    const std::vector<Authority>& authorities() const { return parts_->authorities; }

  private:
    struct Parts {
        std::vector<Authority> authorities;
        std::string canonical;
    };
    explicit ReleasePolicy(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
    std::shared_ptr<const Parts> parts_;
};

}  // namespace vouchsafe::policy
