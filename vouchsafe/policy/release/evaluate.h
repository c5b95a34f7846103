// Applying a release policy to a verified token. Pure: no I/O, no clock, no state.
//
// Only VerifiedClaims can be judged, and only evaluate() makes a Grant, so "a key leaves only by a
// policy that held on a verified token" is a matter of types.
//
// How conditions compare (azure-api A.8): by textual form, so the policy's "true" matches the
// claim's true; capitals count; less and greater compare numbers only, exactly. A claim that is
// missing (or null) fails every condition but exists:false. Arrays and objects match nothing but
// exists. Authorities match the token's issuer after normalize_url.
#pragma once

#include <string>

#include "vouchsafe/base/verified_claims.h"
#include "vouchsafe/policy/release/explanation.h"
#include "vouchsafe/policy/release/release_policy.h"

namespace vouchsafe::policy {

// Grant is the proof that a policy held. Whoever releases a key takes one, and takes the key to
// wrap to from the claims inside it.
class Grant {
  public:
    const std::string& authority() const { return authority_; }  // as the policy writes it
    const VerifiedClaims& claims() const { return claims_; }
    const Explanation& explanation() const { return explanation_; }

  private:
    friend Result<Grant> evaluate(const ReleasePolicy&, const VerifiedClaims&, Checks&);
    Grant(std::string authority, VerifiedClaims claims, Explanation explanation)
        : authority_(std::move(authority)),
          claims_(std::move(claims)),
          explanation_(std::move(explanation)) {}

    std::string authority_;
    VerifiedClaims claims_;
    Explanation explanation_;
};

// evaluate decides. It grants if the conditions of any authority that matches the token's issuer
// hold.
//
// Recorded in `checks`: POLICY-AUTHORITY, then the claims compared on the way that decided, as
// POLICY-CLAIM-MISMATCH or POLICY-CLAIM-MISSING (field = the claim's path). Where several
// authorities or anyOf members fail, that way is the one closest to passing: the one with the
// fewest failed conditions, the first of equals. A refusal ends with its first failed condition;
// explain() shows all of them. Fails with Code::forbidden.
Result<Grant> evaluate(const ReleasePolicy& policy, const VerifiedClaims& claims, Checks& checks);

// explain evaluates every condition of every authority, whatever the outcome.
Explanation explain(const ReleasePolicy& policy, const VerifiedClaims& claims);

// explain_claims explains claims that nobody has verified, taken at their word: for people at their
// desk. It makes no Grant.
Explanation explain_claims(const ReleasePolicy& policy, std::string_view issuer,
                           const Json& claims);

// select_authority returns the URL, normalised, whose keys must verify a token that says it is from
// `issuer` (still unverified). Fails with POLICY-AUTHORITY if the policy names no such authority:
// nobody else is ever contacted. Records nothing for a success; evaluate will.
Result<std::string> select_authority(const ReleasePolicy& policy, std::string_view issuer,
                                     Checks& checks);

}  // namespace vouchsafe::policy
