// EAT Attestation Results (draft-ietf-rats-ear): an appraisal in the form that relying parties of
// every kind of evidence read, beside the one in Azure's vocabulary. Pure.
#pragma once

#include "vouchsafe/attest/claims/trust_vector.h"

namespace vouchsafe::attest {

inline constexpr std::string_view kEarProfile = "tag:github.com,2023:veraison/ear";
// ear_claims wraps `claims`, those of a token of this service with its times and identifiers:
// `iss`, `iat`, `nbf`, `exp` and `jti` are the result's own; `eat_nonce` is the challenge that the
// evidence answers, if it does (86 characters; RFC 9711, 4.1, wants 8 to 88). One submodule, named
// by x-ms-attestation-type, has ear.status, ear.trustworthiness-vector, ear.appraisal-policy-id
// (the policy's hash), and under x-vouchsafe-claims all other claims.
Json ear_claims(Json claims, const TrustVector& trust);

}  // namespace vouchsafe::attest
