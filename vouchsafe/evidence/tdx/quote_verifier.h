// The verification that quotes of trust domains and of SGX enclaves share: from the attestation
// key's signature to Intel's judgement of the platform. For verify.cpp here and in evidence/sgx
// alone, which parse the quote before and judge its body after.
#pragma once

#include "vouchsafe/evidence/tdx/quote.h"
#include "vouchsafe/evidence/tdx/quote_verdict.h"
#include "vouchsafe/evidence/tdx/verified_collateral.h"

namespace vouchsafe::evidence {

// CollateralRules is what the rules of verify_tdx and verify_sgx say about collateral. Borrows.
struct CollateralRules {
    const std::set<TdxCheck>& may_be_unchecked;
    const std::set<TcbStatus>& accepted_status;
    uint64_t minimum_evaluation = 0;
};

// IntelQuoteVerifier verifies one quote. Borrows what it is given. Fails as verify_tdx and
// verify_sgx say, in that order.
class IntelQuoteVerifier {
  public:
    // `bytes` are those of `quote`; `domain` is its body, nullptr if the quote is an SGX enclave's.
    IntelQuoteVerifier(const QuoteParts& quote, ByteView bytes, const TdReport* domain,
                       const CollateralRules& rules, Time now, Checks& checks)
        : quote_(quote),
          bytes_(bytes),
          domain_(domain),
          tee_(domain != nullptr ? IntelTee::tdx : IntelTee::sgx),
          rules_(rules),
          now_(now),
          checks_(checks) {}

    Result<QuoteVerdict> verify(const TdxCollateral& collateral, const TrustAnchors& anchors);
    Result<QuoteVerdict> verify(const VerifiedTdxCollateral& collateral);

  private:
    // Signed is what the quote brings, verified up to the pinned root.
    struct Signed {
        PckChain chain;
        PckInfo pck;
        PckIssuer issuer;
    };

    Result<void> check_kind(IntelTee of_collateral);
    Result<Signed> authenticate(PckChainVerifier verifier);
    Result<void> check_signature();
    Result<void> check_binding();
    Result<PckInfo> read_pck(const crypto::Certificate& leaf);
    Result<void> check_qe_signature(const PckInfo& pck);

    Result<QuoteVerdict> judge(Signed one, const VerifiedTdxCollateral& collateral);
    Result<void> leave_out(TdxCheck check);
    Result<void> check_revocation(const PckChain& chain, const VerifiedTdxCollateral& collateral);
    Result<std::optional<TdTcb>> check_tcb(const PckInfo& pck,
                                           const VerifiedTdxCollateral& collateral);
    Result<void> check_evaluation(uint64_t evaluation, std::string_view field);
    Result<void> check_status(TcbStatus status);

    const QuoteParts& quote_;
    ByteView bytes_;
    const TdReport* domain_;
    IntelTee tee_;
    CollateralRules rules_;
    Time now_;
    Checks& checks_;
    std::vector<std::string> not_checked_;
};

}  // namespace vouchsafe::evidence
