// The documents by which clients find their way: OpenID configuration, instance discovery, keys
// (azure-api D.4).
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/service_impl.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::identity {

OAuthError unknown_tenant(std::string_view tenant) {
    constexpr size_t kMaxShown = 64;
    return {400, "invalid_request", 90002,
            fmt::format("Tenant '{}' not found. Check that the tenant in the URL is right.",
                        tenant.substr(0, kMaxShown))};
}

std::string Service::Impl::page_base() const {
    std::lock_guard lock(page_mutex);
    return served_at.empty() ? config.authority : served_at;
}

void Service::Impl::set_page_base(std::string base) {
    std::lock_guard lock(page_mutex);
    served_at = std::move(base);
}

bool Service::Impl::knows_tenant(std::string_view tenant) const {
    return equal_ignore_case(tenant, config.tenant_id) ||
           std::any_of(config.tenant_aliases.begin(), config.tenant_aliases.end(),
                       [&](const std::string& alias) { return equal_ignore_case(tenant, alias); });
}

namespace {

Json grant_types(Service::Impl::Protocol protocol) {
    if (protocol == Service::Impl::Protocol::v1) return Json::array({"client_credentials"});
    return Json::array({"client_credentials", "password", "authorization_code", "refresh_token",
                        "urn:ietf:params:oauth:grant-type:device_code"});
}

}  // namespace

net::Response Service::Impl::openid_configuration(const net::Request& request,
                                                  Protocol protocol) const {
    const std::string& tenant = request.params.at("tenant");
    if (!knows_tenant(tenant)) {
        return oauth_error_response(unknown_tenant(tenant), request, deps.clock.now());
    }
    bool v2 = protocol == Protocol::v2;
    std::string base = config.authority + "/" + tenant;
    const std::string flows = v2 ? "/oauth2/v2.0" : "/oauth2";
    const std::string oauth = base + flows;
    const std::string pages = fmt::format("{}/{}", page_base(), tenant);
    Json document = {
        {"issuer", v2 ? issuer_v2(config) : issuer_of(config)},
        {"token_endpoint", oauth + "/token"},
        {"authorization_endpoint", pages + "/oauth2/v2.0/authorize"},
        {"device_authorization_endpoint", base + "/oauth2/v2.0/devicecode"},
        {"jwks_uri", base + (v2 ? "/discovery/v2.0/keys" : "/discovery/keys")},
        {"token_endpoint_auth_methods_supported", Json::array({"client_secret_post"})},
        {"grant_types_supported", grant_types(protocol)},
        {"response_types_supported", Json::array({"code"})},
        {"code_challenge_methods_supported", Json::array({"S256"})},
        {"subject_types_supported", Json::array({"pairwise"})},
        {"id_token_signing_alg_values_supported", Json::array({"RS256"})},
        {"claims_supported",
         {"aud", "iss", "iat", "nbf", "exp", "appid", "appidacr", "groups", "idp", "name", "oid",
          "sub", "tid", "upn", "uti", "ver", "xms_mirid"}},
        {"cloud_instance_name", config.authority.substr(config.authority.find("//") + 2)},
        {"tenant_region_scope", nullptr}};
    return net::json_response(200, document);
}

net::Response Service::Impl::instance_discovery(const net::Request& request) const {
    const std::string* endpoint = request.query_value("authorization_endpoint");
    auto asked = endpoint == nullptr ? Result<net::Url>(fail(Code::invalid, "absent"))
                                     : net::Url::parse(*endpoint);
    auto ours = net::Url::parse(config.authority);
    if (!asked || !ours || asked->origin() != ours->origin()) {
        return oauth_error_response(
            {400, "invalid_instance", 50049, "Unknown or invalid instance."}, request,
            deps.clock.now());
    }
    // "/{tenant}/oauth2/v2.0/authorize": the answer points to that tenant's document.
    std::string_view path = std::string_view(asked->target).substr(1);
    std::string tenant(path.substr(0, path.find_first_of("/?")));
    if (!knows_tenant(tenant)) tenant = "common";
    std::string host = config.authority.substr(config.authority.find("//") + 2);
    return net::json_response(
        200,
        {{"tenant_discovery_endpoint",
          fmt::format("{}/{}/v2.0/.well-known/openid-configuration", config.authority, tenant)},
         {"api-version", "1.1"},
         {"metadata", Json::array({{{"preferred_network", host},
                                    {"preferred_cache", host},
                                    {"aliases", Json::array({host})}}})}});
}

Json Service::Impl::jwks() const {
    Json jwk = key.jwk(key.x5t());
    jwk["issuer"] = issuer_v2(config);
    return {{"keys", Json::array({std::move(jwk)})}};
}

}  // namespace vouchsafe::identity
