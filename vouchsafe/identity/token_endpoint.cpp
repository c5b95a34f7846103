// The token endpoint: client credentials in, access token out (azure-api D.4).
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/service_impl.h"

namespace vouchsafe::identity {

namespace {

// Outcome of a step: what it gives, or the error to answer with.
template <typename T>
using Step = tl::expected<T, OAuthError>;

tl::unexpected<OAuthError> stop(int status, std::string error, int aadsts, std::string message) {
    return tl::unexpected(OAuthError{status, std::move(error), aadsts, std::move(message)});
}

const std::string* find(const Form& form, const std::string& name) {
    auto found = form.find(name);
    return found == form.end() || found->second.empty() ? nullptr : &found->second;
}

Step<std::string> require(const Form& form, const std::string& name) {
    const std::string* value = find(form, name);
    if (value != nullptr) return *value;
    return stop(400, "invalid_request", 900144,
                fmt::format("The request body must contain the following parameter: '{}'.", name));
}

// audience_of reads what the token is for: `scope` in version 2, `resource` in version 1.
Step<std::string> audience_of(const Form& form, Service::Impl::Protocol protocol,
                              const Config& config) {
    bool v2 = protocol == Service::Impl::Protocol::v2;
    Step<std::string> wanted = require(form, v2 ? "scope" : "resource");
    if (!wanted) return wanted;
    if (v2) {
        std::optional<std::string> resource = resource_of_scope(*wanted);
        if (!resource) {
            return stop(400, "invalid_scope", 70011,
                        "The scope must be one resource followed by '/.default'.");
        }
        wanted = std::move(*resource);
    }
    std::optional<std::string> audience = match_resource(config.resources, *wanted);
    if (audience) return *audience;
    return stop(400, "invalid_resource", 500011,
                "The resource is not known to this tenant. Its operator can add it to the "
                "configuration.");
}

// authenticate finds the application and compares its secret.
Step<Principal> authenticate(const Form& form, const Directory& directory, Time now,
                             const net::Request& request) {
    Step<std::string> client_id = require(form, "client_id");
    if (!client_id) return tl::unexpected(client_id.error());
    if (find(form, "client_assertion") != nullptr) {
        return stop(401, "invalid_client", 700027,
                    "Client assertions are not built in this service: use client_secret.");
    }
    const std::string* secret = find(form, "client_secret");
    if (secret == nullptr) {
        return stop(401, "invalid_client", 7000218,
                    "The request body must contain the following parameter: 'client_secret'.");
    }
    Result<std::optional<Account>> account = directory.find(*client_id);
    if (!account) {
        log_event(
            LogLevel::error, "the directory cannot be read",
            {{"request_id", request.params.at("request_id")}, {"error", account.error().message}});
        return stop(500, "server_error", 90033, "The service failed. Try again later.");
    }
    bool known = account->has_value() && (*account)->principal.kind == PrincipalKind::app &&
                 equal_ignore_case((*account)->principal.client_id, *client_id);
    if (!known) {
        return stop(400, "unauthorized_client", 700016,
                    "There is no application with this client_id in the tenant.");
    }
    for (const HashedSecret& stored : (*account)->secrets) {
        if (!matches(stored, as_bytes(*secret))) continue;
        if (now < stored.expires) return (*account)->principal;
        return stop(401, "invalid_client", 7000222, "The client secret has expired.");
    }
    return stop(401, "invalid_client", 7000215, "Invalid client secret provided.");
}

// The answer: numbers in version 2, text in version 1 (azure-api D.4).
net::Response answer(const IssuedToken& issued, Service::Impl::Protocol protocol) {
    int64_t lifetime = (issued.expires - issued.not_before).count();
    Json body = {{"token_type", "Bearer"}, {"access_token", issued.token.expose_text()}};
    if (protocol == Service::Impl::Protocol::v2) {
        body["expires_in"] = lifetime;
        body["ext_expires_in"] = lifetime;
    } else {
        body["expires_in"] = std::to_string(lifetime);
        body["ext_expires_in"] = std::to_string(lifetime);
        body["expires_on"] = std::to_string(to_unix(issued.expires));
        body["not_before"] = std::to_string(to_unix(issued.not_before));
        body["resource"] = issued.resource;
    }
    net::Response response = net::json_response(200, body);
    response.headers.set("Cache-Control", "no-store");
    response.headers.set("Pragma", "no-cache");
    return response;
}

Step<IssuedToken> issue(const Service::Impl& impl, const net::Request& request,
                        Service::Impl::Protocol protocol, Time now) {
    const std::string& tenant = request.params.at("tenant");
    if (!impl.knows_tenant(tenant)) return tl::unexpected(unknown_tenant(tenant));
    if (request.body.size() > impl.config.max_body) {
        return stop(400, "invalid_request", 90015, "The request is too long.");
    }
    Result<Form> form = parse_form(request.body);
    if (!form) return stop(400, "invalid_request", 900561, form.error().message + ".");
    Step<std::string> grant = require(*form, "grant_type");
    if (!grant) return tl::unexpected(grant.error());
    if (*grant != "client_credentials") {
        return stop(400, "unsupported_grant_type", 70003,
                    "Only the grant type 'client_credentials' is built in this service.");
    }
    Step<Principal> principal = authenticate(*form, impl.directory, now, request);
    if (!principal) return tl::unexpected(principal.error());
    Step<std::string> audience = audience_of(*form, protocol, impl.config);
    if (!audience) return tl::unexpected(audience.error());
    Result<IssuedToken> issued =
        mint_access_token(impl.config, impl.key, *principal, Authentication::client_secret,
                          *audience, now, impl.config.app_token_lifetime);
    if (!issued) return stop(500, "server_error", 90033, "The service failed.");
    return std::move(*issued);
}

}  // namespace

net::Response Service::Impl::token(const net::Request& request, Protocol protocol) const {
    Time now = deps.clock.now();
    Step<IssuedToken> issued = issue(*this, request, protocol, now);
    if (issued) return answer(*issued, protocol);
    return oauth_error_response(issued.error(), request, now);
}

}  // namespace vouchsafe::identity
