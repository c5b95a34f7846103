// VerifiedClaims: the claims of a token whose signature, issuer and times hold.
//
// Only the token verifier in jose can make one, so a policy cannot be applied to, and a key not be
// released on, an unverified token: that does not compile.
#pragma once

#include <memory>
#include <string>

#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe {

namespace jose {
struct VerifiedClaimsMaker;  // defined in jose/jwt.cpp alone
}

class VerifiedClaims {
  public:
    const std::string& issuer() const { return issuer_; }
    const Json& claims() const { return *claims_; }

  private:
    friend struct jose::VerifiedClaimsMaker;
    VerifiedClaims(std::string issuer, std::shared_ptr<const Json> claims)
        : issuer_(std::move(issuer)), claims_(std::move(claims)) {}

    std::string issuer_;
    std::shared_ptr<const Json> claims_;  // shared so that copies are cheap; immutable
};

}  // namespace vouchsafe
