#include "vouchsafe/attest/service.h"

#include "vouchsafe/attest/administration.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/attest/service_impl.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kDigestDigits = 96;  // of a SHA-384

Result<void> check_digests(std::string_view setting, const std::vector<std::string>& digests) {
    for (const std::string& digest : digests) {
        if (digest.size() == kDigestDigits && decode_hex(to_lower(digest))) continue;
        return fail(Code::invalid, "{}: '{}' is not {} hex digits", setting, digest, kDigestDigits);
    }
    return {};
}

constexpr size_t kLeastBody = 1024;  // no evidence is shorter

// checked_login: a slash at its end would make another issuer of it.
Result<std::string> checked_login(std::string login) {
    if (login.ends_with('/')) login.pop_back();
    const net::Url url = TRY(with_context(net::Url::parse(login), "login"));
    if (url.scheme != "https") return fail(Code::invalid, "login must be an https URL");
    return login;
}

Result<void> check_config(const Config& config) {
    if (!config.issuer.starts_with("https://") || config.issuer.ends_with('/')) {
        return fail(Code::invalid, "issuer '{}' must be an https URL without a trailing slash",
                    config.issuer);
    }
    if (config.directory.empty()) return fail(Code::invalid, "the directory is not set");
    for (Seconds lifetime : {config.token_lifetime, config.fresh_token_lifetime,
                             config.challenge_lifetime, config.certificate_lifetime}) {
        if (lifetime > Seconds{0}) continue;
        return fail(Code::invalid, "lifetimes must be positive");
    }
    if (config.recorded_burst < 1 || config.recorded_per_second < 1) {
        return fail(Code::invalid, "recorded_burst and recorded_per_second are 1 at least");
    }
    if (config.max_body < kLeastBody) {
        return fail(Code::invalid, "max_body is {} bytes at least", kLeastBody);
    }
    for (auto product :
         {evidence::SnpProduct::milan, evidence::SnpProduct::genoa, evidence::SnpProduct::turin}) {
        if (config.minimum_tcb.contains(product)) continue;
        return fail(Code::invalid, "minimum_tcb has no floor for {}",
                    evidence::product_name(product));
    }
    TRY(check_digests("compliant_id_keys", config.compliant_id_keys));
    TRY(check_digests("compliant_td_measurements", config.compliant_td_measurements));
    return {};
}

// check_signers_of_operator: a store in which others introduced signers is not ruled by those that
// the operator names.
Result<void> check_signers_of_operator(const Config& config,
                                       const std::vector<crypto::Certificate>& known) {
    bool demanded = config.policy_changes == Config::PolicyChanges::signers;
    if (!demanded || config.policy_signers.empty()) return {};
    for (const crypto::Certificate& named : config.policy_signers) {
        for (const crypto::Certificate& one : known) {
            if (one.der() == named.der()) return {};
        }
    }
    return fail(Code::conflict,
                "none of the configured policy signers is among the {} in the store", known.size());
}

// load_policies brings the built-in policies, and the first signers into a store without any.
Result<std::unique_ptr<PolicyBook>> load_policies(const Config& config, const Dependencies& deps) {
    auto out = TRY(PolicyBook::create(deps.store, config.issuer, default_policies(config)));
    TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
        auto known = TRY(out->signers(tx));
        if (!known.empty()) return check_signers_of_operator(config, known);
        for (const crypto::Certificate& signer : config.policy_signers) {
            TRY(out->add_signer(tx, signer));
        }
        bool nobody = config.policy_signers.empty();
        if (nobody && config.policy_changes == Config::PolicyChanges::signers) {
            return fail(Code::invalid, "policies can be changed by signers alone: name the first");
        }
        return {};
    }));
    return out;
}

// needs_caller: of these routes strangers are turned away; all others are for everybody.
bool needs_caller(std::string_view route) {
    return route.starts_with("/policies") || route.starts_with("/certificates") ||
           route.starts_with("/reference-values");
}

net::Response over_limit(const net::Throttled& over, const net::Request& request,
                         std::string_view request_id) {
    net::Response response = net::throttled_response(over, request);
    response.headers.set("x-ms-request-id", std::string(request_id));
    response.headers.set("x-ms-error-code", "Throttled");
    return response;
}

// answer_limited counts whom nobody knows by address and all evidence by provider, before any work.
// Who shows a credential where one is needed is judged by it, and counted by AdministrativeTask:
// as the one who is known by it, or by address. What does not reach one is counted here.
net::Response answer_limited(Service::Impl& impl, const net::Request& request) {
    using net::LimitScope;
    net::RateLimits* limits = impl.deps.limits.get();
    if (limits == nullptr) return impl.router.handle(request);
    const bool judged =
        needs_caller(impl.router.route_of(request)) && access::shows_credential(request);
    if (!judged) {
        auto over = limits->take(LimitScope::address, request.remote);
        if (!over) over = limits->take(LimitScope::service, impl.config.issuer);
        return over ? over_limit(*over, request, crypto::random_uuid())
                    : impl.router.handle(request);
    }
    net::Response response = impl.router.handle(request);
    if (response.status != 405) return response;
    const auto over = limits->take(LimitScope::address, request.remote);
    return over ? over_limit(*over, request, response.headers.get("x-ms-request-id")) : response;
}

// with_error_code: what the router, the versions of the API and look-ups refuse has its code in the
// header as well (azure-api C.7), as refusals of evidence have it already.
net::Response with_error_code(net::Response response) {
    if (response.status < 400 || response.headers.find("x-ms-error-code") != nullptr) {
        return response;
    }
    auto body = parse_json_object(response.body);
    const Json* error = body ? find_member(*body, "error") : nullptr;
    if (error == nullptr || !error->is_object()) return response;
    response.headers.set("x-ms-error-code", text_or_empty(*error, "code"));
    return response;
}

}  // namespace

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::create(Config config, Dependencies deps) {
    TRY(check_config(config));
    config.callers.login_authority = TRY(checked_login(std::move(config.callers.login_authority)));
    if (!config.bundles.empty()) TRY(make_private_dir(config.bundles));
    auto keys = TRY(open_signing_keys(config, deps.store, deps.audit, deps.clock));
    auto policies = TRY(load_policies(config, deps));
    auto impl =
        std::make_unique<Impl>(std::move(config), deps, std::move(keys), std::move(policies));
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

net::Handler Service::handler() {
    return [impl = impl_.get()](const net::Request& request) {
        return with_error_code(answer_limited(*impl, request));
    };
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->router.route_of(request);
}

void Service::replace_vouching(access::Vouching vouching) {
    impl_->vouching.set(std::move(vouching));
}

Result<void> Service::check_signing_key() const {
    if (!TRY(signing_certificate()).valid_at(impl_->deps.clock.now())) {
        return fail(Code::expired, "the signing certificate is not valid now");
    }
    TRY(impl_->sign_claims(Json::object()));
    return {};
}

Result<void> Service::check_policies() const {
    for (policy::AttestationTarget target : policy::kAttestationTargets) {
        TRY(with_context(impl_->policies->active(target), policy::target_name(target)));
    }
    TRY(impl_->references->current());
    return {};
}

Result<access::RoleAssignment> Service::assign_role(std::string_view principal,
                                                    std::string_view role, std::string_view scope,
                                                    std::string_view actor) {
    if (scope.empty()) scope = impl_->config.resource_id;
    return attest::assign_role(impl_->deps.store, impl_->deps.audit, impl_->deps.clock, principal,
                               role, scope, actor);
}

Result<void> Service::remove_role(std::string_view principal, std::string_view role,
                                  std::string_view scope, std::string_view actor) {
    return attest::remove_role(impl_->deps.store, impl_->deps.audit, impl_->deps.clock, principal,
                               role, scope, actor);
}

const Config& Service::config() const {
    return impl_->config;
}
Result<Json> Service::jwks() const {
    return TRY(impl_->keys->current())->jwks(impl_->deps.clock.now());
}
Result<crypto::Certificate> Service::signing_certificate() const {
    return TRY(impl_->keys->current())->signing(impl_->deps.clock.now()).certificate;
}

}  // namespace vouchsafe::attest
