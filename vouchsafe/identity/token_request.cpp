#include "vouchsafe/identity/token_request.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::identity {

tl::unexpected<OAuthError> stop(int status, std::string error, int aadsts, std::string message) {
    return tl::unexpected(OAuthError{status, std::move(error), aadsts, std::move(message)});
}

tl::unexpected<OAuthError> failed(const Error& problem, const net::Request& request) {
    log_event(LogLevel::error, "a sign-in failed by our fault",
              {{"request_id", request.params.at("request_id")}, {"error", problem.message}});
    return stop(500, "server_error", 90033, "The service failed. Try again later.");
}

const std::string* find_parameter(const Form& form, const std::string& name) {
    auto found = form.find(name);
    return found == form.end() || found->second.empty() ? nullptr : &found->second;
}

Step<std::string> require_parameter(const Form& form, const std::string& name) {
    const std::string* value = find_parameter(form, name);
    if (value != nullptr) return *value;
    return stop(400, "invalid_request", 900144,
                fmt::format("The request body must contain the following parameter: '{}'.", name));
}

Step<std::string> known_audience(const Config& config, std::string_view resource) {
    std::optional<std::string> audience = match_resource(config.resources, resource);
    if (audience) return *audience;
    return stop(400, "invalid_resource", 500011,
                "The resource is not known to this tenant. Its operator can add it to the "
                "configuration.");
}

Step<std::string> public_client(const Config& config, const Form& form) {
    Step<std::string> client = require_parameter(form, "client_id");
    if (!client) return client;
    const bool known =
        std::any_of(config.public_clients.begin(), config.public_clients.end(),
                    [&](const std::string& one) { return equal_ignore_case(one, *client); });
    if (known) return to_lower(*client);
    return stop(400, "unauthorized_client", 700016,
                "Users do not sign in with the application of this client_id in the tenant.");
}

Step<UserScopes> wanted_scopes(const Config& config, std::string_view text) {
    std::optional<UserScopes> scopes = parse_user_scopes(text);
    if (!scopes) {
        return stop(400, "invalid_scope", 70011,
                    "The scope must be one resource followed by '/.default' or "
                    "'/user_impersonation', and 'openid', 'profile', 'email', 'offline_access'.");
    }
    Step<std::string> audience = known_audience(config, scopes->resource);
    if (!audience) return tl::unexpected(audience.error());
    scopes->resource = std::move(*audience);
    return std::move(*scopes);
}

}  // namespace vouchsafe::identity
