#include "vouchsafe/attest/appraise.h"

#include "vouchsafe/attest/appraise_parts.h"
#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/request/quote_request.h"
#include "vouchsafe/attest/request/snp_vm_request.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

evidence::SnpRules snp_rules(const Terms& terms, const std::string& draft_policy) {
    evidence::SnpRules rules;
    bool built_in = terms.built_in_policy && draft_policy.empty();
    rules.allow_debug = !built_in;
    rules.allow_migration = !built_in;
    rules.allow_version_1 = !built_in;
    if (built_in) rules.minimum_tcb.reported = terms.config.minimum_tcb;
    if (!built_in) rules.allow_unchecked = {evidence::kSnpRevocation};
    return rules;
}

// require_all_lists: the verifier is content with one list of the ARK's, but a VLEK's chain needs
// two. Without the second, revocation was not checked.
Result<std::vector<std::string>> require_all_lists(const evidence::VerifiedSnpReport& report,
                                                   const std::string& missing,
                                                   const evidence::SnpRules& rules,
                                                   Checks& checks) {
    std::vector<std::string> out = report.not_checked();
    if (!out.empty() || missing.empty()) return out;
    bool allowed = rules.allow_unchecked.contains(evidence::kSnpRevocation);
    TRY(checks.require(allowed, "SNP-REVOCATION", evidence::kSnpRevocation,
                       "all lists of the chain", "without " + missing));
    out.emplace_back(evidence::kSnpRevocation);
    return out;
}

void tell_used(const KeepingEndorser& endorser, const Terms& terms) {
    if (terms.used_collateral != nullptr) *terms.used_collateral = endorser.lists();
}

// check_paravisor: the AK in the runtime data is only as good as the paravisor that wrote it there;
// its launch must have been signed by a known ID key.
Result<void> check_paravisor(const evidence::SnpReport& report, const Config& config,
                             Checks& checks) {
    return checks.require(
        is_compliant(report, config), "ATTEST-ID-KEY", "id_key_digest",
        fmt::format("one of {} known paravisors' ID keys", config.compliant_id_keys.size()),
        encode_hex(report.id_key_digest));
}

}  // namespace

Result<Appraisal> appraise_azure_guest(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    AzureGuestRequest request =
        TRY(require_readable(AzureGuestRequest::parse(body, config.max_body), checks));
    if (request.evidence.isolation_type == "Tdx") {
        return appraise_td_guest(request, terms, checks);
    }
    if (config.trusted_launch && request.evidence.isolation_type == "TrustedLaunch") {
        return appraise_trusted_launch(request, terms, checks);
    }
    evidence::AzureGuestRules rules;
    rules.snp = snp_rules(terms, request.draft_policy);
    rules.require_secure_boot = terms.built_in_policy && request.draft_policy.empty();
    rules.nonce = TRY(expected_nonce(request, terms, checks));
    KeepingEndorser endorser(terms.anchors, terms.collateral, terms.snp_chains);
    KeepingAkEndorser aks(terms.anchors, terms.aks, terms.runtimes);
    auto verified =
        evidence::verify_azure_guest(request.evidence, endorser, aks, rules, terms.now, checks);
    tell_used(endorser, terms);
    evidence::VerifiedAzureGuest guest = TRY(std::move(verified));
    TRY(check_paravisor(guest.snp().report(), config, checks));
    auto not_checked =
        TRY(require_all_lists(guest.snp(), endorser.missing_lists(), rules.snp, checks));
    Appraisal out;
    out.trust = trust_vector(guest, config, not_checked);
    out.claims = azure_guest_claims(request, guest, config, std::move(not_checked));
    out.subject = subject_of(guest.runtime());
    out.seal_to = guest.encryption_public_key();
    out.draft_policy = request.draft_policy;
    out.challenge = request.challenge;
    out.measured = measured_of(guest);
    return out;
}

Result<Appraisal> appraise_snp_vm(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    SnpVmRequest request =
        TRY(require_readable(SnpVmRequest::parse(body, config.max_body), checks));
    TRY(check_challenge(request.bound.challenge, terms, checks));
    evidence::SnpRules rules = snp_rules(terms, request.bound.draft_policy);
    KeepingEndorser endorser(terms.anchors, terms.collateral, terms.snp_chains);
    auto verified =
        evidence::verify_snp(request.report, request.chain, endorser, rules, terms.now, checks);
    tell_used(endorser, terms);
    evidence::VerifiedSnpReport report = TRY(std::move(verified));
    auto not_checked = TRY(require_all_lists(report, endorser.missing_lists(), rules, checks));
    const evidence::SnpReport& fields = report.report();
    TRY(check_bound(request.bound, fields.report_data, {fields.host_data, crypto::HashAlg::sha256},
                    checks));
    Appraisal out = bound_appraisal(request.bound);
    out.claims = snp_vm_claims(request.bound, report, config, not_checked);
    out.trust = trust_vector(report, config, not_checked);
    out.measured = measured_of(report);
    return out;
}

Result<Appraisal> appraise_tdx_vm(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    QuoteRequest request =
        TRY(require_readable(QuoteRequest::parse(body, config.max_body), checks));
    TRY(check_challenge(request.bound.challenge, terms, checks));
    auto quote = TRY(verify_td_quote(request.quote, request.bound.draft_policy, terms, checks));
    const evidence::TdReport& report = quote.report();
    TRY(check_bound(request.bound, report.report_data, {report.mrconfigid, crypto::HashAlg::sha384},
                    checks));
    Appraisal out = bound_appraisal(request.bound);
    out.claims = tdx_vm_claims(request.bound, quote);
    out.trust = trust_vector(quote);
    out.measured = measured_of(quote);
    return out;
}

Appraise appraise_for(policy::AttestationTarget target) {
    using enum policy::AttestationTarget;
    switch (target) {
        case azure_guest:
            return appraise_azure_guest;
        case sev_snp_vm:
            return appraise_snp_vm;
        case tdx_vm:
            return appraise_tdx_vm;
        case sgx_enclave:
            return appraise_sgx_enclave;
        case open_enclave:
            return appraise_open_enclave;
        case tpm:
            break;
    }
    return appraise_tpm;
}

}  // namespace vouchsafe::attest
