// Version 1 access tokens, the kind Azure's resources get for applications (azure-api B.3).
#pragma once

#include "vouchsafe/identity/service.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::identity {

// Authentication is how the client proved itself: claim `appidacr`.
enum class Authentication { client_secret = 1, certificate_or_managed_identity = 2 };

// mint_access_token signs with header typ, alg, kid and x5t; kid and x5t are the same, as Azure's.
// `audience` has been matched. The token lives from `now` for `lifetime`.
Result<IssuedToken> mint_access_token(const Config& config, const jose::SigningKey& key,
                                      const Principal& principal, Authentication how,
                                      std::string_view audience, Time now, Seconds lifetime);

std::string issuer_of(const Config& config);  // "https://sts.windows.net/{tid}/"

}  // namespace vouchsafe::identity
