#include "vouchsafe/evidence/sgx/verify.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/tdx/quote_verifier.h"

namespace vouchsafe::evidence {

namespace {

Result<void> check_rules(const EnclaveReport& report, const SgxRules& rules, Checks& checks) {
    TRY(checks.require(!report.debug() || rules.allow_debug, "SGX-DEBUG", "attributes.debug",
                       rules.allow_debug ? "0 or 1: these rules allow it" : "0",
                       report.debug() ? "1" : "0"));
    TRY(checks.require(report.initialized() && report.unknown_flags() == 0, "SGX-ATTRIBUTES",
                       "attributes", "initialized, and no unknown bits",
                       fmt::format("{:#x}", report.flags())));
    if (!rules.report_data) return {};
    return checks.require(equal(report.report_data, *rules.report_data), "TDX-REPORT-DATA",
                          "report_data", encode_hex(*rules.report_data),
                          encode_hex(report.report_data));
}

}  // namespace

// SgxVerifier is the only maker of VerifiedSgxQuote. `verify` gives the verdict of a
// IntelQuoteVerifier.
class SgxVerifier {
  public:
    template <typename Verify>
    static Result<VerifiedSgxQuote> run(ByteView bytes, const SgxRules& rules, Time now,
                                        Checks& checks, const Verify& verify) {
        SgxQuote quote = TRY(SgxQuote::parse(bytes, checks));
        CollateralRules collateral_rules{rules.may_be_unchecked, rules.accepted_status,
                                         rules.minimum_evaluation};
        IntelQuoteVerifier verifier(quote, bytes, nullptr, collateral_rules, now, checks);
        QuoteVerdict verdict = TRY(verify(verifier));
        TRY(check_rules(quote.body, rules, checks));
        return VerifiedSgxQuote(std::move(quote), std::move(verdict));
    }
};

Result<VerifiedSgxQuote> verify_sgx(ByteView quote, const TdxCollateral& collateral,
                                    const TrustAnchors& anchors, const SgxRules& rules, Time now,
                                    Checks& checks) {
    return SgxVerifier::run(quote, rules, now, checks, [&](IntelQuoteVerifier& verifier) {
        return verifier.verify(collateral, anchors);
    });
}

Result<VerifiedSgxQuote> verify_sgx(ByteView quote, const VerifiedTdxCollateral& collateral,
                                    const SgxRules& rules, Time now, Checks& checks) {
    return SgxVerifier::run(quote, rules, now, checks, [&](IntelQuoteVerifier& verifier) {
        return verifier.verify(collateral);
    });
}

}  // namespace vouchsafe::evidence
