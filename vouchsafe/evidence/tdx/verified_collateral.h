// Intel's collateral, verified once for many quotes. Every quote still is verified with the time of
// its own: collateral that ran out since is refused then.
#pragma once

#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tdx/chain.h"
#include "vouchsafe/evidence/tdx/collateral.h"

namespace vouchsafe::evidence {

// VerifiedTdxCollateral exists only if verify_tdx_collateral said yes. Immutable: threads may share
// one. It does not renew itself; whoever keeps it verifies fresh collateral before valid_to().
class VerifiedTdxCollateral {
  public:
    IntelTee tee() const { return tee_; }
    Tier tier() const { return tier_; }
    const std::optional<TcbInfo>& tcb_info() const { return tcb_info_; }
    const std::optional<QeIdentity>& qe_identity() const { return qe_identity_; }
    Time valid_from() const { return valid_from_; }  // of everything in it together, and the root
    Time valid_to() const { return valid_to_; }

  private:
    friend class TdxCollateralVerifier;  // verified_collateral.cpp alone
    friend class IntelQuoteVerifier;     // quote_verifier.cpp alone
    VerifiedTdxCollateral(IntelTee tee, Tier tier, crypto::Certificate root)
        : tee_(tee), tier_(tier), root_(std::move(root)) {}

    IntelTee tee_;
    Tier tier_;
    crypto::Certificate root_;  // the pinned one
    // Verified under root_, and not revoked by root_crl_ if that is there.
    std::optional<PckIssuer> issuer_;
    std::optional<crypto::Crl> root_crl_;  // signed by root_
    // Signed by issuer_. Without issuer_ nobody knows yet whose it is: then, as for any other
    // issuer than issuer_, its signature is verified with each quote.
    std::optional<crypto::Crl> pck_crl_;
    std::optional<TcbInfo> tcb_info_;
    std::optional<QeIdentity> qe_identity_;
    std::vector<CollateralValidity> validities_;
    Time valid_from_, valid_to_;
};

// verify_tdx_collateral verifies what there is in `collateral` under the pinned root, or fails with
// the check that failed (codes TDX-CHAIN-*, TDX-CRL-*, TDX-COLLATERAL-*, SGX-COLLATERAL-FORM,
// TDX-REVOKED; without a pinned root TDX-CHAIN-ROOT). Order: root CRL, PCK issuer, PCK CRL, QE
// identity, TCB info. Whether something may be missing is a question for the rules of verify_tdx
// and verify_sgx.
Result<VerifiedTdxCollateral> verify_tdx_collateral(const TdxCollateral& collateral,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks);

// TdxCollateralVerifier is that function, and the same for quote_verifier.cpp, which knows an
// issuer that it verified under the pinned root. Borrows what it is given.
class TdxCollateralVerifier {
    friend class IntelQuoteVerifier;  // quote_verifier.cpp alone
    friend Result<VerifiedTdxCollateral> verify_tdx_collateral(const TdxCollateral& collateral,
                                                               const TrustAnchors& anchors,
                                                               Time now, Checks& checks);
    TdxCollateralVerifier(const TdxCollateral& collateral, const TrustAnchors& anchors, Time now,
                          Checks& checks)
        : collateral_(collateral), anchors_(anchors), now_(now), checks_(checks) {}

    Result<VerifiedTdxCollateral> verify(std::optional<PckIssuer> issuer);
    Result<void> verify_lists(VerifiedTdxCollateral& out);
    Result<void> verify_pck_list(VerifiedTdxCollateral& out);
    Result<void> verify_documents(VerifiedTdxCollateral& out);

    const TdxCollateral& collateral_;
    const TrustAnchors& anchors_;
    Time now_;
    Checks& checks_;
};

}  // namespace vouchsafe::evidence
