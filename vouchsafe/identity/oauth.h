// The forms of OAuth 2.0 as Azure's token endpoint speaks them: form bodies, scopes and resources,
// and errors with AADSTS codes (azure-api D.4).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/net/message.h"

namespace vouchsafe::identity {

using Form = std::map<std::string, std::string>;

// parse_form reads application/x-www-form-urlencoded. Characters that should be escaped and are not
// are taken as they stand, because one client sends them so (guest-protocol 5.2). Code::invalid for
// a bad escape, a parameter given twice (RFC 6749, 3.2), more than 64 parameters.
Result<Form> parse_form(std::string_view body);

// OAuthError is an error of the token endpoint: `error` of RFC 6749 5.2, and Azure's number.
struct OAuthError {
    int status = 400;
    std::string error;    // "invalid_client"
    int aadsts = 0;       // 7000215
    std::string message;  // without the "AADSTS...: " in front
};

// oauth_error_response gives {"error","error_description","error_codes","timestamp","trace_id",
// "correlation_id","error_uri"}, with the request's id as trace id.
net::Response oauth_error_response(const OAuthError& error, const net::Request& request, Time now);

// resource_of_scope takes "https://vault.azure.net/.default" to "https://vault.azure.net". A scope
// with a doubled slash keeps one: azure-api D.4. Nullopt unless it is exactly one such scope.
std::optional<std::string> resource_of_scope(std::string_view scope);

// UserScopes is what a user's sign-in asks for: `scope` of RFC 6749, 3.3, as Azure reads it.
struct UserScopes {
    std::string text;      // as it was sent
    std::string resource;  // that the access token is for; Microsoft Graph if none is named
    bool openid = false;   // an identity token
    bool offline = false;  // a refresh token
};

// parse_user_scopes: nullopt for two resources, or for words that are neither a resource followed
// by
// "/.default" or "/user_impersonation" nor one of openid, profile, email, offline_access.
std::optional<UserScopes> parse_user_scopes(std::string_view text);

// match_resource returns the audience for a wanted resource: its form in `known`, with the trailing
// slash if it was asked for with one. Nullopt if it is not among them.
std::optional<std::string> match_resource(const std::vector<std::string>& known,
                                          std::string_view wanted);

}  // namespace vouchsafe::identity
