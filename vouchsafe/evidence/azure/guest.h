// Verification of the evidence an Azure confidential VM sends to /attest/AzureGuest: everything of
// guest-protocol 7.1, in that order. The caller decodes the JSON; here are only bytes.
#pragma once

#include "vouchsafe/evidence/azure/hcl.h"
#include "vouchsafe/evidence/boot/boot_facts.h"
#include "vouchsafe/evidence/snp/endorser.h"
#include "vouchsafe/evidence/tpm/ak_endorser.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::evidence {

struct PcrValue {
    uint32_t index = 0;
    Bytes digest;
};

// AzureGuestEvidence: the decoded members of AttestationInfo (guest-protocol 4.2).
struct AzureGuestEvidence {
    std::string isolation_type;  // IsolationInfo.Type: "SevSnp", "Tdx", "TrustedLaunch"
    Bytes snp_report;            // IsolationInfo.Evidence.Proof.SnpReport
    Bytes vcek_chain;            // ... .VcekCertChain: PEM
    Bytes td_quote;              // of "Tdx": IsolationInfo.Evidence.Proof
    Bytes runtime_data;          // IsolationInfo.Evidence.RunTimeData: JSON
    Bytes ak_certificate;        // TpmInfo.AikCert: DER with padding
    Bytes ak_public;             // TpmInfo.AikPub: TPM2B_PUBLIC, trailing bytes tolerated
    Bytes quote;                 // TpmInfo.PcrQuote: TPMS_ATTEST
    Bytes quote_signature;
    std::vector<uint32_t> pcr_set;     // TpmInfo.PcrSet
    std::vector<PcrValue> pcr_values;  // TpmInfo.PCRs, SHA-256 bank
    Bytes encryption_key;              // TpmInfo.EncKeyPub: TPM2B_PUBLIC
    Bytes certify_info;                // TpmInfo.EncKeyCertifyInfo: TPMS_ATTEST
    Bytes certify_signature;
    Bytes event_log;  // TcgLogs; empty: the guest had none
};

struct AzureGuestRules {
    SnpRules snp;  // the binding of report_data to the runtime data is required besides
    bool require_secure_boot = true;
    bool require_ak_certificate = true;  // without: one that is there must hold all the same
    std::optional<Bytes> nonce;          // in the quote; Azure's clients send none
    // AMD's lists at hand, unless an endorser has them: SnpEndorsements::crls
    std::vector<crypto::Crl> crls;
};

// VerifiedGuestTpm is the TPM's part of a guest's evidence: exists only if verify_guest_tpm said
// yes.
class VerifiedGuestTpm {
  public:
    const TpmPublic& ak() const { return ak_; }
    const std::optional<VerifiedAkCertificate>& ak_certificate() const { return ak_certificate_; }
    const VerifiedQuote& quote() const { return quote_; }
    const PcrBank& pcrs() const { return quote_.banks().front(); }  // SHA-256, the quoted ones
    // The TPM's ephemeral key: opens only in the quoted state.
    const VerifiedTpmKey& encryption_key() const { return encryption_key_; }
    const crypto::PublicKey& encryption_public_key() const { return encryption_public_key_; }
    // boot is nullopt if the guest had no event log (possible only without require_secure_boot).
    const std::optional<BootFacts>& boot() const { return boot_; }
    // measured is what was extended into each register that the log confirms
    // (ReplayedLog::digests); empty if the guest had no event log.
    const std::map<uint32_t, std::vector<Bytes>>& measured() const { return measured_; }
    SecureBoot secure_boot() const { return boot_ ? boot_->secure_boot : SecureBoot::not_measured; }

  private:
    friend struct GuestTpmVerifier;  // guest.cpp alone
    VerifiedGuestTpm(TpmPublic ak, std::optional<VerifiedAkCertificate> ak_certificate,
                     VerifiedQuote quote, VerifiedTpmKey encryption_key,
                     crypto::PublicKey encryption_public_key, std::optional<BootFacts> boot,
                     std::map<uint32_t, std::vector<Bytes>> measured)
        : ak_(std::move(ak)),
          ak_certificate_(std::move(ak_certificate)),
          quote_(std::move(quote)),
          encryption_key_(std::move(encryption_key)),
          encryption_public_key_(std::move(encryption_public_key)),
          boot_(std::move(boot)),
          measured_(std::move(measured)) {}

    TpmPublic ak_;
    std::optional<VerifiedAkCertificate> ak_certificate_;
    VerifiedQuote quote_;
    VerifiedTpmKey encryption_key_;
    crypto::PublicKey encryption_public_key_;
    std::optional<BootFacts> boot_;
    std::map<uint32_t, std::vector<Bytes>> measured_;
};

// verify_guest_tpm verifies what a TPM says whose AK is in `runtime`: the claims that verified
// hardware vouched for. Whose hardware, the caller knows.
Result<VerifiedGuestTpm> verify_guest_tpm(const AzureGuestEvidence& evidence,
                                          const RuntimeClaims& runtime, AkEndorser& endorser,
                                          const AzureGuestRules& rules, Time now, Checks& checks);

// VerifiedAzureGuest exists only if verify_azure_guest said yes: a guest on SEV-SNP.
class VerifiedAzureGuest {
  public:
    Tier tier() const { return snp_.tier(); }
    const VerifiedSnpReport& snp() const { return snp_; }
    const RuntimeClaims& runtime() const { return runtime_; }
    const VerifiedGuestTpm& tpm() const { return tpm_; }
    const TpmPublic& ak() const { return tpm_.ak(); }
    const std::optional<VerifiedAkCertificate>& ak_certificate() const {
        return tpm_.ak_certificate();
    }
    const VerifiedQuote& quote() const { return tpm_.quote(); }
    const PcrBank& pcrs() const { return tpm_.pcrs(); }
    const VerifiedTpmKey& encryption_key() const { return tpm_.encryption_key(); }
    const crypto::PublicKey& encryption_public_key() const { return tpm_.encryption_public_key(); }
    const std::optional<BootFacts>& boot() const { return tpm_.boot(); }
    SecureBoot secure_boot() const { return tpm_.secure_boot(); }

  private:
    friend struct AzureGuestVerifier;  // guest.cpp alone
    VerifiedAzureGuest(VerifiedSnpReport snp, RuntimeClaims runtime, VerifiedGuestTpm tpm)
        : snp_(std::move(snp)), runtime_(std::move(runtime)), tpm_(std::move(tpm)) {}

    VerifiedSnpReport snp_;
    RuntimeClaims runtime_;
    VerifiedGuestTpm tpm_;
};

// verify_azure_guest verifies all of it or fails with the check that failed. Trusted Launch is
// refused as no confidential VM (HCL-ISOLATION); a TD report labelled SevSnp is refused by name
// (HCL-TEE). Hostile input of any size up to the caller's limits is fine. Thread-safe.
Result<VerifiedAzureGuest> verify_azure_guest(const AzureGuestEvidence& evidence,
                                              const TrustAnchors& anchors,
                                              const AzureGuestRules& rules, Time now,
                                              Checks& checks);
// The same with endorsements and AK certificates that somebody keeps.
Result<VerifiedAzureGuest> verify_azure_guest(const AzureGuestEvidence& evidence,
                                              SnpEndorser& processors, AkEndorser& aks,
                                              const AzureGuestRules& rules, Time now,
                                              Checks& checks);

// VerifiedSnpPlatform is the platform-only form (/attest/SevSnpVm): a report and its runtime data.
class VerifiedSnpPlatform {
  public:
    const VerifiedSnpReport& snp() const { return snp_; }
    const RuntimeClaims& runtime() const { return runtime_; }

  private:
    friend struct AzureGuestVerifier;
    VerifiedSnpPlatform(VerifiedSnpReport snp, RuntimeClaims runtime)
        : snp_(std::move(snp)), runtime_(std::move(runtime)) {}
    VerifiedSnpReport snp_;
    RuntimeClaims runtime_;
};

// verify_snp_platform verifies the report with its chain (PEM or DER) and that it is bound to
// `runtime_data`: report_data is its SHA-256 and zeros. No TPM takes part.
Result<VerifiedSnpPlatform> verify_snp_platform(ByteView report, ByteView chain,
                                                ByteView runtime_data, const TrustAnchors& anchors,
                                                const SnpRules& rules, Time now, Checks& checks);

}  // namespace vouchsafe::evidence
