// The inside of Service, shared by service.cpp (what it does for its operator), token_endpoint.cpp
// and user_grants.cpp (tokens), authorize.cpp (pages), discovery.cpp (the documents), graph.cpp
// (the directory to others) and routes.cpp (under which path).
#pragma once

#include "vouchsafe/crypto/sealed_blob.h"
#include "vouchsafe/identity/directory.h"
#include "vouchsafe/identity/oauth.h"
#include "vouchsafe/identity/passwords.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/identity/sign_ins.h"
#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::identity {

struct Service::Impl {
    Impl(Config settings, Dependencies dependencies, crypto::RootKey root_key,
         jose::SigningKey signing_key);

    enum class Protocol { v1, v2 };  // of the token endpoint

    // token_endpoint.cpp
    net::Response token(const net::Request& request, Protocol protocol);

    // authorize.cpp: the pages on which a user signs in
    net::Response authorize(const net::Request& request);
    net::Response device_code(const net::Request& request);
    net::Response device_page(const net::Request& request);
    net::Response user_realm(const net::Request& request) const;

    // discovery.cpp
    net::Response openid_configuration(const net::Request& request, Protocol protocol) const;
    net::Response instance_discovery(const net::Request& request) const;
    Json jwks() const;

    // page_base: see Service::serve_pages_at.
    std::string page_base() const;
    void set_page_base(std::string base);

    // knows_tenant: the tenant's GUID, or one of Config::tenant_aliases.
    bool knows_tenant(std::string_view tenant) const;

    const Config config;
    const Dependencies deps;
    const crypto::RootKey root;  // seals refresh tokens
    const jose::SigningKey key;
    Directory directory;
    Passwords passwords;
    SignIns sign_ins;
    mutable std::mutex page_mutex;
    std::string served_at;  // "" until it was said
    net::Router router;
    net::Router graph;
};

// add_routes fills impl.router: the whole table of the service (routes.cpp).
void add_routes(Service::Impl& impl);
// add_graph_routes fills impl.graph (graph.cpp).
void add_graph_routes(Service::Impl& impl);

// unknown_tenant is AADSTS90002.
OAuthError unknown_tenant(std::string_view tenant);

}  // namespace vouchsafe::identity
