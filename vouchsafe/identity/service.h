// The token issuer: an OAuth 2.0 authorization server for applications (client credentials), for
// users (password, browser, device code, refresh) and for the managed identities of machines, on
// the routes Azure's clients use; and what Azure's directory tells about them (Microsoft Graph).
// Consent, second factors and other organisations' users are not here.
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

enum class PrincipalKind { app, managed_identity, user, group };

// Principal is somebody who can get tokens, or a group of such.
struct Principal {
    PrincipalKind kind = PrincipalKind::app;
    std::string name;         // for people; of a user the one to sign in with: "user@domain"
    std::string client_id;    // `appid`: a GUID; of users and groups only a key in the directory
    std::string object_id;    // `oid` and `sub`: a GUID; what roles are assigned to
    std::string resource_id;  // of a managed identity: `xms_mirid`; else ""
};

inline constexpr size_t kMinPassword = 12;  // bytes
inline constexpr size_t kMaxGroups = 200;   // of one principal, as many as Azure's tokens hold

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
    // serve_pages_at says under which base URL, without a trailing slash, a browser reaches the
    // sign-in pages; until then it is the authority. A lab's browser does not go through its front
    // door, which is a proxy, so a lab says "http://localhost:PORT/aad" (real-clients 3.1).
    void serve_pages_at(std::string base);
    // graph_handler answers graph.microsoft.com: /me, users, service principals and objects by id
    // (graph.cpp). It borrows the service.
    net::Handler graph_handler();
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
    // find_user takes the name a user signs in with, in any letter case. Code::not_found.
    Result<Principal> find_user(std::string_view name) const;
    // create_user makes a user who signs in with `name` ("user@domain") and a password of at least
    // kMinPassword bytes, or with an empty one only where Config::sign_in_as says so. Code::invalid
    // for other names, Code::conflict if it is taken.
    Result<Principal> create_user(std::string_view name, const SecretBytes& password);
    // set_password ends all sign-ins that could be renewed. Code::not_found if `id` is no user's.
    Result<void> set_password(std::string_view id, const SecretBytes& password);
    // create_group: Code::conflict if the name is taken. add_member takes the object id of anybody
    // but a group; being one already is no error. What tokens say of it changes with the next one.
    Result<Principal> create_group(std::string_view name);
    Result<void> add_member(std::string_view group, std::string_view member);
    Result<void> remove_member(std::string_view group, std::string_view member);
    // groups_of returns the object ids of the groups that `member` is in, at most kMaxGroups.
    Result<std::vector<std::string>> groups_of(std::string_view member) const;
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
