// EAT Attestation Results (draft-ietf-rats-ear): an appraisal in the form that relying parties of
// every kind of evidence read, beside the one in Azure's vocabulary. Pure.
#pragma once

#include "vouchsafe/attest/claims/trust_vector.h"

namespace vouchsafe::attest {

inline constexpr std::string_view kEarProfile = "tag:github.com,2023:veraison/ear";
// EAT's bounds of a nonce, in characters (RFC 9711, 4.1, JSON).
inline constexpr size_t kMinEatNonce = 8;
inline constexpr size_t kMaxEatNonce = 88;

// ear_claims wraps `claims`, those of a token of this service with its times and identifiers:
// `iss`, `iat`, `nbf`, `exp` and `jti` are the result's own, `nonce` becomes `eat_nonce`; one
// submodule, named by x-ms-attestation-type, has ear.status, ear.trustworthiness-vector,
// ear.appraisal-policy-id (the policy's hash), and under x-vouchsafe-claims all other claims.
Json ear_claims(Json claims, const TrustVector& trust);

}  // namespace vouchsafe::attest
