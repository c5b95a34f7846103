// Verification of an SEV-SNP report: certificate chain to a pinned ARK, the certificate's TCB and
// chip against the report, the signature, then the rules. Pure: time comes in.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/kept.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/known_links.h"
#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/evidence/snp/report.h"
#include "vouchsafe/evidence/snp/rules.h"

namespace vouchsafe::evidence {

// ReadCertificates holds certificates that were read before, by their DER: OpenSSL takes several
// times as long to read one as to verify its signature. Nothing is said of them but what they are.
using ReadCertificates = Kept<crypto::Certificate, 64>;

// SnpEndorsements are the certificates that come with a report, and the revocation lists. Nothing
// in them is trusted.
struct SnpEndorsements {
    crypto::Certificate leaf;                        // VCEK or VLEK
    std::vector<crypto::Certificate> intermediates;  // ASK or ASVK, ARK: any order, may be empty
    // AMD KDS has one list for each product, which the ARK signs. Lists of the ASK or ASVK count
    // too; those of others (other products') say nothing about this chain and are passed over.
    std::vector<crypto::Crl> crls = {};
    // Signatures by ARKs, and of lists, that held before; borrowed. nullptr: each is verified.
    KnownLinks* links = nullptr;

    // parse reads PEM certificates in any order, or one DER certificate. The leaf is the only one
    // with AMD's TCB extensions. What is in `read_before`, which may be nullptr, is not read again.
    // Fails with the check SNP-CHAIN-FORM.
    static Result<SnpEndorsements> parse(ByteView pem_or_der, Checks& checks,
                                         ReadCertificates* read_before = nullptr);
};

// VerifiedSnpEndorsements is a VCEK or VLEK whose chain holds: verified once, it serves for all
// reports that this key signs. Exists only if verify_snp_endorsements said yes. Immutable.
class VerifiedSnpEndorsements {
  public:
    const SnpCertificate& certificate() const { return certificate_; }
    const crypto::Certificate& leaf() const { return leaf_; }  // the same as X.509
    Tier tier() const { return tier_; }
    Time valid_from() const { return valid_from_; }  // of every certificate and list together
    Time valid_to() const { return valid_to_; }

  private:
    friend struct SnpVerifier;  // verify.cpp alone
    VerifiedSnpEndorsements(crypto::Certificate leaf, SnpCertificate certificate, Tier tier)
        : leaf_(std::move(leaf)), certificate_(std::move(certificate)), tier_(tier) {}

    crypto::Certificate leaf_;
    SnpCertificate certificate_;
    Tier tier_;
    std::string root_name_;
    Time valid_from_, valid_to_;
    bool revocation_checked_ = false;
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
    // not_checked names what the rules allowed to go unchecked and did: kSnpRevocation.
    const std::vector<std::string>& not_checked() const { return not_checked_; }

  private:
    friend struct SnpVerifier;  // verify.cpp alone
    VerifiedSnpReport(SnpReport report, SnpProduct product, Tier tier, crypto::Certificate signer,
                      std::vector<std::string> not_checked)
        : report_(std::move(report)),
          product_(product),
          tier_(tier),
          signer_(std::move(signer)),
          not_checked_(std::move(not_checked)) {}

    SnpReport report_;
    SnpProduct product_;
    Tier tier_;
    crypto::Certificate signer_;
    std::vector<std::string> not_checked_;
};

// verify_snp verifies `report` and returns it, or fails with the check that failed (codes SNP-*).
// Order: form, chain and revocation lists, certificate against report, signature, rules; so a
// failed rule (SNP-POLICY-* and what rules.h names, SNP-REVOCATION last) means that the report
// itself is genuine. The ARK's list must be there unless the rules allow its absence; a list that
// is there must hold.
Result<VerifiedSnpReport> verify_snp(ByteView report, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules, Time now,
                                     Checks& checks);

// verify_snp_endorsements and then verify_snp for each report are the same as verify_snp with both,
// for many reports of one machine: the certificates are verified once. Each report's `now` must be
// within the endorsements' validity (SNP-CHAIN-DATES).
Result<VerifiedSnpEndorsements> verify_snp_endorsements(const SnpEndorsements& endorsements,
                                                        const TrustAnchors& anchors, Time now,
                                                        Checks& checks);
Result<VerifiedSnpReport> verify_snp(ByteView report, const VerifiedSnpEndorsements& endorsements,
                                     const SnpRules& rules, Time now, Checks& checks);

}  // namespace vouchsafe::evidence
