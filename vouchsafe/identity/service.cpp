#include "vouchsafe/identity/service.h"

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
                             config.client_secret_lifetime, config.certificate_lifetime}) {
        if (lifetime <= Seconds{0}) return fail(Code::invalid, "lifetimes must be positive");
    }
    return {};
}

Result<jose::SigningKey> load_key(const Config& config, const Dependencies& deps) {
    TRY(make_private_dir(config.directory));
    jose::KeyRecord place{kKeyTable,
                          config.tenant_id,
                          config.directory / "identity.root.key",
                          "identity/signing-key/" + config.tenant_id,
                          kCommonName,
                          config.certificate_lifetime};
    return jose::load_or_create(deps.store, place, deps.clock.now());
}

}  // namespace

Service::Impl::Impl(Config settings, Dependencies dependencies, jose::SigningKey signing_key)
    : config(std::move(settings)),
      deps(dependencies),
      key(std::move(signing_key)),
      directory(deps.store) {
    add_routes(*this);
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::create(Config config, Dependencies deps) {
    TRY(check_config(config));
    jose::SigningKey key = TRY(load_key(config, deps));
    auto impl = std::make_unique<Impl>(std::move(config), deps, std::move(key));
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

net::Handler Service::handler() {
    return
        [impl = impl_.get()](const net::Request& request) { return impl->router.handle(request); };
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->router.route_of(request);
}

Result<NewApp> Service::create_app(std::string_view name) {
    SecretBytes secret = new_client_secret();
    Time expires = impl_->deps.clock.now() + impl_->config.client_secret_lifetime;
    Principal principal;
    principal.kind = PrincipalKind::app;
    principal.name = name;
    principal =
        TRY(impl_->directory.add(std::move(principal), {hash_secret(secret.expose(), expires)}));
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
    Principal principal;
    principal.kind = PrincipalKind::managed_identity;
    principal.name = name;
    principal.resource_id = resource_id;
    return impl_->directory.add(std::move(principal), {});
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
    return mint_access_token(
        impl_->config, impl_->key, principal, Authentication::certificate_or_managed_identity,
        *audience, impl_->deps.clock.now(), impl_->config.managed_identity_token_lifetime);
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
