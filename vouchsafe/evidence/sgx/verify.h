// Verification of an SGX enclave's quote: the same as of a TD quote (tdx/verify.h), by the same
// certificates and revocation lists and by Intel's documents for SGX, then the rules for an
// enclave. Pure: time and Intel's collateral come in.
//
// Who vouches for the enclave is verified, not which enclave it is: MRENCLAVE and MRSIGNER are for
// whoever relies on it to compare. There is no secure enclave but one whose maker is trusted.
#pragma once

#include "vouchsafe/evidence/sgx/quote.h"
#include "vouchsafe/evidence/tdx/quote_verdict.h"
#include "vouchsafe/evidence/tdx/verified_collateral.h"

namespace vouchsafe::evidence {

// SgxRules is what a relying party demands of a quote beyond being genuine. That the enclave is
// initialized and has no unknown attributes is demanded always.
struct SgxRules {
    // The host may read the enclave's memory (ATTRIBUTES.DEBUG). What a quote says is recorded as a
    // check all the same.
    bool allow_debug = false;
    // Parts that may be left out if their collateral is not at hand. Collateral that is at hand is
    // always used, and refused if it is stale.
    std::set<TdxCheck> may_be_unchecked;
    // What Intel may say about the TCB. TcbStatus::revoked is refused even if it is in here.
    std::set<TcbStatus> accepted_status{TcbStatus::up_to_date};
    uint64_t minimum_evaluation = 0;                     // of TCB info and of QE identity
    std::optional<std::array<uint8_t, 64>> report_data;  // expected exactly
};

// VerifiedSgxQuote exists only if verify_sgx said yes. Immutable.
class VerifiedSgxQuote {
  public:
    const SgxQuote& quote() const { return quote_; }
    const EnclaveReport& report() const { return quote_.body; }
    Tier tier() const { return verdict_.tier; }
    const PckInfo& pck() const { return verdict_.pck; }
    const crypto::Certificate& signer() const { return verdict_.signer; }  // the PCK certificate
    // tcb is nullopt if the TCB was not checked.
    const std::optional<TdTcb>& tcb() const { return verdict_.tcb; }
    // not_checked names what could not be checked and was allowed to be left out; empty is best.
    // Whoever speaks about this quote has to say so.
    const std::vector<std::string>& not_checked() const { return verdict_.not_checked; }

  private:
    friend class SgxVerifier;  // verify.cpp alone
    VerifiedSgxQuote(SgxQuote quote, QuoteVerdict verdict)
        : quote_(std::move(quote)), verdict_(std::move(verdict)) {}

    SgxQuote quote_;
    QuoteVerdict verdict_;
};

// verify_sgx verifies `quote` and returns it, or fails with the check that failed (codes SGX-*, and
// TDX-* for what is the same). The order is that of verify_tdx, without a TDX module; the rules
// (SGX-DEBUG, SGX-ATTRIBUTES, TDX-REPORT-DATA) come last, so a failed one means that the quote
// itself is genuine. The collateral's `tee` must be sgx, else SGX-COLLATERAL-FORM.
Result<VerifiedSgxQuote> verify_sgx(ByteView quote, const TdxCollateral& collateral,
                                    const TrustAnchors& anchors, const SgxRules& rules, Time now,
                                    Checks& checks);

// The same with collateral that verify_tdx_collateral verified, for many quotes.
Result<VerifiedSgxQuote> verify_sgx(ByteView quote, const VerifiedTdxCollateral& collateral,
                                    const SgxRules& rules, Time now, Checks& checks);

}  // namespace vouchsafe::evidence
