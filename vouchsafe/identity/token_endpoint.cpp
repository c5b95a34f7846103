// The token endpoint: client credentials in, access token out (azure-api D.4); what users bring is
// user_grants.h's.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/user_grants.h"

namespace vouchsafe::identity {

namespace {

// audience_of reads what the token is for: `scope` in version 2, `resource` in version 1.
Step<std::string> audience_of(const Form& form, Service::Impl::Protocol protocol,
                              const Config& config) {
    bool v2 = protocol == Service::Impl::Protocol::v2;
    Step<std::string> wanted = require_parameter(form, v2 ? "scope" : "resource");
    if (!wanted) return wanted;
    if (v2) {
        std::optional<std::string> resource = resource_of_scope(*wanted);
        if (!resource) {
            return stop(400, "invalid_scope", 70011,
                        "The scope must be one resource followed by '/.default'.");
        }
        wanted = std::move(*resource);
    }
    return known_audience(config, *wanted);
}

// authenticate finds the application and compares its secret.
Step<Principal> authenticate(const Form& form, const Directory& directory, Time now,
                             const net::Request& request) {
    Step<std::string> client_id = require_parameter(form, "client_id");
    if (!client_id) return tl::unexpected(client_id.error());
    if (find_parameter(form, "client_assertion") != nullptr) {
        return stop(401, "invalid_client", 700027,
                    "Client assertions are not built in this service: use client_secret.");
    }
    const std::string* secret = find_parameter(form, "client_secret");
    if (secret == nullptr) {
        return stop(401, "invalid_client", 7000218,
                    "The request body must contain the following parameter: 'client_secret'.");
    }
    Result<std::optional<Account>> account = directory.find(*client_id);
    if (!account) return failed(account.error(), request);
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
Json answer(const IssuedToken& issued, Service::Impl::Protocol protocol) {
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
    return body;
}

Step<Json> application_grant(const Service::Impl& impl, const net::Request& request,
                             const Form& form, Service::Impl::Protocol protocol, Time now) {
    Step<Principal> principal = authenticate(form, impl.directory, now, request);
    if (!principal) return tl::unexpected(principal.error());
    Step<std::string> audience = audience_of(form, protocol, impl.config);
    if (!audience) return tl::unexpected(audience.error());
    auto groups = impl.directory.groups_of(principal->object_id);
    if (!groups) return failed(groups.error(), request);
    const TokenSpec spec{.principal = *principal,
                         .groups = std::move(*groups),
                         .how = Authentication::client_secret,
                         .audience = std::move(*audience)};
    auto issued =
        mint_access_token(impl.config, impl.key, spec, now, impl.config.app_token_lifetime);
    if (!issued) return failed(issued.error(), request);
    return answer(*issued, protocol);
}

Step<Json> grant_token(Service::Impl& impl, const net::Request& request,
                       Service::Impl::Protocol protocol, Time now) {
    const std::string& tenant = request.params.at("tenant");
    if (!impl.knows_tenant(tenant)) return tl::unexpected(unknown_tenant(tenant));
    if (request.body.size() > impl.config.max_body) {
        return stop(400, "invalid_request", 90015, "The request is too long.");
    }
    Result<Form> form = parse_form(request.body);
    if (!form) return stop(400, "invalid_request", 900561, form.error().message + ".");
    Step<std::string> grant = require_parameter(*form, "grant_type");
    if (!grant) return tl::unexpected(grant.error());
    if (*grant == "client_credentials") {
        return application_grant(impl, request, *form, protocol, now);
    }
    if (protocol == Service::Impl::Protocol::v2 && is_user_grant(*grant)) {
        return user_grant(impl, request, *form, now);
    }
    return stop(400, "unsupported_grant_type", 70003,
                "The grant type is not built in this service.");
}

}  // namespace

net::Response Service::Impl::token(const net::Request& request, Protocol protocol) {
    const Time now = deps.clock.now();
    Step<Json> granted = grant_token(*this, request, protocol, now);
    if (!granted) return oauth_error_response(granted.error(), request, now);
    net::Response response = net::json_response(200, *granted);
    response.headers.set("Cache-Control", "no-store");
    response.headers.set("Pragma", "no-cache");
    return response;
}

}  // namespace vouchsafe::identity
