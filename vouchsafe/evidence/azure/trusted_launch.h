// Verification of the evidence that an Azure machine of Trusted Launch sends to /attest/AzureGuest
// (guest-protocol 4.2, IsolationInfo): the TPM's part of a confidential VM's, and no report of a
// processor. It says what firmware booted the machine and what the TPM guards; that anything
// protects the machine's memory from its host it cannot say. Such a machine is never a confidential
// one.
#pragma once

#include "vouchsafe/evidence/azure/guest.h"

namespace vouchsafe::evidence {

// verify_trusted_launch verifies all of it or fails with the check that failed. No hardware vouches
// for the attestation key here, so its certificate does: AK-CERT-PRESENT whatever the rules say.
// HCL-ISOLATION for evidence that calls itself something else. Thread-safe.
Result<VerifiedGuestTpm> verify_trusted_launch(const AzureGuestEvidence& evidence,
                                               AkEndorser& endorser, AzureGuestRules rules,
                                               Time now, Checks& checks);

}  // namespace vouchsafe::evidence
