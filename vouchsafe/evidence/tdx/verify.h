// Verification of a TD quote: signatures from the quote up to Intel's pinned root, revocation, the
// quoting enclave's identity, the platform's TCB, then the rules. Pure: time and Intel's collateral
// come in.
#pragma once

#include <optional>
#include <set>

#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tdx/collateral.h"
#include "vouchsafe/evidence/tdx/pck.h"
#include "vouchsafe/evidence/tdx/quote.h"
#include "vouchsafe/evidence/tdx/verified_collateral.h"

namespace vouchsafe::evidence {

// TdxCheck is a part of the verification that needs Intel's collateral.
enum class TdxCheck {
    revocation,   // root CRL and PCK CRL
    qe_identity,  // the quoting enclave is Intel's and current
    tcb_info,     // platform and TDX module are current
};
std::string_view tdx_check_name(TdxCheck check);  // "revocation", "qe-identity", "tcb-info"

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

// TdTcb is Intel's judgement: the platform's level, and the status of platform, TDX module and
// quoting enclave together.
struct TdTcb {
    TcbStatus status = TcbStatus::revoked;
    Time date;                            // of the platform's level
    std::vector<std::string> advisories;  // of all three, sorted, each once
    uint64_t evaluation = 0;              // of TCB info
};

// VerifiedTdQuote exists only if verify_tdx said yes. Immutable.
class VerifiedTdQuote {
  public:
    const TdxQuote& quote() const { return quote_; }
    const TdReport& report() const { return quote_.body; }
    Tier tier() const { return tier_; }
    const PckInfo& pck() const { return pck_; }
    const crypto::Certificate& signer() const { return signer_; }  // the PCK certificate
    // tcb is nullopt if the TCB was not checked.
    const std::optional<TdTcb>& tcb() const { return tcb_; }
    // not_checked names what could not be checked and was allowed to be left out; empty is best.
    // Whoever speaks about this quote has to say so.
    const std::vector<std::string>& not_checked() const { return not_checked_; }

  private:
    friend class TdxVerifier;  // verify.cpp alone
    VerifiedTdQuote(TdxQuote quote, Tier tier, PckInfo pck, crypto::Certificate signer,
                    std::optional<TdTcb> tcb, std::vector<std::string> not_checked)
        : quote_(std::move(quote)),
          tier_(tier),
          pck_(std::move(pck)),
          signer_(std::move(signer)),
          tcb_(std::move(tcb)),
          not_checked_(std::move(not_checked)) {}

    TdxQuote quote_;
    Tier tier_;
    PckInfo pck_;
    crypto::Certificate signer_;
    std::optional<TdTcb> tcb_;
    std::vector<std::string> not_checked_;
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
