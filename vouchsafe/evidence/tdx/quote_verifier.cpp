#include "vouchsafe/evidence/tdx/quote_verifier.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/tdx/platform.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

Result<void> verify_es256(ByteView key, ByteView message, ByteView signature) {
    auto public_key =
        TRY(crypto::PublicKey::from_ec(crypto::Curve::p256, key.first(32), key.subspan(32)));
    return public_key.verify(crypto::SigAlg::es256, message, signature);
}

}  // namespace

Result<QuoteVerdict> IntelQuoteVerifier::verify(const TdxCollateral& collateral,
                                                const TrustAnchors& anchors) {
    const Certificate* root = anchors.intel ? &*anchors.intel : nullptr;
    Signed one = TRY(authenticate(PckChainVerifier(root, nullptr, now_, checks_)));
    TRY(check_kind(collateral.tee));
    VerifiedTdxCollateral verified =
        TRY(TdxCollateralVerifier(collateral, anchors, now_, checks_).verify(one.issuer));
    return judge(std::move(one), verified);
}

Result<QuoteVerdict> IntelQuoteVerifier::verify(const VerifiedTdxCollateral& collateral) {
    const PckIssuer* known = collateral.issuer_ ? &*collateral.issuer_ : nullptr;
    Signed one = TRY(authenticate(PckChainVerifier(&collateral.root_, known, now_, checks_)));
    TRY(check_kind(collateral.tee_));
    for (const CollateralValidity& validity : collateral.validities_) {
        TRY(validity.check(now_, checks_));
    }
    return judge(std::move(one), collateral);
}

Result<void> IntelQuoteVerifier::check_kind(IntelTee of_collateral) {
    if (of_collateral == tee_) return {};
    return checks_.refuse(tee_terms(tee_).collateral_form, "collateral",
                          fmt::format("for {}", tee_terms(tee_).quotes),
                          fmt::format("for {}", tee_terms(of_collateral).quotes));
}

// authenticate makes all checks that need no collateral but the pinned root.
Result<IntelQuoteVerifier::Signed> IntelQuoteVerifier::authenticate(PckChainVerifier verifier) {
    TRY(check_signature());
    TRY(check_binding());
    PckChain chain = TRY(verifier.read(quote_.pck_chain));
    PckInfo pck = TRY(read_pck(chain.leaf));
    TRY(check_qe_signature(pck));
    PckIssuer issuer = TRY(verifier.verify(chain));
    return Signed{std::move(chain), std::move(pck), std::move(issuer)};
}

// judge makes the others, but those of the body.
Result<QuoteVerdict> IntelQuoteVerifier::judge(Signed one,
                                               const VerifiedTdxCollateral& collateral) {
    TRY(check_revocation(one.chain, collateral));
    std::optional<TdTcb> tcb = TRY(check_tcb(one.pck, collateral));
    return QuoteVerdict{collateral.tier(), std::move(one.pck), one.chain.leaf, std::move(tcb),
                        std::move(not_checked_)};
}

Result<void> IntelQuoteVerifier::check_signature() {
    auto verified =
        verify_es256(quote_.attestation_key, bytes_.first(quote_.signed_size), quote_.signature);
    return checks_.require(verified.has_value(), "TDX-SIGNATURE", "signature",
                           "made with the attestation key",
                           verified ? "holds" : verified.error().message);
}

Result<void> IntelQuoteVerifier::check_binding() {
    Bytes bound = to_bytes(quote_.attestation_key);
    append(bound, quote_.qe_authentication_data);
    Bytes expected = crypto::hash(crypto::HashAlg::sha256, bound);
    expected.resize(quote_.qe_report.report_data.size());
    return checks_.require(equal(expected, quote_.qe_report.report_data), "TDX-QE-BINDING",
                           "QE report data", encode_hex(expected),
                           encode_hex(quote_.qe_report.report_data));
}

Result<PckInfo> IntelQuoteVerifier::read_pck(const Certificate& leaf) {
    auto pck = PckInfo::parse(leaf);
    TRY(checks_.require(pck.has_value(), "TDX-PCK-FORM", leaf.subject_common_name(),
                        "Intel's SGX extension and a P-256 key",
                        pck ? "well formed" : pck.error().message));
    return pck;
}

Result<void> IntelQuoteVerifier::check_qe_signature(const PckInfo& pck) {
    auto verified =
        pck.key.verify(crypto::SigAlg::es256, quote_.qe_report_bytes, quote_.qe_report_signature);
    return checks_.require(verified.has_value(), "TDX-QE-SIGNATURE", "QE report signature",
                           "made with the PCK", verified ? "holds" : verified.error().message);
}

// leave_out notes what cannot be checked, if the rules allow that.
Result<void> IntelQuoteVerifier::leave_out(TdxCheck check) {
    std::string name(tdx_check_name(check));
    TRY(checks_.require(rules_.may_be_unchecked.contains(check), "TDX-NOT-CHECKED", name,
                        "checked, or allowed to be left out", "no collateral at hand"));
    not_checked_.push_back(std::move(name));
    return {};
}

// check_revocation uses what lists there are; with one of two, revocation was not checked. The
// collateral answers for its own issuer; any other is looked up here, and has to have signed the
// list.
Result<void> IntelQuoteVerifier::check_revocation(const PckChain& chain,
                                                  const VerifiedTdxCollateral& collateral) {
    bool known =
        collateral.issuer_ && equal(chain.issuer.der(), collateral.issuer_->certificate.der());
    if (collateral.root_crl_ && !known) {
        TRY(check_not_revoked(*collateral.root_crl_, chain.issuer, "intermediate", checks_));
    }
    if (collateral.pck_crl_) {
        if (!known) {
            TRY(check_crl_signature(*collateral.pck_crl_, chain.issuer, "PCK CRL", checks_));
        }
        TRY(check_not_revoked(*collateral.pck_crl_, chain.leaf, "PCK", checks_));
    }
    if (collateral.root_crl_ && collateral.pck_crl_) return {};
    return leave_out(TdxCheck::revocation);
}

Result<std::optional<TdTcb>> IntelQuoteVerifier::check_tcb(
    const PckInfo& pck, const VerifiedTdxCollateral& collateral) {
    PlatformChecker platform(tee_, checks_);
    std::optional<TcbJudgement> enclave;
    if (const auto& identity = collateral.qe_identity()) {
        TRY(check_evaluation(identity->evaluation, "enclaveIdentity"));
        enclave = TRY(platform.judge_enclave(*identity, quote_.qe_report));
    } else {
        TRY(leave_out(TdxCheck::qe_identity));
        TRY(platform.check_enclave_unlisted(quote_.qe_report));
    }
    const std::optional<TcbInfo>& info = collateral.tcb_info();
    if (!info) {
        TRY(leave_out(TdxCheck::tcb_info));
        if (domain_ != nullptr) TRY(platform.check_module_unlisted(*domain_));
        if (enclave) TRY(check_status(enclave->status));
        return std::optional<TdTcb>();
    }
    TRY(check_evaluation(info->evaluation, "tcbInfo"));
    TdTcb tcb = TRY(platform.judge(*info, domain_, pck, enclave));
    TRY(check_status(tcb.status));
    return std::optional<TdTcb>(std::move(tcb));
}

Result<void> IntelQuoteVerifier::check_evaluation(uint64_t evaluation, std::string_view field) {
    return checks_.require(evaluation >= rules_.minimum_evaluation, "TDX-EVALUATION", field,
                           fmt::format("at least {}", rules_.minimum_evaluation),
                           fmt::format("{}", evaluation));
}

Result<void> IntelQuoteVerifier::check_status(TcbStatus status) {
    std::string accepted;
    for (TcbStatus one : rules_.accepted_status) {
        if (one == TcbStatus::revoked) continue;
        accepted += fmt::format("{}{}", accepted.empty() ? "" : " or ", tcb_status_name(one));
    }
    bool ok = status != TcbStatus::revoked && rules_.accepted_status.contains(status);
    return checks_.require(ok, tee_terms(tee_).tcb_status, "tcbStatus", accepted,
                           std::string(tcb_status_name(status)));
}

}  // namespace vouchsafe::evidence
