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
    if (built_in) rules.minimum_tcb.reported = terms.config.minimum_tcb;
    if (!built_in) rules.allow_unchecked = {evidence::kSnpRevocation};
    return rules;
}

// SnpLists are AMD's revocation lists for a chain: clients send none.
struct SnpLists {
    std::vector<crypto::Crl> crls;
    std::string missing;  // names of those that the chain needs and nobody has
};

// A certificate that cannot be read is refused by the verifier.
SnpLists snp_lists(const crypto::Certificate& leaf, const Terms& terms) {
    SnpLists out;
    auto certificate = evidence::SnpCertificate::parse(leaf);
    if (!certificate || terms.collateral == nullptr) return out;
    HeldSnp held = terms.collateral->snp_crls(certificate->product, certificate->kind);
    out.crls = std::move(held.crls);
    for (const CollateralProblem& one : held.missing) {
        out.missing += out.missing.empty() ? one.name : ", " + one.name;
    }
    return out;
}

// require_all_lists: the verifier is content with one list of the ARK's, but a VLEK's chain needs
// two. Without the second, revocation was not checked.
Result<std::vector<std::string>> require_all_lists(const evidence::VerifiedSnpReport& report,
                                                   const SnpLists& lists,
                                                   const evidence::SnpRules& rules,
                                                   Checks& checks) {
    std::vector<std::string> out = report.not_checked();
    if (!out.empty() || lists.missing.empty()) return out;
    bool allowed = rules.allow_unchecked.contains(evidence::kSnpRevocation);
    TRY(checks.require(allowed, "SNP-REVOCATION", evidence::kSnpRevocation,
                       "all lists of the chain", "without " + lists.missing));
    out.emplace_back(evidence::kSnpRevocation);
    return out;
}

Result<evidence::VerifiedTdQuote> verify_quote(ByteView quote, const evidence::TdxRules& rules,
                                               const Terms& terms, Checks& checks) {
    HeldTdx held = TRY(held_for(evidence::IntelTee::tdx, quote, terms, checks));
    if (held.collateral == nullptr) {
        return evidence::verify_tdx(quote, {}, terms.anchors, rules, terms.now, checks);
    }
    return evidence::verify_tdx(quote, *held.collateral, rules, terms.now, checks);
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

// expected_nonce is what the quote must have signed if the request answers a challenge.
Result<std::optional<Bytes>> expected_nonce(const AzureGuestRequest& request, const Terms& terms,
                                            Checks& checks) {
    if (!request.challenge) return std::optional<Bytes>{};
    TRY(checks.require(terms.challenges != nullptr, "ATTEST-CHALLENGE", "challenge",
                       "none: this service issues none", "one"));
    TRY(terms.challenges->check(*request.challenge, terms.now, checks));
    return std::optional<Bytes>{challenge_digest(*request.challenge)};
}

constexpr size_t kMaxSubject = 200;  // characters of what the paravisor calls a machine

std::string subject_of(const evidence::RuntimeClaims& runtime) {
    return runtime.vm.vm_unique_id.value_or("").substr(0, kMaxSubject);
}

}  // namespace

Result<Appraisal> appraise_azure_guest(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    AzureGuestRequest request =
        TRY(require_readable(AzureGuestRequest::parse(body, config.max_body), checks));
    evidence::AzureGuestRules rules;
    rules.snp = snp_rules(terms, request.draft_policy);
    rules.require_secure_boot = terms.built_in_policy && request.draft_policy.empty();
    rules.nonce = TRY(expected_nonce(request, terms, checks));
    Checks of_search;  // the verifier reads the chain again
    auto endorsements = evidence::SnpEndorsements::parse(request.evidence.vcek_chain, of_search);
    SnpLists lists;
    if (endorsements) lists = snp_lists(endorsements->leaf, terms);
    rules.crls = lists.crls;
    evidence::VerifiedAzureGuest guest = TRY(
        evidence::verify_azure_guest(request.evidence, terms.anchors, rules, terms.now, checks));
    TRY(check_paravisor(guest.snp().report(), config, checks));
    auto not_checked = TRY(require_all_lists(guest.snp(), lists, rules.snp, checks));
    TrustVector trust = trust_vector(guest, config, not_checked);
    return Appraisal{azure_guest_claims(request, guest, config, std::move(not_checked)),
                     trust,
                     subject_of(guest.runtime()),
                     guest.encryption_public_key(),
                     request.draft_policy,
                     request.challenge,
                     measured_of(guest)};
}

Result<Appraisal> appraise_snp_vm(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    SnpVmRequest request =
        TRY(require_readable(SnpVmRequest::parse(body, config.max_body), checks));
    auto endorsements = TRY(evidence::SnpEndorsements::parse(request.chain, checks));
    SnpLists lists = snp_lists(endorsements.leaf, terms);
    endorsements.crls = lists.crls;
    evidence::SnpRules rules = snp_rules(terms, request.bound.draft_policy);
    evidence::VerifiedSnpReport report = TRY(evidence::verify_snp(
        request.report, endorsements, terms.anchors, rules, terms.now, checks));
    auto not_checked = TRY(require_all_lists(report, lists, rules, checks));
    const evidence::SnpReport& fields = report.report();
    TRY(check_bound(request.bound, fields.report_data, {fields.host_data, crypto::HashAlg::sha256},
                    checks));
    return Appraisal{snp_vm_claims(request.bound, report, config, not_checked),
                     trust_vector(report, config, not_checked),
                     "",
                     std::nullopt,
                     request.bound.draft_policy,
                     std::nullopt,
                     measured_of(report)};
}

Result<Appraisal> appraise_tdx_vm(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    QuoteRequest request =
        TRY(require_readable(QuoteRequest::parse(body, config.max_body), checks));
    auto quote = TRY(verify_quote(
        request.quote, quote_rules<evidence::TdxRules>(terms, request.bound.draft_policy), terms,
        checks));
    const evidence::TdReport& report = quote.report();
    TRY(check_bound(request.bound, report.report_data, {report.mrconfigid, crypto::HashAlg::sha384},
                    checks));
    return Appraisal{tdx_vm_claims(request.bound, quote),
                     trust_vector(quote),
                     "",
                     std::nullopt,
                     request.bound.draft_policy,
                     std::nullopt,
                     measured_of(quote)};
}

}  // namespace vouchsafe::attest
