// The trustworthiness vector of Attestation Results for Secure Interactions
// (draft-ietf-rats-ar4si, 2.3.4): what an appraisal concluded, in numbers that relying parties of
// any kind of evidence understand. Pure.
//
// Categories about which this service concludes nothing are absent: what a set of reference values
// stands for only its author knows, so that a match says nothing of executables and file systems
// here, and evidence says nothing of stored data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/attest/config.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/azure/td_guest.h"
#include "vouchsafe/evidence/azure/tpm_machine.h"
#include "vouchsafe/evidence/sgx/verify.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::attest {

// The values used here (AR4SI 2.3.4). 2 to 31 affirm, 32 to 95 warn, 96 and more contraindicate.
enum class TrustClaim : int8_t {
    genuine = 2,            // instance: recognised and not revoked; hardware: genuine and current;
                            // runtime: encrypted, opaque to the host
    no_known_weakness = 3,  // configuration
    known_weakness = 32,    // hardware or configuration with known vulnerabilities
    part_unavailable = 36,  // configuration that the evidence says nothing about
    contraindicated = 96,   // configuration that is not acceptable; runtime that is visible
    unrecognized = 97,      // hardware of no known vendor
};

struct TrustVector {
    std::optional<TrustClaim> instance_identity;
    std::optional<TrustClaim> configuration;
    std::optional<TrustClaim> hardware;
    std::optional<TrustClaim> runtime_opaque;
    // Everything about the hardware that can be checked was: otherwise nothing is affirmed.
    bool complete = false;

    // to_json: {"hardware": 2, ...}, without what is absent.
    Json to_json() const;
    // status is the tier of the worst claim, and not better than "warning" unless the vector is
    // complete: "none" without any claim, "affirming", "warning", "contraindicated".
    std::string_view status() const;
};

// whole_judgement is Intel's of platform, module and quoting enclave together; nullptr if one of
// them was not judged. Borrows `tcb`.
const evidence::TdTcb* whole_judgement(const std::optional<evidence::TdTcb>& tcb,
                                       const std::vector<std::string>& not_checked);

// `not_checked` is what the verification left out: a signer whose revocation was not looked at is
// not said to be a trustworthy instance. `config` has the TCB floor.
TrustVector trust_vector(const evidence::VerifiedSnpReport& report, const Config& config,
                         const std::vector<std::string>& not_checked);
// trust_vector of a guest is that of its report or quote, and its Secure Boot besides.
TrustVector trust_vector(const evidence::VerifiedAzureGuest& guest, const Config& config,
                         const std::vector<std::string>& not_checked);
TrustVector trust_vector(const evidence::VerifiedTdGuest& guest);
TrustVector trust_vector(const evidence::VerifiedTdQuote& quote);
TrustVector trust_vector(const evidence::VerifiedSgxQuote& quote);
// trust_vector of a machine with a TPM is about its boot alone, and never complete: nobody looked
// at the revocation of its AK's certificate, and its memory is the host's.
TrustVector trust_vector(const evidence::VerifiedTpmMachine& machine);

}  // namespace vouchsafe::attest
