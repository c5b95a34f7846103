#include "vouchsafe/evidence/tdx/verified_collateral.h"

#include <algorithm>

namespace vouchsafe::evidence {

using crypto::Certificate;

Result<VerifiedTdxCollateral> TdxCollateralVerifier::verify(std::optional<PckIssuer> issuer) {
    if (!anchors_.intel) {
        return checks_.refuse("TDX-CHAIN-ROOT", "root", "a root", "none is pinned");
    }
    VerifiedTdxCollateral out(collateral_.tee, anchors_.tier, *anchors_.intel);
    out.issuer_ = std::move(issuer);
    TRY(verify_lists(out));
    TRY(verify_documents(out));
    out.valid_from_ = out.root_.not_before();
    out.valid_to_ = out.root_.not_after();
    if (out.issuer_) {
        out.valid_from_ = std::max(out.valid_from_, out.issuer_->certificate.not_before());
        out.valid_to_ = std::min(out.valid_to_, out.issuer_->certificate.not_after());
    }
    for (const CollateralValidity& validity : out.validities_) {
        out.valid_from_ = std::max(out.valid_from_, validity.from);
        out.valid_to_ = std::min(out.valid_to_, validity.to);
    }
    return out;
}

Result<void> TdxCollateralVerifier::verify_lists(VerifiedTdxCollateral& out) {
    constexpr std::string_view kRootCrl = "root CRL";
    if (collateral_.root_crl) {
        out.root_crl_ = TRY(read_crl(*collateral_.root_crl, kRootCrl, checks_));
        TRY(check_crl_signature(*out.root_crl_, out.root_, kRootCrl, checks_));
        out.validities_.push_back(TRY(check_crl_dates(*out.root_crl_, kRootCrl, now_, checks_)));
    }
    if (collateral_.pck_issuer_chain) {
        const PckIssuer* known = out.issuer_ ? &*out.issuer_ : nullptr;
        PckChainVerifier chain(&out.root_, known, now_, checks_);
        out.issuer_ = TRY(chain.verify_issuer(*collateral_.pck_issuer_chain));
    }
    if (out.root_crl_ && out.issuer_) {
        TRY(check_not_revoked(*out.root_crl_, out.issuer_->certificate, "intermediate", checks_));
    }
    return collateral_.pck_crl ? verify_pck_list(out) : Result<void>();
}

Result<void> TdxCollateralVerifier::verify_pck_list(VerifiedTdxCollateral& out) {
    constexpr std::string_view kPckCrl = "PCK CRL";
    out.pck_crl_ = TRY(read_crl(*collateral_.pck_crl, kPckCrl, checks_));
    if (out.issuer_) {
        TRY(check_crl_signature(*out.pck_crl_, out.issuer_->certificate, kPckCrl, checks_));
    }
    out.validities_.push_back(TRY(check_crl_dates(*out.pck_crl_, kPckCrl, now_, checks_)));
    return {};
}

Result<void> TdxCollateralVerifier::verify_documents(VerifiedTdxCollateral& out) {
    CollateralVerifier verifier(out.root_, out.root_crl_ ? &*out.root_crl_ : nullptr, now_, checks_,
                                out.tee_);
    if (collateral_.qe_identity) {
        out.qe_identity_ = TRY(verifier.verify_qe_identity(*collateral_.qe_identity));
    }
    if (collateral_.tcb_info) {
        out.tcb_info_ = TRY(verifier.verify_tcb_info(*collateral_.tcb_info));
    }
    out.validities_.insert(out.validities_.end(), verifier.validities().begin(),
                           verifier.validities().end());
    return {};
}

Result<VerifiedTdxCollateral> verify_tdx_collateral(const TdxCollateral& collateral,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks) {
    return TdxCollateralVerifier(collateral, anchors, now, checks).verify(std::nullopt);
}

}  // namespace vouchsafe::evidence
