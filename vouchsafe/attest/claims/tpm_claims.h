// The claims of a machine with a TPM (azure-api C.6, "TPM"): those of the token, and those that a
// policy's rules alone see. Pure.
//
// Azure's names for what Windows' own events say (bootDebuggingDisabled, notSafeMode, notWinPE,
// vbsEnabled, iommuEnabled) are not made here: those events are not read. Nothing here says that
// the machine is a confidential one.
#pragma once

#include "vouchsafe/attest/request/tpm_request.h"

namespace vouchsafe::attest {

// AppraisedTpmKey is a key of a request: if it came with a certification, the AK's TPM holds it.
struct AppraisedTpmKey {
    const TpmKey* key;                                            // borrowed
    std::optional<evidence::VerifiedTpmKey> held = std::nullopt;  // absent: not certified
};

// tpm_claims gives everything but what add_token_claims adds: x-ms-attestation-type "tpm",
// aikValidated, aikPubHash (base64 of the SHA-256 of SubjectPublicKeyInfo), tpmVersion,
// secureBootEnabled, vbsReportPresent, cnf (the request key), rp_data; x-vouchsafe-pcrs and the
// claims of the boot. x-vouchsafe-trust-tier is that of the AK's root, "none" without a
// certificate.
Json tpm_claims(const TpmRequest& request, const evidence::VerifiedTpmMachine& machine);

// tpm_rule_claims gives pcrs (of the appraised bank alone), events (of confirmed registers alone)
// and x-ms-tpm-request-key, x-ms-tpm-other-keys (those that are certified): Azure's policy key
// objects. Besides, what a rule must demand that concludes from the absence of an event, as its
// machine may have left it out: x-vouchsafe-confirmed-pcrs (registers whose events are all there)
// and x-vouchsafe-ima-verified (an IMA list replays to register 10).
//
// The log's events are in the registers in this order, but what kind of event each is, the log only
// says. ProcessedData is there where the event's digest covers it.
Json tpm_rule_claims(const evidence::VerifiedTpmMachine& machine,
                     const AppraisedTpmKey& request_key,
                     const std::vector<AppraisedTpmKey>& other_keys);

}  // namespace vouchsafe::attest
