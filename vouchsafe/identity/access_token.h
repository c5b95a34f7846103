// Version 1 access tokens, the kind Azure's resources get for applications (azure-api B.3).
#pragma once

#include "vouchsafe/identity/service.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::identity {

// Authentication is how the client proved itself: claim `appidacr`.
enum class Authentication { none = 0, client_secret = 1, certificate_or_managed_identity = 2 };

// TokenSpec is what a token says. It borrows the principal.
struct TokenSpec {
    const Principal& principal;       // an application, a managed identity, or a user
    std::vector<std::string> groups;  // object ids of those the principal is in
    Authentication how = Authentication::none;
    std::string audience;        // has been matched
    std::string client_id = {};  // the application that a user signed in with
};

// mint_access_token signs with header typ, alg, kid and x5t; kid and x5t are the same, as Azure's.
// The token lives from `now` for `lifetime`.
Result<IssuedToken> mint_access_token(const Config& config, const jose::SigningKey& key,
                                      const TokenSpec& spec, Time now, Seconds lifetime);

// mint_id_token tells an application who signed in (OpenID Connect Core, 2). `nonce` is the one of
// the sign-in, "" if it had none.
Result<std::string> mint_id_token(const Config& config, const jose::SigningKey& key,
                                  const Principal& user, std::string_view client_id,
                                  std::string_view nonce, Time now);

std::string issuer_of(const Config& config);  // "https://sts.windows.net/{tid}/"
std::string issuer_v2(const Config& config);  // "{authority}/{tid}/v2.0"

}  // namespace vouchsafe::identity
