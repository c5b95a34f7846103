// What a policy makes of verified claims. Pure.
#pragma once

#include "vouchsafe/attest/policy/policy_book.h"
#include "vouchsafe/policy/maa/evaluate.h"

namespace vouchsafe::attest {

// policy_claims are the claims a policy's rules see: those of the token, and for a machine whose
// claims lie under x-ms-isolation-tee these too, each under its own name, so that the same rule
// fits a machine attested with its vTPM and one attested without (x-ms-runtime of both stands
// twice). Their issuer is AttestationService, but for what the client said and no hardware stands
// behind (its operating system, a nonce, runtime data with a payload in it): CustomClaim.
// Code::invalid if there are too many.
Result<std::vector<policy::Claim>> policy_claims(const Json& claims);

// judge applies the policy. Fails with the check ATTEST-POLICY if it does not permit; `explanation`
// is then what explain() found, as JSON, shortened if it is long: for the audit log.
// Without `explanation` (nullptr) none is made: it takes longer than judging.
Result<policy::AttestationOutcome> judge(const ActivePolicy& policy, const Json& claims,
                                         Json* explanation, Checks& checks);

// add_policy_claims adds x-ms-policy-hash, x-ms-policy-signer if somebody signed it, and what the
// policy issued: all of it as x-ms-policy, and each claim at the top as well unless it could be
// taken for one of the service's: names that the service uses, registered ones (RFC 7519, 4.1) and
// those that begin with x-ms- or x-vouchsafe- (azure-api C.3; the last is our decision).
void add_policy_claims(Json& claims, const ActivePolicy& policy, const Json& issued);

}  // namespace vouchsafe::attest
