#include "vouchsafe/evidence/tdx/verify.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/tdx/quote_verifier.h"

namespace vouchsafe::evidence {

namespace {

Result<void> check_rules(const TdReport& report, const TdxRules& rules, Checks& checks) {
    const TdAttributes& attributes = report.td_attributes;
    std::string found = fmt::format("{:#x}", attributes.raw);
    TRY(checks.require(!attributes.debug() || rules.allow_debug, "TDX-DEBUG", "td_attributes.debug",
                       rules.allow_debug ? "0 or 1: these rules allow it" : "0",
                       attributes.debug() ? "1" : "0"));
    bool sound = attributes.other_untrusted_bits() == 0 && !attributes.migratable() &&
                 attributes.unknown_bits() == 0;
    TRY(checks.require(sound, "TDX-ATTRIBUTES", "td_attributes",
                       "neither profiling, migration nor unknown bits", found));
    uint64_t required = rules.required_attributes;
    TRY(checks.require((attributes.raw & required) == required, "TDX-ATTRIBUTES-REQUIRED",
                       "td_attributes", fmt::format("all bits of {:#x}", required), found));
    if (!rules.report_data) return {};
    return checks.require(equal(report.report_data, *rules.report_data), "TDX-REPORT-DATA",
                          "report_data", encode_hex(*rules.report_data),
                          encode_hex(report.report_data));
}

}  // namespace

// TdxVerifier is the only maker of VerifiedTdQuote. `verify` gives the verdict of a
// IntelQuoteVerifier.
class TdxVerifier {
  public:
    template <typename Verify>
    static Result<VerifiedTdQuote> run(ByteView bytes, const TdxRules& rules, Time now,
                                       Checks& checks, const Verify& verify) {
        TdxQuote quote = TRY(TdxQuote::parse(bytes, checks));
        CollateralRules collateral_rules{rules.may_be_unchecked, rules.accepted_status,
                                         rules.minimum_evaluation};
        IntelQuoteVerifier verifier(quote, bytes, &quote.body, collateral_rules, now, checks);
        QuoteVerdict verdict = TRY(verify(verifier));
        TRY(check_rules(quote.body, rules, checks));
        return VerifiedTdQuote(std::move(quote), std::move(verdict));
    }
};

Result<VerifiedTdQuote> verify_tdx(ByteView quote, const TdxCollateral& collateral,
                                   const TrustAnchors& anchors, const TdxRules& rules, Time now,
                                   Checks& checks) {
    return TdxVerifier::run(quote, rules, now, checks, [&](IntelQuoteVerifier& verifier) {
        return verifier.verify(collateral, anchors);
    });
}

Result<VerifiedTdQuote> verify_tdx(ByteView quote, const VerifiedTdxCollateral& collateral,
                                   const TdxRules& rules, Time now, Checks& checks) {
    return TdxVerifier::run(quote, rules, now, checks, [&](IntelQuoteVerifier& verifier) {
        return verifier.verify(collateral);
    });
}

}  // namespace vouchsafe::evidence
