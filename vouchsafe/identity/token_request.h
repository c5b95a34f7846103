// The steps that the token endpoint's grants share: parameters of the form, and what ends them.
// Private to identity/.
#pragma once

#include "vouchsafe/identity/oauth.h"
#include "vouchsafe/identity/service_impl.h"

namespace vouchsafe::identity {

// Outcome of a step: what it gives, or the error to answer with.
template <typename T>
using Step = tl::expected<T, OAuthError>;

tl::unexpected<OAuthError> stop(int status, std::string error, int aadsts, std::string message);

// failed is AADSTS90033 for what is our fault; the log has `problem` under the request's id.
tl::unexpected<OAuthError> failed(const Error& problem, const net::Request& request);

// find_parameter returns nullptr for a missing or empty one; require_parameter AADSTS900144.
const std::string* find_parameter(const Form& form, const std::string& name);
Step<std::string> require_parameter(const Form& form, const std::string& name);

// known_audience matches a resource with the configuration's: AADSTS500011.
Step<std::string> known_audience(const Config& config, std::string_view resource);

// public_client takes the `client_id` of an application that users sign in with: AADSTS700016.
Step<std::string> public_client(const Config& config, const Form& form);

// wanted_scopes reads `text` as a user's sign-in asks for it: AADSTS70011, AADSTS500011.
Step<UserScopes> wanted_scopes(const Config& config, std::string_view text);

}  // namespace vouchsafe::identity
