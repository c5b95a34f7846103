// Enclaves: POST /attest/SgxEnclave and /attest/OpenEnclave.
#include "vouchsafe/attest/appraise_parts.h"
#include "vouchsafe/attest/claims/sgx_claims.h"
#include "vouchsafe/attest/request/quote_request.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kInitDigest = 32;  // bytes of CONFIGID that keep it: the low ones (azure-api C.2)

Result<evidence::VerifiedSgxQuote> verify_quote_of_enclave(ByteView quote, const HeldTdx& held,
                                                           const std::string& draft_policy,
                                                           const Terms& terms, Checks& checks) {
    auto rules = quote_rules<evidence::SgxRules>(terms, draft_policy);
    if (held.collateral != nullptr) {
        return evidence::verify_sgx(quote, *held.collateral, rules, terms.now, checks);
    }
    evidence::TdxCollateral nothing;
    nothing.tee = evidence::IntelTee::sgx;
    return evidence::verify_sgx(quote, nothing, terms.anchors, rules, terms.now, checks);
}

Result<Appraisal> appraise_enclave(const QuoteRequest& request, const Terms& terms,
                                   Checks& checks) {
    TRY(check_challenge(request.bound.challenge, terms, checks));
    HeldTdx held = TRY(held_for(evidence::IntelTee::sgx, request.quote, terms, checks));
    auto quote = TRY(
        verify_quote_of_enclave(request.quote, held, request.bound.draft_policy, terms, checks));
    const evidence::EnclaveReport& report = quote.report();
    TRY(check_bound(request.bound, report.report_data,
                    {ByteView(report.config_id).first(kInitDigest), crypto::HashAlg::sha256},
                    checks));
    Appraisal out = bound_appraisal(request.bound);
    out.claims = sgx_claims(request, quote, held.used);
    out.trust = trust_vector(quote);
    out.measured = measured_of(quote);
    return out;
}

}  // namespace

Result<Appraisal> appraise_sgx_enclave(std::string_view body, const Terms& terms, Checks& checks) {
    return appraise_enclave(
        TRY(require_readable(QuoteRequest::parse(body, terms.config.max_body), checks)), terms,
        checks);
}

Result<Appraisal> appraise_open_enclave(std::string_view body, const Terms& terms, Checks& checks) {
    return appraise_enclave(
        TRY(require_readable(QuoteRequest::parse_open_enclave(body, terms.config.max_body),
                             checks)),
        terms, checks);
}

}  // namespace vouchsafe::attest
