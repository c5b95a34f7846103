#include "vouchsafe/attest/service.h"

#include "vouchsafe/attest/claims.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/envelope.h"
#include "vouchsafe/attest/service_impl.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/key_record.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kKeyTable = "attest_key";  // issuer -> SigningKey record
constexpr size_t kIdKeyDigits = 96;

constexpr std::string_view kSupportedClaims[] = {
    "nonce",         "secureboot",         "x-ms-attestation-type", "x-ms-compliance-status",
    "x-ms-inittime", "x-ms-isolation-tee", "x-ms-policy-hash",      "x-ms-runtime",
    "x-ms-ver",      "x-vouchsafe-checks", "x-vouchsafe-trust-tier"};

Result<void> check_config(const Config& config) {
    if (!config.issuer.starts_with("https://") || config.issuer.ends_with('/')) {
        return fail(Code::invalid, "issuer '{}' must be an https URL without a trailing slash",
                    config.issuer);
    }
    if (config.directory.empty()) return fail(Code::invalid, "the directory is not set");
    if (config.token_lifetime <= Seconds{0} || config.certificate_lifetime <= Seconds{0}) {
        return fail(Code::invalid, "lifetimes must be positive");
    }
    for (auto product :
         {evidence::SnpProduct::milan, evidence::SnpProduct::genoa, evidence::SnpProduct::turin}) {
        if (config.minimum_tcb.contains(product)) continue;
        return fail(Code::invalid, "minimum_tcb has no floor for {}",
                    evidence::product_name(product));
    }
    for (const std::string& digest : config.compliant_id_keys) {
        if (digest.size() == kIdKeyDigits && decode_hex(to_lower(digest))) continue;
        return fail(Code::invalid, "compliant_id_keys: '{}' is not {} hex digits", digest,
                    kIdKeyDigits);
    }
    return {};
}

Result<jose::SigningKey> load_key(const Config& config, const Dependencies& deps) {
    TRY(make_private_dir(config.directory));
    jose::KeyRecord place{kKeyTable,
                          config.issuer,
                          config.directory / "attest.root.key",
                          "attest/signing-key/" + config.issuer,
                          config.issuer,
                          config.certificate_lifetime};
    return jose::load_or_create(deps.store, place, deps.clock.now());
}

// The error code of a refusal (azure-api C.7): genuine evidence that the policy does not allow is
// another thing than evidence that does not hold.
std::string_view azure_code_of(std::string_view check) {
    bool policy = check.starts_with("SNP-POLICY-") || check == "SNP-VMPL" ||
                  check == "SNP-TCB-FLOOR" || check == "BOOT-SECURE-BOOT";
    return policy ? "PolicyEvaluationError" : "InvalidParameter";
}

}  // namespace

Service::Impl::Impl(Config settings, Dependencies dependencies, jose::SigningKey signing_key)
    : config(std::move(settings)),
      deps(dependencies),
      key(std::move(signing_key)),
      // A key id is standard base64 of 32 bytes (azure-api C.3). Ours is the RFC 7638 thumbprint.
      kid(encode_base64(jose::thumbprint(key.key().public_key()))),
      azure_guest_policy_hash(policy_hash(default_azure_guest_policy(config))),
      snp_vm_policy_hash(policy_hash(default_snp_vm_policy(config))) {
    add_routes(*this);
}

net::Response Service::Impl::attest(std::string_view action, const net::Request& request,
                                    Appraise appraise, const std::string& policy_hash) const {
    Time now = deps.clock.now();
    audit::Entry entry;
    entry.time = now;
    entry.action = action;
    entry.request_id = request.params.at("request_id");
    entry.details = {{"issuer", config.issuer}, {"remote", request.remote}};

    Checks checks;
    Result<Appraisal> appraisal = appraise(request.body, config, deps.anchors, now, checks);
    entry.checks = checks.list();
    if (!appraisal) return refuse(std::move(entry), appraisal.error());

    add_token_claims(appraisal->claims, config, now, policy_hash, checks.list());
    Result<std::string> token = mint(*appraisal);
    if (!token) return refuse(std::move(entry), token.error());

    entry.outcome = audit::Outcome::allowed;
    entry.resource = appraisal->subject;
    entry.details["jti"] = appraisal->claims["jti"];
    entry.details["trust-tier"] = appraisal->claims["x-vouchsafe-trust-tier"];
    Result<uint64_t> recorded = deps.audit.append(entry);
    if (!recorded) return refuse(std::move(entry), recorded.error());
    return net::json_response(200, {{"token", *token}});
}

Result<std::string> Service::Impl::mint(const Appraisal& appraisal) const {
    Json header = {{"jku", config.issuer + "/certs"}, {"kid", kid}};
    std::string token =
        TRY(jose::mint_jwt(header, appraisal.claims, key.key(), crypto::SigAlg::rs256));
    if (!appraisal.seal_to) return token;
    Result<std::string> sealed = seal_token(token, *appraisal.seal_to);
    wipe({reinterpret_cast<uint8_t*>(token.data()), token.size()});
    return sealed;
}

net::Response Service::Impl::refuse(audit::Entry entry, const Error& error) const {
    const Check* reason = error.reason();
    entry.outcome = reason != nullptr ? audit::Outcome::refused : audit::Outcome::failed;
    entry.reason = error.message;
    Result<uint64_t> recorded = deps.audit.append(entry);
    if (reason == nullptr || !recorded) {
        log_event(LogLevel::error, "attestation failed",
                  {{"request_id", entry.request_id},
                   {"error", reason == nullptr ? error.message : recorded.error().message}});
    }
    if (reason == nullptr) {
        const CodeInfo& info = code_info(Code::internal);
        return net::error_response(info.http_status, info.azure_code,
                                   fmt::format("internal error (request {})", entry.request_id));
    }
    // Outsiders get the code and the request id; everything else is in the audit log. The status is
    // always 400: Azure's clients repeat a request that gets 5xx, and report others without a word.
    std::string_view azure_code = azure_code_of(reason->code);
    net::Response response = net::error_response(
        400, azure_code, fmt::format("{} (request {})", reason->code, entry.request_id),
        reason->code);
    response.headers.set("x-ms-error-code", std::string(azure_code));
    response.headers.set("x-vouchsafe-check", reason->code);
    return response;
}

Json Service::Impl::jwks() const {
    return {{"keys", Json::array({key.jwk(kid)})}};
}

net::Response Service::Impl::openid_configuration() const {
    return net::json_response(200,
                              {{"issuer", config.issuer},
                               {"jwks_uri", config.issuer + "/certs"},
                               {"revocation_endpoint", config.issuer + "/revoke"},
                               {"response_types_supported", {"token", "none"}},
                               {"id_token_signing_alg_values_supported", Json::array({"RS256"})},
                               {"claims_supported", kSupportedClaims}});
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

const Config& Service::config() const {
    return impl_->config;
}
Json Service::jwks() const {
    return impl_->jwks();
}
const crypto::Certificate& Service::signing_certificate() const {
    return impl_->key.certificate();
}

}  // namespace vouchsafe::attest
