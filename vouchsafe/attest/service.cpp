#include "vouchsafe/attest/service.h"

#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/envelope.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/attest/service_impl.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/crypto/random.h"
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
    if (config.recorded_burst < 1 || config.recorded_per_second < 1) {
        return fail(Code::invalid, "recorded_burst and recorded_per_second are 1 at least");
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
    using policy::AttestationTarget;
    auto out = TRY(
        PolicyBook::create(deps.store, config.issuer,
                           {{AttestationTarget::azure_guest, default_azure_guest_policy(config)},
                            {AttestationTarget::sev_snp_vm, default_snp_vm_policy(config)},
                            {AttestationTarget::tdx_vm, default_tdx_vm_policy()}}));
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

Result<Json> fetch_nothing(const std::string& url) {
    return fail(Code::unavailable, "no way to fetch {} was configured", url);
}

// The error code of a refusal (azure-api C.7): genuine evidence that the policy does not allow is
// another thing than evidence that does not hold.
std::string_view azure_code_of(std::string_view check) {
    if (check == "ATTEST-POLICY-SIGNER") return "InvalidOperation";
    if (check == "ATTEST-POLICY-FORM") return "PolicyParsingError";
    bool policy = check == "ATTEST-POLICY" || check.starts_with("SNP-POLICY-") ||
                  check == "SNP-VMPL" || check == "SNP-TCB-FLOOR" || check == "BOOT-SECURE-BOOT";
    return policy ? "PolicyEvaluationError" : "InvalidParameter";
}

}  // namespace

Service::Impl::Impl(Config settings, Dependencies dependencies, jose::SigningKey signing_key,
                    std::unique_ptr<PolicyBook> policy_book)
    : config(std::move(settings)),
      deps(dependencies),
      key(std::move(signing_key)),
      // A key id is standard base64 of 32 bytes (azure-api C.3). Ours is the RFC 7638 thumbprint.
      kid(encode_base64(jose::thumbprint(key.key().public_key()))),
      policies(std::move(policy_book)),
      key_sets(deps.fetch ? deps.fetch : fetch_nothing, deps.clock),
      refusals_(config.recorded_burst, config.recorded_per_second) {
    add_routes(*this);
}

audit::Entry Service::Impl::begin_entry(const net::Request& request, std::string action) const {
    audit::Entry entry;
    entry.time = deps.clock.now();
    entry.action = std::move(action);
    entry.request_id = request.params.at("request_id");
    entry.details = {{"issuer", config.issuer}, {"remote", request.remote}};
    return entry;
}

Result<Service::Impl::Grant> Service::Impl::judge_request(policy::AttestationTarget target,
                                                          const net::Request& request,
                                                          Appraise appraise, Checks& checks,
                                                          Json& details) {
    SharedPolicy policy = TRY(policies->active(target));
    if (policy == nullptr) {
        return checks.refuse("ATTEST-POLICY", "policy", "one that an administrator set", "none");
    }
    Terms terms{config, deps.anchors, deps.clock.now(), policy->built_in, deps.collateral};
    Appraisal appraisal = TRY(appraise(request.body, terms, checks));
    bool draft = !appraisal.draft_policy.empty();
    if (draft) {
        auto read = read_draft(appraisal.draft_policy);
        TRY(checks.require(read.has_value(), "ATTEST-POLICY-FORM", "draftPolicyForAttestation",
                           "a policy", read ? "one" : read.error().message));
        policy = TRY(std::move(read));
    }
    Json explanation;
    // A draft is its sender's to explain (vouchsafe policy test), at his own cost.
    auto outcome = judge(*policy, appraisal.claims, draft ? nullptr : &explanation, checks);
    if (!explanation.is_null()) details["policy"] = std::move(explanation);
    if (!outcome) return fail(outcome.error());
    add_policy_claims(appraisal.claims, *policy, outcome->issued);
    return Grant{std::move(appraisal), std::move(policy), draft};
}

net::Response Service::Impl::attest(policy::AttestationTarget target, const net::Request& request,
                                    Appraise appraise) {
    Stopwatch stopwatch;
    audit::Entry entry =
        begin_entry(request, fmt::format("attest/{}", policy::target_name(target)));
    auto say_no = [&](const Error& error) {
        net::Response response = refuse(std::move(entry), error);
        tell_verdict(target, &error, stopwatch.seconds());
        return response;
    };
    Checks checks;
    Result<Grant> grant = judge_request(target, request, appraise, checks, entry.details);
    entry.checks = checks.list();
    if (!grant) return say_no(grant.error());

    Result<std::string> token = mint(*grant, checks.list(), entry);
    if (!token) return say_no(token.error());
    entry.outcome = audit::Outcome::allowed;
    Result<uint64_t> recorded = deps.audit.append(entry);
    if (!recorded) return say_no(recorded.error());
    tell_verdict(target, nullptr, stopwatch.seconds());
    return net::json_response(200, {{"token", *token}});
}

void Service::Impl::tell_verdict(policy::AttestationTarget target, const Error* error,
                                 double seconds) const {
    if (!deps.on_verdict) return;
    Verdict verdict{policy::target_name(target), audit::Outcome::allowed, "", seconds};
    if (error != nullptr) {
        const Check* reason = error->reason();
        verdict.outcome = reason != nullptr ? audit::Outcome::refused : audit::Outcome::failed;
        verdict.code =
            reason != nullptr ? std::string_view(reason->code) : code_info(error->code).name;
    }
    deps.on_verdict(verdict);
}

Result<std::string> Service::Impl::mint(const Grant& grant, const std::vector<Check>& checks,
                                        audit::Entry& entry) const {
    Json claims = grant.appraisal.claims;
    add_check_claims(claims, checks);
    add_token_claims(claims, config, deps.clock.now());
    entry.resource = grant.appraisal.subject;
    entry.details["jti"] = claims["jti"];
    entry.details["policy-hash"] = grant.policy->hash;
    entry.details["trust-tier"] = claims["x-vouchsafe-trust-tier"];
    if (grant.draft) entry.details["draft"] = true;

    Json header = {{"jku", config.issuer + "/certs"}, {"kid", kid}};
    std::string token;
    if (grant.draft) {
        header["typ"] = "JWT";
        token = jose::unsigned_jws(std::move(header), as_bytes(dump_json_ascii(claims)));
    } else {
        token = TRY(jose::mint_jwt(std::move(header), claims, key.key(), crypto::SigAlg::rs256));
    }
    if (!grant.appraisal.seal_to) return token;
    Result<std::string> sealed = seal_token(token, *grant.appraisal.seal_to);
    wipe({reinterpret_cast<uint8_t*>(token.data()), token.size()});
    return sealed;
}

Result<std::string> Service::Impl::sign_claims(Json claims) const {
    add_token_claims(claims, config, deps.clock.now());
    return jose::mint_jwt({{"jku", config.issuer + "/certs"}, {"kid", kid}}, claims, key.key(),
                          crypto::SigAlg::rs256);
}

// An error without a check is our own, but for a few that say what a caller did.
net::Response Service::Impl::answer_without_check(const Error& error,
                                                  const std::string& request_id) const {
    if (error.code == Code::not_found || error.code == Code::conflict) {
        int status = error.code == Code::not_found ? 404 : 400;
        return net::error_response(status, "InvalidOperation", error.message);
    }
    bool unavailable = error.code == Code::unavailable;
    const CodeInfo& info = code_info(unavailable ? Code::unavailable : Code::internal);
    return net::error_response(info.http_status, info.azure_code,
                               fmt::format("internal error (request {})", request_id));
}

net::Response Service::Impl::refuse(audit::Entry entry, const Error& error) {
    const Check* reason = error.reason();
    entry.outcome = reason != nullptr ? audit::Outcome::refused : audit::Outcome::failed;
    entry.reason = error.message;
    // Whoever is known by his token is recorded always.
    std::optional<uint64_t> unrecorded = 0;
    if (entry.actor.empty()) unrecorded = refusals_.pass(deps.clock.now());
    if (unrecorded && *unrecorded > 0) entry.details["unrecorded_before"] = *unrecorded;
    Result<uint64_t> recorded = unrecorded ? deps.audit.append(entry) : Result<uint64_t>(0);
    if (reason == nullptr || !recorded) {
        log_event(LogLevel::error, "request failed",
                  {{"request_id", entry.request_id},
                   {"action", entry.action},
                   {"error", reason == nullptr ? error.message : recorded.error().message}});
    }
    if (reason == nullptr) return answer_without_check(error, entry.request_id);
    // Outsiders get the code and the request id; everything else is in the audit log. The status is
    // 400, or 401 for callers (azure-api C.7): Azure's clients repeat a request that gets 5xx, and
    // report others without a word.
    bool caller = reason->code.starts_with("CALLER-") || reason->code.starts_with("TOKEN-");
    std::string_view azure_code = caller ? "Unauthorized" : azure_code_of(reason->code);
    net::Response response = net::error_response(
        caller ? 401 : 400, azure_code,
        fmt::format("{} (request {})", reason->code, entry.request_id), reason->code);
    response.headers.set("x-ms-error-code", std::string(azure_code));
    response.headers.set("x-vouchsafe-check", reason->code);
    if (caller) {
        response.headers.set(
            "WWW-Authenticate",
            fmt::format("Bearer authorization=\"{}/{}\", resource=\"{}\"",
                        config.callers.login_authority, config.callers.tenant, config.resource));
    }
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
    auto policies = TRY(load_policies(config, deps));
    auto impl =
        std::make_unique<Impl>(std::move(config), deps, std::move(key), std::move(policies));
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

net::Handler Service::handler() {
    return
        [impl = impl_.get()](const net::Request& request) { return impl->router.handle(request); };
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->router.route_of(request);
}

Result<void> Service::check_signing_key() const {
    if (!signing_certificate().valid_at(impl_->deps.clock.now())) {
        return fail(Code::expired, "the signing certificate is not valid now");
    }
    TRY(impl_->sign_claims(Json::object()));
    return {};
}

Result<void> Service::check_policies() const {
    for (policy::AttestationTarget target : policy::kAttestationTargets) {
        TRY(with_context(impl_->policies->active(target), policy::target_name(target)));
    }
    return {};
}

Result<access::RoleAssignment> Service::assign_role(std::string_view principal,
                                                    std::string_view role) {
    access::RoleAssignment out;
    TRY(impl_->deps.store.run([&](store::Transaction& tx) -> Result<void> {
        auto assigned = TRY(access::assign_role(tx, principal, role, impl_->config.resource_id));
        out = std::move(assigned.assignment);
        if (!assigned.made) return {};
        audit::Entry entry;
        entry.time = impl_->deps.clock.now();
        entry.actor = "operator";
        entry.action = "roleAssignments/write";
        entry.resource = out.scope;
        entry.request_id = crypto::random_uuid();
        entry.details = {{"assignment", out.id},
                         {"principal", out.principal},
                         {"role", access::find_role(out.role_id)->name}};
        TRY(impl_->deps.audit.append(tx, entry));
        return {};
    }));
    return out;
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
