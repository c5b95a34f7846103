#include "vouchsafe/identity/service.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/service_impl.h"
#include "vouchsafe/jose/key_record.h"

namespace vouchsafe::identity {

namespace {

constexpr std::string_view kKeyTable = "identity_key";  // tenant id -> SigningKey record
constexpr const char* kCommonName = "accounts.accesscontrol.windows.net";  // as Entra's

Result<void> check_config(const Config& config) {
    if (!is_guid(config.tenant_id) || config.tenant_id != to_lower(config.tenant_id)) {
        return fail(Code::invalid, "tenant_id '{}' must be a GUID in lower case", config.tenant_id);
    }
    if (!config.authority.starts_with("https://") || config.authority.ends_with('/')) {
        return fail(Code::invalid, "authority '{}' must be an https URL without a trailing slash",
                    config.authority);
    }
    if (!config.issuer_base.starts_with("https://") || !config.issuer_base.ends_with('/')) {
        return fail(Code::invalid, "issuer_base '{}' must be an https URL with a trailing slash",
                    config.issuer_base);
    }
    if (config.directory.empty()) return fail(Code::invalid, "the directory is not set");
    for (Seconds lifetime : {config.app_token_lifetime, config.managed_identity_token_lifetime,
                             config.user_token_lifetime, config.refresh_token_lifetime,
                             config.client_secret_lifetime, config.certificate_lifetime}) {
        if (lifetime <= Seconds{0}) return fail(Code::invalid, "lifetimes must be positive");
    }
    return {};
}

Path root_file(const Config& config) {
    return config.directory / "identity.root.key";
}

Result<jose::SigningKey> load_key(const Config& config, const Dependencies& deps) {
    TRY(make_private_dir(config.directory));
    jose::KeyRecord place{kKeyTable,         config.tenant_id,
                          root_file(config), "identity/signing-key/" + config.tenant_id,
                          kCommonName,       config.certificate_lifetime};
    return jose::load_or_create(deps.store, place, deps.clock.now());
}

}  // namespace

Service::Impl::Impl(Config settings, Dependencies dependencies, crypto::RootKey root_key,
                    jose::SigningKey signing_key)
    : config(std::move(settings)),
      deps(dependencies),
      root(std::move(root_key)),
      key(std::move(signing_key)),
      directory(deps.store),
      passwords(directory) {
    add_routes(*this);
    add_graph_routes(*this);
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::create(Config config, Dependencies deps) {
    TRY(check_config(config));
    jose::SigningKey key = TRY(load_key(config, deps));
    crypto::RootKey root = TRY(jose::open_root_key(deps.store, kKeyTable, root_file(config)));
    auto impl = std::make_unique<Impl>(std::move(config), deps, std::move(root), std::move(key));
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

net::Handler Service::handler() {
    return
        [impl = impl_.get()](const net::Request& request) { return impl->router.handle(request); };
}

net::Handler Service::graph_handler() {
    return
        [impl = impl_.get()](const net::Request& request) { return impl->graph.handle(request); };
}

void Service::serve_pages_at(std::string base) {
    impl_->set_page_base(std::move(base));
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->router.route_of(request);
}

Result<NewApp> Service::create_app(std::string_view name) {
    SecretBytes secret = new_client_secret();
    Time expires = impl_->deps.clock.now() + impl_->config.client_secret_lifetime;
    Account account;
    account.principal.kind = PrincipalKind::app;
    account.principal.name = name;
    account.secrets.push_back(hash_secret(secret.expose(), expires));
    Principal principal = TRY(impl_->directory.add(std::move(account)));
    return NewApp{std::move(principal), std::move(secret)};
}

Result<SecretBytes> Service::add_client_secret(std::string_view client_id) {
    SecretBytes secret = new_client_secret();
    Time now = impl_->deps.clock.now();
    HashedSecret hashed = hash_secret(secret.expose(), now + impl_->config.client_secret_lifetime);
    TRY(impl_->directory.add_secret(client_id, std::move(hashed), now));
    return secret;
}

Result<Principal> Service::create_managed_identity(std::string_view name,
                                                   std::string_view resource_id) {
    Account account;
    account.principal.kind = PrincipalKind::managed_identity;
    account.principal.name = name;
    account.principal.resource_id = resource_id;
    return impl_->directory.add(std::move(account));
}

namespace {

// A name to sign in with: "user@domain", without what would have to be escaped anywhere.
bool is_user_name(std::string_view name) {
    const size_t at = name.find('@');
    const bool shape = at != std::string_view::npos && at > 0 && at + 1 < name.size() &&
                       name.find('@', at + 1) == std::string_view::npos && name.size() <= 113;
    return shape && std::all_of(name.begin(), name.end(), [](char c) {
               const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
               return letter || (c >= '0' && c <= '9') ||
                      std::string_view("@._-").find(c) != std::string_view::npos;
           });
}

Result<HashedSecret> new_password(const SecretBytes& password) {
    if (password.size() < kMinPassword) {
        return fail(Code::invalid, "a password has at least {} bytes", kMinPassword);
    }
    return hash_password(password.expose());
}

}  // namespace

Result<Principal> Service::create_user(std::string_view name, const SecretBytes& password) {
    if (!is_user_name(name)) {
        return fail(Code::invalid,
                    "a user's name is like name@domain: letters, digits, '.', '_', '-'; at most "
                    "113 characters");
    }
    Account account;
    account.principal.kind = PrincipalKind::user;
    account.principal.name = name;
    account.renewable_from = impl_->deps.clock.now();
    if (!password.empty()) account.password = TRY(new_password(password));
    return impl_->directory.add(std::move(account));
}

Result<void> Service::set_password(std::string_view id, const SecretBytes& password) {
    HashedSecret hashed = TRY(new_password(password));
    return impl_->directory.set_password(id, std::move(hashed), impl_->deps.clock.now());
}

Result<Principal> Service::find_user(std::string_view name) const {
    const auto account = TRY(impl_->directory.find_named(PrincipalKind::user, name));
    if (!account) return fail(Code::not_found, "there is no user of this name");
    return account->principal;
}

Result<Principal> Service::create_group(std::string_view name) {
    Account account;
    account.principal.kind = PrincipalKind::group;
    account.principal.name = name;
    return impl_->directory.add(std::move(account));
}

Result<void> Service::add_member(std::string_view group, std::string_view member) {
    return impl_->directory.add_member(group, member);
}

Result<void> Service::remove_member(std::string_view group, std::string_view member) {
    return impl_->directory.remove_member(group, member);
}

Result<std::vector<std::string>> Service::groups_of(std::string_view member) const {
    return impl_->directory.groups_of(member);
}

Result<Principal> Service::find_principal(std::string_view id) const {
    std::optional<Account> account = TRY(impl_->directory.find(id));
    if (!account) return fail(Code::not_found, "there is no principal with this id");
    return account->principal;
}

Result<std::vector<Principal>> Service::principals() const {
    return impl_->directory.list();
}

Result<void> Service::remove_principal(std::string_view client_id) {
    return impl_->directory.remove(client_id);
}

Result<IssuedToken> Service::issue_managed_identity_token(std::string_view client_id,
                                                          std::string_view resource) const {
    std::optional<std::string> audience = match_resource(impl_->config.resources, resource);
    if (!audience) return fail(Code::invalid, "the resource is not known to this tenant");
    Principal principal = TRY(find_principal(client_id));
    if (principal.kind != PrincipalKind::managed_identity) {
        return fail(Code::not_found, "there is no managed identity with this id");
    }
    std::vector<std::string> groups = TRY(groups_of(principal.object_id));
    TokenSpec spec{.principal = principal,
                   .groups = std::move(groups),
                   .how = Authentication::certificate_or_managed_identity,
                   .audience = *audience};
    return mint_access_token(impl_->config, impl_->key, spec, impl_->deps.clock.now(),
                             impl_->config.managed_identity_token_lifetime);
}

const Config& Service::config() const {
    return impl_->config;
}
std::string Service::issuer() const {
    return issuer_of(impl_->config);
}
Json Service::jwks() const {
    return impl_->jwks();
}

}  // namespace vouchsafe::identity
