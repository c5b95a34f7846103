// Verification of Azure's HCL report on its own: the hardware report in it, and that the runtime
// claims are the ones the hardware vouched for. What a whole guest sends is guest.h's.
#pragma once

#include "vouchsafe/evidence/azure/hcl.h"
#include "vouchsafe/evidence/snp/verify.h"

namespace vouchsafe::evidence {

struct HclRules {
    SnpRules snp;
    std::optional<crypto::PublicKey> ak;  // must be the runtime claims' HCLAkPub
};

// VerifiedHclReport exists only if verify_hcl said yes. Immutable.
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

// verify_hcl verifies the content of NV index 0x01400001 with the certificates of its processor:
// form, SEV-SNP report, binding of the runtime data, then the AK. Codes HCL-*, SNP-*. A report of
// another kind than SEV-SNP is refused with HCL-TEE.
Result<VerifiedHclReport> verify_hcl(ByteView nv, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const HclRules& rules, Time now,
                                     Checks& checks);

}  // namespace vouchsafe::evidence
