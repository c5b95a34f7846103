// The grants by which users get tokens: password (RFC 6749, 4.3), a code from the browser (4.1 with
// RFC 7636), a device's code (RFC 8628), and renewal (RFC 6749, 6). Private to identity/.
#pragma once

#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/token_request.h"

namespace vouchsafe::identity {

bool is_user_grant(std::string_view grant_type);

// user_grant gives the answer's body: access token, and as the scopes ask for them an identity
// token and a refresh token, with what MSAL wants beside them (real-clients 3.1).
Step<Json> user_grant(Service::Impl& impl, const net::Request& request, const Form& form, Time now);

// password_user takes `username` and `password`: AADSTS50126, AADSTS50053 after too many tries.
Step<Account> password_user(Service::Impl& impl, const net::Request& request, const Form& form,
                            Time now);

// client_info is what MSAL tells accounts apart by: base64url of {"uid", "utid"}.
std::string client_info(const Config& config, const Principal& user);

}  // namespace vouchsafe::identity
