// The inside of Service, shared by service.cpp (what it does for its operator), token_endpoint.cpp,
// discovery.cpp (the documents) and routes.cpp (under which path).
#pragma once

#include "vouchsafe/identity/directory.h"
#include "vouchsafe/identity/oauth.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::identity {

struct Service::Impl {
    Impl(Config settings, Dependencies dependencies, jose::SigningKey signing_key);

    enum class Protocol { v1, v2 };  // of the token endpoint

    // token_endpoint.cpp
    net::Response token(const net::Request& request, Protocol protocol) const;

    // discovery.cpp
    net::Response openid_configuration(const net::Request& request, Protocol protocol) const;
    net::Response instance_discovery(const net::Request& request) const;
    Json jwks() const;

    // knows_tenant: the tenant's GUID, or one of Config::tenant_aliases.
    bool knows_tenant(std::string_view tenant) const;

    const Config config;
    const Dependencies deps;
    const jose::SigningKey key;
    Directory directory;
    net::Router router;
};

// add_routes fills impl.router: the whole table of the service (routes.cpp).
void add_routes(Service::Impl& impl);

// unknown_tenant is AADSTS90002.
OAuthError unknown_tenant(std::string_view tenant);

}  // namespace vouchsafe::identity
