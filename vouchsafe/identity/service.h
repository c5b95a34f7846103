// The token issuer: an OAuth 2.0 authorization server for applications (client credentials) and for
// the managed identities of machines, on the routes Azure's clients use. Users, browsers and
// consent are not here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/identity/config.h"
#include "vouchsafe/net/server.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::identity {

// What a service borrows. All of it must outlive the service.
struct Dependencies {
    store::Store& store;  // principals, and the sealed signing key
    const Clock& clock;
};

enum class PrincipalKind { app, managed_identity };

// Principal is somebody who can get tokens.
struct Principal {
    PrincipalKind kind = PrincipalKind::app;
    std::string name;         // for people
    std::string client_id;    // `appid`: a GUID
    std::string object_id;    // `oid` and `sub`: a GUID; what roles are assigned to
    std::string resource_id;  // of a managed identity: `xms_mirid`; else ""
};

// NewApp is an application and its client secret, shown once: only a salted hash is stored.
struct NewApp {
    Principal principal;
    SecretBytes client_secret;
};

struct IssuedToken {
    SecretBytes token;  // compact JWS
    std::string resource;
    Time not_before;
    Time expires;
};

// Service is thread-safe.
class Service {
  public:
    // create makes the signing key (RSA-2048) and its self-signed certificate at the first start
    // and loads them afterwards. Code::invalid for a bad setting; Code::bad_evidence if the stored
    // key does not open under the root key of `config.directory`.
    static Result<std::unique_ptr<Service>> create(Config config, Dependencies deps);
    ~Service();

    // handler answers the routes of routes.cpp. It borrows the service.
    net::Handler handler();
    // route_of names a request's route, for metrics and logs (Router::route_of).
    std::string_view route_of(const net::Request& request) const;

    // For the operator. create_app is Code::conflict if `name` is taken.
    Result<NewApp> create_app(std::string_view name);
    // add_client_secret gives an application one more secret; the older ones stay valid.
    Result<SecretBytes> add_client_secret(std::string_view client_id);
    // create_managed_identity: `resource_id` is the machine's (system-assigned) or the identity's
    // own (user-assigned), "/subscriptions/...". Code::conflict if that resource has one already.
    Result<Principal> create_managed_identity(std::string_view name, std::string_view resource_id);
    // find_principal takes a client id or an object id. Code::not_found.
    Result<Principal> find_principal(std::string_view id) const;
    Result<std::vector<Principal>> principals() const;
    // remove_principal ends its ability to get tokens; tokens that are out live until they expire.
    Result<void> remove_principal(std::string_view client_id);

    // issue_managed_identity_token is for the metadata service and for services that act as
    // themselves. Code::not_found if there is no such managed identity, Code::invalid for a
    // resource that is not in the configuration.
    Result<IssuedToken> issue_managed_identity_token(std::string_view client_id,
                                                     std::string_view resource) const;

    const Config& config() const;
    std::string issuer() const;  // `iss` of every token: "https://sts.windows.net/{tid}/"
    Json jwks() const;           // what GET /{tenant}/discovery/v2.0/keys answers

    struct Impl;  // service_impl.h

  private:
    explicit Service(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::identity
