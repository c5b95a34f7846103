// Machines with a TPM: POST /attest/Tpm, request messages.
#include "vouchsafe/attest/appraise_parts.h"
#include "vouchsafe/attest/claims/tpm_claims.h"
#include "vouchsafe/attest/request/tpm_request.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

namespace {

// The service's context is a challenge of its own making, and the challenge that the TPM signs is
// that one's digest: short enough for every TPM.
Result<void> check_context(const TpmRequest& request, const Terms& terms, Checks& checks) {
    TRY(checks.require(terms.challenges != nullptr, "ATTEST-CHALLENGE", "service_context",
                       "none: this service issues none", "one"));
    TRY(terms.challenges->check(request.service_context, terms.now, checks));
    Bytes expected = challenge_digest(request.service_context);
    return checks.require(equal(expected, request.challenge), "ATTEST-CHALLENGE", "challenge",
                          encode_hex(expected), encode_hex(request.challenge));
}

// check_request_key returns what the quote must sign besides the registers.
Result<Bytes> check_request_key(const TpmRequest& request, Checks& checks) {
    auto nonce = request.qualifying_data();
    TRY(checks.require(nonce.has_value(), "ATTEST-REQUEST-KEY", "request_key.info",
                       "tpm_quote or tpm_certify", nonce ? "one of them" : "neither"));
    auto held = jose::verify_jws(request.jws, request.request_key.key);
    TRY(checks.require(held.has_value(), "ATTEST-REQUEST-KEY", "request's signature",
                       "made with request_key", held ? "holds" : held.error().message));
    return nonce.value_or(Bytes());
}

evidence::TpmMachineRules tpm_rules(const policy::PolicyProperties& set, Bytes nonce) {
    evidence::TpmMachineRules rules;
    rules.require_ak_certificate = set.require_valid_aik_cert.value_or(true);
    if (set.required_pcr_mask) rules.required_pcrs = static_cast<uint32_t>(*set.required_pcr_mask);
    rules.nonce = std::move(nonce);
    return rules;
}

Result<AppraisedTpmKey> appraise_key(const TpmKey& key, const TpmRequest& request,
                                     const evidence::TpmSigningKey& ak, Checks& checks) {
    AppraisedTpmKey out{&key};
    if (!key.certification) return out;
    out.held = TRY(
        evidence::verify_certified_key(*key.certification, key.key, request.challenge, ak, checks));
    return out;
}

}  // namespace

Result<Appraisal> appraise_tpm(std::string_view body, const Terms& terms, Checks& checks) {
    TpmRequest request =
        TRY(require_readable(TpmRequest::parse(body, terms.config.max_body), checks));
    TRY(check_context(request, terms, checks));
    Bytes nonce = TRY(check_request_key(request, checks));
    auto machine = TRY(evidence::verify_tpm_machine(
        request.evidence, terms.anchors, tpm_rules(terms.configuration, std::move(nonce)),
        terms.now, checks));
    AppraisedTpmKey request_key =
        TRY(appraise_key(request.request_key, request, machine.ak(), checks));
    std::vector<AppraisedTpmKey> others;
    for (const TpmKey& key : request.other_keys) {
        others.push_back(TRY(appraise_key(key, request, machine.ak(), checks)));
    }
    Appraisal out;
    out.claims = tpm_claims(request, machine);
    out.trust = trust_vector(machine);
    out.subject = out.claims["aikPubHash"];
    out.challenge = request.service_context;
    out.tpm_payload = request.in_payload;
    out.for_rules = tpm_rule_claims(machine, request_key, others);
    return out;
}

}  // namespace vouchsafe::attest
