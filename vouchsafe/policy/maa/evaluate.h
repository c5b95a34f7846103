// Applying an attestation policy to claims (azure-api C.6). Pure: no I/O, no clock, no state.
//
// Rules run in order: authorizationrules, then, if they permit, issuancerules. A condition holds if
// at least one claim passes all its tests; with `!`, if none does. The first deny() that fires
// refuses at once; without any permit() the policy refuses too.
//
// A rule's action runs once for each combination of claims that the identifiers it uses are bound
// to. A claim named directly as an argument that takes a set (takes_set in syntax.h) means all
// claims bound to the identifier and makes no combinations. A rule sees the claims as they were
// when it began.
//
// Errors when a rule runs (a function's argument of the wrong type, text that is no JSON, a
// read-only claim issued): in authorizationrules the policy refuses; in issuancerules the rule
// does nothing, and the trace says so. A bound that is exceeded is an error of evaluate itself, in
// every block: what an attacker can make large must not decide which rules run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/maa/parser.h"

namespace vouchsafe::policy {

inline constexpr size_t kMaxClaims = 4096;              // in the working set
inline constexpr size_t kMaxCombinations = 4096;        // of bound claims, for one rule
inline constexpr size_t kMaxClaimValueBytes = 4 << 20;  // of one value that a rule makes
inline constexpr size_t kMaxMadeBytes = 16 << 20;       // of all values that rules make
inline constexpr uint64_t kMaxPolicySteps = 1 << 22;    // tests, query steps, text, JSON read
inline constexpr int64_t kMaxReportValidity = 525600;   // minutes: a year
inline constexpr int64_t kMaxPcrMask = 0xFFFFFF;        // 24 registers

// PolicyProperties is what issueproperty() set. Known names have their type checked: a rule that
// sets another type or a number out of range fails as above. The last rule that sets one wins.
struct PolicyProperties {
    std::optional<bool> require_valid_aik_cert;         // TPM; Azure's default: true
    std::optional<int64_t> required_pcr_mask;           // TPM, 0..kMaxPcrMask; default: all 24
    std::optional<std::string> sgx_tcb_identifier;      // x-ms-sgx-tcbidentifier; "azuredefault"
    std::optional<int64_t> report_validity_in_minutes;  // 1..kMaxReportValidity; default: 1440
    std::optional<bool> omit_x5c;                       // default: false
    Json all = Json::object();                          // these and unknown ones, by name
};

// RuleTrace is what became of one rule.
struct RuleTrace {
    PolicySection section = PolicySection::authorization;
    size_t index = 0;  // of the rule in its block
    TextPosition at;
    size_t claims_before = 0;  // so many of PolicyTrace::claims were there when it began
    size_t combinations = 0;   // for which its conditions held
    bool fired = false;        // its conditions held
    std::string problem;       // why it failed to run; "" if it did not
    std::vector<Claim> made;   // claims that it added or issued, properties that it set
};

// PolicyTrace is filled by evaluate for explain.h and for logs.
struct PolicyTrace {
    std::vector<RuleTrace> rules;  // those that ran, in order
    std::vector<Claim> claims;     // the working set at the end, in the order it grew
};

struct AttestationOutcome {
    enum class Verdict {
        permitted,
        denied,         // a deny() fired
        not_permitted,  // no permit() fired
        failed,         // a rule in authorizationrules or configurationrules failed to run
    };
    Verdict verdict = Verdict::not_permitted;
    // The rule that decided: the first permit that fired, the deny, or the rule that failed.
    std::optional<PolicySection> decided_in;
    std::optional<size_t> decided_by;  // index in its block
    TextPosition decided_at;
    std::string reason;  // one sentence, printable ASCII, for the error PolicyEvaluationError

    // Empty unless permitted:
    Json issued = Json::object();  // see claims_to_json
    PolicyProperties properties;   // of issuancerules

    PolicyProperties configuration;  // of configurationrules

    bool permitted() const { return verdict == Verdict::permitted; }
};

// evaluate decides. Fails with Code::invalid only if a bound above is exceeded.
Result<AttestationOutcome> evaluate(const AttestationPolicy& policy, std::vector<Claim> incoming,
                                    PolicyTrace* trace = nullptr);

// configure runs configurationrules alone, for a caller that needs them before there is evidence to
// appraise. Their conditions see `incoming` (usually none yet). Fails with Code::invalid if a rule
// does.
Result<PolicyProperties> configure(const AttestationPolicy& policy,
                                   const std::vector<Claim>& incoming = {});

}  // namespace vouchsafe::policy
