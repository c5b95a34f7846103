// Verification of a TD quote: signatures from the quote up to Intel's pinned root, revocation, the
// quoting enclave's identity, the platform's TCB, then the rules. Pure: time and Intel's collateral
// come in.
#pragma once

#include <optional>
#include <set>

#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tdx/quote.h"
#include "vouchsafe/evidence/tdx/quote_verdict.h"
#include "vouchsafe/evidence/tdx/verified_collateral.h"

namespace vouchsafe::evidence {

// TdxRules is what a relying party demands of a quote beyond being genuine. That the domain cannot
// be profiled by the host or migrated, and has no unknown attributes, is demanded always.
struct TdxRules {
    // The host may read the domain's memory (ATTRIBUTES.DEBUG). What a quote says is recorded as a
    // check all the same.
    bool allow_debug = false;
    // Parts that may be left out if their collateral is not at hand. Collateral that is at hand is
    // always used, and refused if it is stale.
    std::set<TdxCheck> may_be_unchecked;
    // What Intel may say about the TCB. TcbStatus::revoked is refused even if it is in here.
    std::set<TcbStatus> accepted_status{TcbStatus::up_to_date};
    uint64_t minimum_evaluation = 0;                     // of TCB info and of QE identity
    uint64_t required_attributes = 0;                    // bits of td_attributes that must be set
    std::optional<std::array<uint8_t, 64>> report_data;  // expected exactly
};

// VerifiedTdQuote exists only if verify_tdx said yes. Immutable.
class VerifiedTdQuote {
  public:
    const TdxQuote& quote() const { return quote_; }
    const TdReport& report() const { return quote_.body; }
    Tier tier() const { return verdict_.tier; }
    const PckInfo& pck() const { return verdict_.pck; }
    const crypto::Certificate& signer() const { return verdict_.signer; }  // the PCK certificate
    // tcb is nullopt if the TCB was not checked.
    const std::optional<TdTcb>& tcb() const { return verdict_.tcb; }
    // not_checked names what could not be checked and was allowed to be left out; empty is best.
    // Whoever speaks about this quote has to say so.
    const std::vector<std::string>& not_checked() const { return verdict_.not_checked; }

  private:
    friend class TdxVerifier;  // verify.cpp alone
    VerifiedTdQuote(TdxQuote quote, QuoteVerdict verdict)
        : quote_(std::move(quote)), verdict_(std::move(verdict)) {}

    TdxQuote quote_;
    QuoteVerdict verdict_;
};

// verify_tdx verifies `quote` and returns it, or fails with the check that failed (codes TDX-*).
// Order: form, the attestation key's signature, its binding to the quoting enclave, the PCK's
// signature, the chain to Intel's root, the collateral by itself, revocation of the PCK, QE
// identity, TCB, then the rules; so a failed rule (TDX-DEBUG, TDX-ATTRIBUTES*, TDX-REPORT-DATA)
// means that the quote itself is genuine.
//
// The TCB judged is that of tee_tcb_svn, the TDX module at the domain's start; tee_tcb_svn2 of
// version 5, the module now, is exposed and not judged.
Result<VerifiedTdQuote> verify_tdx(ByteView quote, const TdxCollateral& collateral,
                                   const TrustAnchors& anchors, const TdxRules& rules, Time now,
                                   Checks& checks);

// verify_tdx_collateral (verified_collateral.h) and then verify_tdx for each quote are the same as
// verify_tdx with both, for many quotes: the collateral is verified once. Collateral that does not
// hold at `now` is refused by the check of its dates (TDX-CRL-DATES, TDX-COLLATERAL-DATES,
// TDX-COLLATERAL-CHAIN). If the collateral had the PCK's issuer, a quote of it costs three
// signatures: of the attestation key, of the PCK and of its issuer.
Result<VerifiedTdQuote> verify_tdx(ByteView quote, const VerifiedTdxCollateral& collateral,
                                   const TdxRules& rules, Time now, Checks& checks);

}  // namespace vouchsafe::evidence
