// Verification of an SEV-SNP report: certificate chain to a pinned ARK, the certificate's TCB and
// chip against the report, the signature, then the rules. Pure: time comes in.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/evidence/anchors.h"
#include "vouchsafe/evidence/snp_report.h"
#include "vouchsafe/evidence/snp_rules.h"

namespace vouchsafe::evidence {

// SnpEndorsements are the certificates that come with a report. Nothing in them is trusted.
struct SnpEndorsements {
    crypto::Certificate leaf;                        // VCEK or VLEK
    std::vector<crypto::Certificate> intermediates;  // ASK or ASVK, ARK: any order, may be empty

    // parse reads PEM certificates in any order, or one DER certificate. The leaf is the only one
    // with AMD's TCB extensions. Fails with the check SNP-CHAIN-FORM.
    static Result<SnpEndorsements> parse(ByteView pem_or_der, Checks& checks);
};

// VerifiedSnpReport exists only if verify_snp said yes. Immutable.
class VerifiedSnpReport {
  public:
    const SnpReport& report() const { return report_; }
    SnpProduct product() const { return product_; }
    Tier tier() const { return tier_; }
    SnpTcb reported_tcb() const { return decode_tcb(report_.reported_tcb, product_); }
    SnpTcb current_tcb() const { return decode_tcb(report_.current_tcb, product_); }
    SnpTcb committed_tcb() const { return decode_tcb(report_.committed_tcb, product_); }
    SnpTcb launch_tcb() const { return decode_tcb(report_.launch_tcb, product_); }
    const crypto::Certificate& signer() const { return signer_; }  // the VCEK or VLEK

  private:
    friend struct SnpVerifier;  // snp_verify.cpp alone
    VerifiedSnpReport(SnpReport report, SnpProduct product, Tier tier, crypto::Certificate signer)
        : report_(std::move(report)), product_(product), tier_(tier), signer_(std::move(signer)) {}

    SnpReport report_;
    SnpProduct product_;
    Tier tier_;
    crypto::Certificate signer_;
};

// verify_snp verifies `report` and returns it, or fails with the check that failed (codes SNP-*).
// Order: form, chain, certificate against report, signature, rules; so a failed rule (SNP-POLICY-*
// and what snp_rules.h names) means that the report itself is genuine.
Result<VerifiedSnpReport> verify_snp(ByteView report, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules, Time now,
                                     Checks& checks);

}  // namespace vouchsafe::evidence
