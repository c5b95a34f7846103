// Parsing attestation policies: versions 1.0, 1.1 and 1.2 of Azure's language, strictly. The
// language is described in docs/formats/attestation-policy.md.
//
//     version= 1.2;
//     configurationrules { ... };      from version 1.1, may be left out
//     authorizationrules { ... };
//     issuancerules { ... };           may be left out
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/policy/maa/syntax.h"

namespace vouchsafe::policy {

inline constexpr size_t kMaxAttestationPolicyBytes = 120 << 10;  // as written
inline constexpr size_t kMaxPolicyRules = 1024;                  // in all blocks together
inline constexpr size_t kMaxRuleConditions = 32;                 // of one rule
inline constexpr size_t kMaxPropertyTests = 32;                  // of one condition
inline constexpr size_t kMaxCallDepth = 16;                      // functions within functions

// AttestationPolicy is a parsed policy. Cheap to copy (shared, immutable), thread-safe. Equal if
// the syntax trees are.
class AttestationPolicy {
  public:
    // parse fails with Code::invalid and one sentence: "attestation policy, line 4, column 12:
    // found '=', expected '=='; ...". Lines and columns count from 1, columns in characters.
    //
    // Refused beside what the grammar excludes: text that is not UTF-8; what the version does not
    // have yet; actions in the wrong block; identifiers that are used before a condition (one
    // without `!`) binds them or bound twice in one rule; comparing type, valueType or issuer with
    // anything but == and != and text; ordering by literals that are no integers; an action without
    // type or value; an issuer other than "AttestationPolicy" for a claim that the policy makes;
    // permit() and deny() with arguments; functions with a wrong number of arguments.
    static Result<AttestationPolicy> parse(std::string_view text);

    PolicyVersion version() const { return parts_->version; }
    const std::vector<RuleBlock>& blocks() const { return parts_->blocks; }
    // block returns the rules of a section, or nullptr if the policy has no such block.
    const RuleBlock* block(PolicySection section) const;

    // to_text is the policy in a canonical layout, without comments; integers are decimal. Parsing
    // it gives an equal policy, if it did not become longer than kMaxAttestationPolicyBytes.
    std::string to_text() const;

    bool operator==(const AttestationPolicy& other) const {
        return version() == other.version() && blocks() == other.blocks();
    }

  private:
    struct Parts {
        PolicyVersion version = PolicyVersion::v1_0;
        std::vector<RuleBlock> blocks;
    };
    explicit AttestationPolicy(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
    std::shared_ptr<const Parts> parts_;
};

}  // namespace vouchsafe::policy
