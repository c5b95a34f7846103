// Verification of Azure's HCL report on its own: the hardware report in it, and that the runtime
// claims are the ones the hardware vouched for. What a whole guest sends is guest.h's.
#pragma once

#include "vouchsafe/evidence/azure/hcl.h"
#include "vouchsafe/evidence/snp/verify.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::evidence {

// VerifiedHclReport exists only if verify_hcl said yes: an HCL report of an SEV-SNP machine.
// Immutable.
class VerifiedHclReport {
  public:
    const HclReport& report() const { return report_; }
    const RuntimeClaims& claims() const { return claims_; }
    const VerifiedSnpReport& snp() const { return snp_; }

  private:
    friend struct HclVerifier;  // hcl_verify.cpp alone
    VerifiedHclReport(HclReport report, RuntimeClaims claims, VerifiedSnpReport snp)
        : report_(std::move(report)), claims_(std::move(claims)), snp_(std::move(snp)) {}
    HclReport report_;
    RuntimeClaims claims_;
    VerifiedSnpReport snp_;
};

// VerifiedTdHclReport is the same of a TDX machine: exists only if verify_td_hcl said yes.
class VerifiedTdHclReport {
  public:
    const HclReport& report() const { return report_; }
    const RuntimeClaims& claims() const { return claims_; }
    const VerifiedTdQuote& quote() const { return quote_; }

  private:
    friend struct HclVerifier;  // hcl_verify.cpp alone
    VerifiedTdHclReport(HclReport report, RuntimeClaims claims, VerifiedTdQuote quote)
        : report_(std::move(report)), claims_(std::move(claims)), quote_(std::move(quote)) {}
    HclReport report_;
    RuntimeClaims claims_;
    VerifiedTdQuote quote_;
};

// verify_hcl verifies the content of NV index 0x01400001 with the certificates of its processor:
// form, SEV-SNP report, binding of the runtime data, then, if `ak` is given, that it is the runtime
// claims' HCLAkPub. Codes HCL-*, SNP-*. A report of another kind than SEV-SNP is refused with
// HCL-TEE.
Result<VerifiedHclReport> verify_hcl(ByteView nv, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules,
                                     const std::optional<crypto::PublicKey>& ak, Time now,
                                     Checks& checks);

// verify_td_hcl does so for a TDX machine. Its NV index holds a TDREPORT, which only its own
// processor can check; so the guest has to fetch a quote of it, and `quote` must be one of the very
// same trust domain and runtime data: equal report data, MRTD, RTMRs, owner fields and attributes
// (HCL-QUOTE; Intel 344425, TDREPORT_STRUCT). Codes HCL-*, TDX-*.
Result<VerifiedTdHclReport> verify_td_hcl(ByteView nv, ByteView quote,
                                          const TdxCollateral& collateral,
                                          const TrustAnchors& anchors, const TdxRules& rules,
                                          const std::optional<crypto::PublicKey>& ak, Time now,
                                          Checks& checks);

}  // namespace vouchsafe::evidence
