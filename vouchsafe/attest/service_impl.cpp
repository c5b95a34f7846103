// How one request is answered: appraised, judged by the policy in force, recorded, minted.
#include "vouchsafe/attest/service_impl.h"

#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/claims/ear.h"
#include "vouchsafe/attest/claims/supported_claims.h"
#include "vouchsafe/attest/envelope.h"
#include "vouchsafe/attest/receipt_request.h"
#include "vouchsafe/attest/request/tpm_request.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kEatMediaType = "application/eat+jwt";
constexpr size_t kMaxFound = 200;  // of hostile text repeated in a check

Result<Json> fetch_nothing(const std::string& url) {
    return fail(Code::unavailable, "no way to fetch {} was configured", url);
}

// An answer is in Azure's vocabulary unless the client asks for an EAR, by ?format=ear or by naming
// the media type of EATs first.
Result<bool> wants_ear(const net::Request& request, Checks& checks) {
    const std::string* format = request.query_value("format");
    if (format != nullptr) {
        bool known = request.query_count("format") == 1 && (*format == "ear" || *format == "maa");
        TRY(checks.require(known, "ATTEST-REQUEST", "format", "ear or maa",
                           format->substr(0, kMaxFound)));
        return *format == "ear";
    }
    std::string accept = to_lower(request.headers.get("Accept"));
    return accept.substr(0, accept.find_first_of(",; ")) == kEatMediaType;
}

constexpr std::string_view kPolicyForm = "ATTEST-POLICY-FORM";
constexpr std::string_view kReferenceForm = "ATTEST-REFERENCE-FORM";
constexpr std::string_view kPolicyText = "AttestationPolicy";
constexpr std::string_view kDraftPolicy = "draftPolicyForAttestation";

// is_callers tells whether an error without a check says what a caller did.
bool is_callers(const Error& error) {
    return error.code == Code::not_found || error.code == Code::conflict;
}

// message_of: outsiders get the code and the request id; everything else is in the audit log. Who
// may change what the service judges by is told besides what is wrong with the document that he
// sent: of a policy symbol, line and column (azure-api C.7).
std::string message_of(const Check& reason, const audit::Entry& entry) {
    const bool form = reason.code == kPolicyForm || reason.code == kReferenceForm;
    if (!form || entry.actor.empty()) {
        return fmt::format("{} (request {})", reason.code, entry.request_id);
    }
    return fmt::format("{}: {}: {} (request {})", reason.code, reason.field, reason.found,
                       entry.request_id);
}

// The error code of a refusal (azure-api C.7): genuine evidence that the policy does not allow is
// another thing than evidence that does not hold.
std::string_view azure_code_of(const Check& reason) {
    const std::string_view check = reason.code;
    if (check == "ATTEST-POLICY-SIGNER" || check.starts_with("ATTEST-REFERENCE-")) {
        return "InvalidOperation";
    }
    if (check == kPolicyForm) {
        const bool text = reason.field == kPolicyText || reason.field == kDraftPolicy;
        return text ? "PolicyParsingError" : "InvalidOperation";
    }
    bool policy = check == "ATTEST-POLICY" || check.starts_with("SNP-POLICY-") ||
                  check == "SNP-VMPL" || check == "SNP-TCB-FLOOR" || check == "BOOT-SECURE-BOOT";
    return policy ? "PolicyEvaluationError" : "InvalidParameter";
}

}  // namespace

Service::Impl::Impl(Config settings, Dependencies dependencies,
                    std::unique_ptr<jose::SigningKeys> signing_keys,
                    std::unique_ptr<PolicyBook> policy_book)
    : config(std::move(settings)),
      deps(dependencies),
      keys(std::move(signing_keys)),
      policies(std::move(policy_book)),
      references(std::make_unique<ReferenceBook>(deps.store, config.issuer)),
      challenges(config.challenge_lifetime),
      key_sets(deps.fetch ? deps.fetch : fetch_nothing, deps.clock),
      vouching(deps.vouching),
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

Result<Service::Impl::Sight> Service::Impl::look_in(store::View& view,
                                                    policy::AttestationTarget target) const {
    Sight out;
    out.policy = TRY(policies->active(view, target));
    out.references = TRY(references->current(view));
    out.keys = TRY(keys->known_in(view));
    return out;
}

Result<Service::Impl::Seen> Service::Impl::look(policy::AttestationTarget target, From from) const {
    Seen out;
    auto look_there = [&](store::View& view) -> Result<void> {
        out.sight = TRY(look_in(view, target));
        return {};
    };
    if (from == From::memory) {
        TRY(deps.store.recall(look_there, out.basis));
    } else {
        TRY(deps.store.read(look_there));
    }
    return out;
}

bool Service::Impl::is_outdated(policy::AttestationTarget target, const Seen& seen) const {
    if (!seen.basis.recalled) return false;
    auto now = look(target, From::store);
    return now && now->sight != seen.sight;
}

Result<Service::Impl::Grant> Service::Impl::judge_request(policy::AttestationTarget target,
                                                          const net::Request& request,
                                                          const Sight& sight, Checks& checks,
                                                          Told& told) {
    const bool ear = TRY(wants_ear(request, checks));
    const bool receipt = TRY(wants_receipt(request, checks));
    std::vector<PiecePtr> used;
    Terms terms{config, deps.anchors, deps.clock.now()};
    terms.collateral = deps.collateral;
    terms.snp_chains = &snp_chains;
    terms.aks = &aks;
    terms.runtimes = &runtimes;
    terms.used_collateral = &used;
    terms.challenges = &challenges;
    const Hearing hearing{std::move(terms), sight.policy, sight.references};
    const size_t before = checks.list().size();
    auto judged = judge_evidence(target, request.body, hearing, checks, told.details);
    if (!config.bundles.empty()) {
        HeardRequest heard{target, request.body, hearing, std::span(checks.list()).subspan(before)};
        if (judged) {
            heard.claims = &judged->appraisal.claims;
            heard.challenge = judged->appraisal.challenge;
        }
        told.bundle = bundle_of(heard);
    }
    if (!judged) return fail(judged.error());
    if (judged->appraisal.challenge) {
        TRY(challenges.spend(*judged->appraisal.challenge, deps.clock.now(), checks));
    }
    Grant grant{std::move(judged->appraisal), std::move(judged->policy), judged->draft, ear,
                receipt};
    if (target == policy::AttestationTarget::tpm) grant.report = std::move(judged->properties);
    return grant;
}

// A request is recorded in any case, and the transaction that does it tells whether what this
// process remembers of the store is still so. Who keeps bundles writes a file first.
net::Response Service::Impl::attest(policy::AttestationTarget target, const net::Request& request) {
    const Stopwatch stopwatch;
    std::optional<net::Response> answered;
    if (config.bundles.empty()) answered = try_attest(target, request, From::memory, stopwatch);
    if (!answered) answered = try_attest(target, request, From::store, stopwatch);
    return std::move(*answered);
}

std::optional<net::Response> Service::Impl::try_attest(policy::AttestationTarget target,
                                                       const net::Request& request, From from,
                                                       const Stopwatch& stopwatch) {
    audit::Entry entry =
        begin_entry(request, fmt::format("attest/{}", policy::target_name(target)));
    Told told{std::move(entry.details)};
    auto say_no = [&](const Error& error) {
        net::Response response =
            refuse(std::move(entry), error, told.bundle ? &*told.bundle : nullptr);
        tell_verdict(target, &error, stopwatch.seconds());
        return response;
    };
    Checks checks;
    store::Expected expected(&deps.store);
    const Result<Seen> seen = look(target, from);
    Result<Grant> grant = seen ? judge_request(target, request, seen->sight, checks, told)
                               : Result<Grant>(fail(seen.error()));
    if (!grant && seen && is_outdated(target, *seen)) return std::nullopt;
    entry.details = std::move(told.details);
    entry.checks = checks.take();
    if (!grant) expected.end();
    if (!grant) return say_no(grant.error());

    Result<std::string> token = mint(*grant, seen->sight.keys, entry);
    expected.end();
    if (!token) return say_no(token.error());
    entry.outcome = audit::Outcome::allowed;
    auto recorded = record_grant(entry, told.bundle ? &*told.bundle : nullptr, target, *seen);
    if (!recorded) return say_no(recorded.error());
    if (!*recorded) {
        if (grant->appraisal.challenge) challenges.give_back(*grant->appraisal.challenge);
        return std::nullopt;
    }
    Result<std::string> receipt{""};
    if (grant->wants_receipt) receipt = issue_receipt(*this, entry, **recorded);
    if (!receipt) return say_no(receipt.error());
    tell_verdict(target, nullptr, stopwatch.seconds());
    return answer(*grant, std::move(*token), std::move(*receipt), request);
}

Result<std::optional<uint64_t>> Service::Impl::record_grant(audit::Entry& entry,
                                                            const evidence::Bundle* bundle,
                                                            policy::AttestationTarget target,
                                                            const Seen& seen) const {
    if (!seen.basis.recalled) return TRY(record(entry, bundle));
    std::optional<uint64_t> index;
    TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
        bool same = TRY(tx.still_holds(seen.basis));
        if (!same) same = TRY(look_in(tx, target)) == seen.sight;
        if (same) index = TRY(deps.audit.append(tx, entry));
        return {};
    }));
    return index;
}

// Whoever wants bundles wants all of them: what cannot be kept is not recorded either, and so does
// not happen.
Result<uint64_t> Service::Impl::record(audit::Entry& entry, const evidence::Bundle* bundle) const {
    if (bundle == nullptr) return deps.audit.append(entry);
    auto digest = keep_bundle(*bundle, config.bundles, entry.request_id);
    if (!digest) {
        return fail(Code::io, "the bundle of an appraisal is not kept: {}", digest.error().message);
    }
    entry.details["bundle"] = std::move(*digest);
    return deps.audit.append(entry);
}

// A client that asks for the media type gets an EAR as it is; what is sealed to a guest's key is no
// EAR before the guest opens it, and comes in Azure's envelope.
net::Response Service::Impl::answer(const Grant& grant, std::string token, std::string receipt,
                                    const net::Request& request) const {
    bool bare = grant.ear && !grant.appraisal.seal_to && request.query_count("format") == 0 &&
                !grant.appraisal.tpm_payload;
    if (bare) {
        auto type = fmt::format("{}; eat_profile=\"{}\"", kEatMediaType, kEarProfile);
        net::Response response = net::text_response(200, std::move(token), type);
        if (!receipt.empty()) response.headers.set(kReceiptMember, std::move(receipt));
        return response;
    }
    auto in_payload = grant.appraisal.tpm_payload;
    Json content = {{in_payload ? "report" : "token", std::move(token)}};
    if (!receipt.empty()) content[kReceiptMember] = std::move(receipt);
    return net::json_response(200,
                              in_payload ? tpm_answer(std::move(content), *in_payload) : content);
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

Seconds Service::Impl::lifetime_of(const Grant& grant) const {
    if (grant.report) {
        constexpr int64_t kDay = 1440;  // minutes: Azure's default
        return Seconds{grant.report->report_validity_in_minutes.value_or(kDay) * 60};
    }
    bool fresh = grant.appraisal.challenge.has_value();
    return fresh ? config.fresh_token_lifetime : config.token_lifetime;
}

Json Service::Impl::header_of(const Grant& grant, const jose::RingKey& key) const {
    Json out = token_header(key.kid);
    if (!grant.report) return out;
    const crypto::Certificate& certificate = key.signer->certificate();
    if (grant.report->omit_x5c.value_or(false)) {
        out["x5t"] = encode_base64url(certificate.sha1_fingerprint());
    } else {
        out["x5c"] = Json::array({encode_base64(certificate.der())});
    }
    return out;
}

Result<std::string> Service::Impl::mint(Grant& grant, const jose::SharedKeyRing& known,
                                        audit::Entry& entry) const {
    Json claims = std::move(grant.appraisal.claims);
    add_check_claims(claims, entry.checks);
    const Seconds lifetime = lifetime_of(grant);
    add_token_claims(claims, config, lifetime, deps.clock.now());
    entry.resource = grant.appraisal.subject;
    entry.details["jti"] = claims["jti"];
    entry.details["policy-hash"] = grant.policy->hash;
    entry.details["trust-tier"] = claims["x-vouchsafe-trust-tier"];
    if (grant.draft) entry.details["draft"] = true;
    if (grant.ear) {
        entry.details["format"] = "ear";
        claims = ear_claims(std::move(claims), grant.appraisal.trust);
    }

    jose::SharedKeyRing ring = TRY(keys->current_for(lifetime, known));
    const jose::RingKey& key = ring->signing(deps.clock.now());
    Json header = header_of(grant, key);
    std::string token;
    if (grant.draft) {
        header["typ"] = "JWT";
        token = jose::unsigned_jws(std::move(header), as_bytes(dump_json_ascii(claims)));
    } else {
        token = TRY(jose::mint_jwt(std::move(header), claims, key.signer->key(), key.alg));
    }
    if (!grant.appraisal.seal_to) return token;
    Result<std::string> sealed = seal_token(token, *grant.appraisal.seal_to);
    wipe({reinterpret_cast<uint8_t*>(token.data()), token.size()});
    return sealed;
}

Result<std::string> Service::Impl::sign_claims(Json claims) const {
    add_token_claims(claims, config, config.token_lifetime, deps.clock.now());
    jose::SharedKeyRing ring = TRY(keys->current());
    const jose::RingKey& key = ring->signing(deps.clock.now());
    return jose::mint_jwt(token_header(key.kid), claims, key.signer->key(), key.alg);
}

Json Service::Impl::token_header(const std::string& kid) const {
    return {{"jku", config.issuer + "/certs"}, {"kid", kid}};
}

// An error without a check is our own, but for a few that say what a caller did.
net::Response Service::Impl::answer_without_check(const Error& error,
                                                  const std::string& request_id) const {
    if (is_callers(error)) {
        int status = error.code == Code::not_found ? 404 : 400;
        return net::error_response(status, "InvalidOperation", error.message);
    }
    bool unavailable = error.code == Code::unavailable;
    const CodeInfo& info = code_info(unavailable ? Code::unavailable : Code::internal);
    return net::error_response(info.http_status, info.azure_code,
                               fmt::format("internal error (request {})", request_id));
}

net::Response Service::Impl::refuse(audit::Entry entry, const Error& error,
                                    const evidence::Bundle* bundle) {
    const Check* reason = error.reason();
    entry.outcome = reason != nullptr ? audit::Outcome::refused : audit::Outcome::failed;
    entry.reason = error.message;
    const std::optional<uint64_t> unrecorded = refusals_.pass(entry.actor, deps.clock.now());
    if (unrecorded && *unrecorded > 0) entry.details["unrecorded_before"] = *unrecorded;
    Result<uint64_t> recorded = unrecorded ? record(entry, bundle) : Result<uint64_t>(0);
    if ((reason == nullptr && !is_callers(error)) || !recorded) {
        log_event(LogLevel::error, "request failed",
                  {{"request_id", entry.request_id},
                   {"action", entry.action},
                   {"error", recorded ? error.message : recorded.error().message}});
    }
    if (reason == nullptr) return answer_without_check(error, entry.request_id);
    // The status is 400, or 401 for callers (azure-api C.7): Azure's clients repeat a request that
    // gets 5xx, and report others without a word.
    bool caller = reason->code.starts_with("CALLER-") || reason->code.starts_with("TOKEN-");
    std::string_view azure_code = caller ? "Unauthorized" : azure_code_of(*reason);
    net::Response response = net::error_response(caller ? 401 : 400, azure_code,
                                                 message_of(*reason, entry), reason->code);
    response.headers.set("x-ms-error-code", std::string(azure_code));
    response.headers.set("x-vouchsafe-check", reason->code);
    if (caller) {
        response.headers.set("WWW-Authenticate",
                             fmt::format("Bearer authorization=\"{}/{}\", resource=\"{}\"",
                                         vouching.get().login_of(config.callers.tenant,
                                                                 config.callers.login_authority),
                                         config.callers.tenant, config.resource));
    }
    return response;
}

net::Response Service::Impl::certs(const net::Request& request) const {
    Result<jose::SharedKeyRing> ring = keys->current();
    if (!ring) return answer_without_check(ring.error(), request.params.at("request_id"));
    return net::json_response(200, (*ring)->jwks(deps.clock.now()));
}

// Without a policy a request message is refused for it: so is an init message, before the TPM is
// put to work.
net::Response Service::Impl::attest_tpm(const net::Request& request) {
    constexpr auto kTarget = policy::AttestationTarget::tpm;
    std::optional<TpmMessage> init = read_tpm_init(request.body);
    auto policy = policies->active(kTarget);
    bool ready = policy.has_value() && *policy != nullptr;
    if (!init || !ready) return attest(kTarget, request);
    std::string context = challenges.issue(deps.clock.now()).text;
    Json challenge = {{"challenge", encode_base64url(challenge_digest(context))},
                      {"service_context", context}};
    return net::json_response(200, tpm_answer(std::move(challenge), init->in_payload));
}

net::Response Service::Impl::issue_challenge() const {
    Challenges::Issued issued = challenges.issue(deps.clock.now());
    return net::json_response(
        200, {{"challenge", std::move(issued.text)}, {"expires", to_unix(issued.expires)}});
}

net::Response Service::Impl::openid_configuration(const net::Request& request) const {
    Result<jose::SharedKeyRing> ring = keys->current();
    if (!ring) return answer_without_check(ring.error(), request.params.at("request_id"));
    return net::json_response(
        200, {{"issuer", config.issuer},
              {"jwks_uri", config.issuer + "/certs"},
              {"revocation_endpoint", config.issuer + "/revoke"},
              {"x-vouchsafe-challenge-endpoint", config.issuer + "/challenge"},
              {"response_types_supported", {"token", "none"}},
              {"id_token_signing_alg_values_supported", (*ring)->algorithms(deps.clock.now())},
              {"claims_supported", supported_claims()}});
}

}  // namespace vouchsafe::attest
