// Verification of the evidence that an Azure confidential VM on Intel TDX sends to
// /attest/AzureGuest (IsolationInfo.Type "Tdx"): as guest.h, with a TD quote for the hardware.
#pragma once

#include "vouchsafe/evidence/azure/guest.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::evidence {

// VerifiedTdGuest exists only if verify_td_guest said yes.
class VerifiedTdGuest {
  public:
    Tier tier() const { return td_.tier(); }
    const VerifiedTdQuote& td() const { return td_; }
    const RuntimeClaims& runtime() const { return runtime_; }
    const VerifiedGuestTpm& tpm() const { return tpm_; }

  private:
    friend struct TdGuestVerifier;  // td_guest.cpp alone
    VerifiedTdGuest(VerifiedTdQuote td, RuntimeClaims runtime, VerifiedGuestTpm tpm)
        : td_(std::move(td)), runtime_(std::move(runtime)), tpm_(std::move(tpm)) {}
    VerifiedTdQuote td_;
    RuntimeClaims runtime_;
    VerifiedGuestTpm tpm_;
};

// verify_td_guest verifies that `td`, the verified `evidence.td_quote`, is bound to the runtime
// data (its report data is their SHA-256 and zeros; HCL-BINDING), and then all that the TPM says.
// Of `rules` it takes what is not about SEV-SNP. Whose code runs in the domain, and so whose word
// the runtime data is, the caller must decide by the quote (MRTD). Thread-safe.
Result<VerifiedTdGuest> verify_td_guest(const AzureGuestEvidence& evidence, VerifiedTdQuote td,
                                        AkEndorser& endorser, const AzureGuestRules& rules,
                                        Time now, Checks& checks);

}  // namespace vouchsafe::evidence
