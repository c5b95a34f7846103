// Appraisal: from the body of an attest request to the claims of a token, or to the check that
// failed. Bytes, anchors, settings, collateral and time in; nothing is stored, signed or sent here.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/claims/trust_vector.h"
#include "vouchsafe/attest/config.h"
#include "vouchsafe/attest/kept_aks.h"
#include "vouchsafe/attest/reference/measured.h"
#include "vouchsafe/attest/snp_chains.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/azure/guest.h"
#include "vouchsafe/policy/maa/evaluate.h"
#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::attest {

// Terms is under what a request is appraised. Borrows.
struct Terms {
    const Config& config;
    const evidence::TrustAnchors& anchors;
    Time now;
    // Nobody set another policy than the built-in one: then its demands are checks of the
    // verification too, so that a refusal names what is wrong. Under a policy of somebody's own,
    // what that policy can see and judge (debugging, migration, TCB, a report's version, Secure
    // Boot, and what could not be checked for want of collateral) is its own to decide; that
    // evidence is genuine and bound, from VMPL 0 and a known paravisor, never is.
    bool built_in_policy = true;
    // Revocation lists and Intel's documents; nullptr: there are none. Thread-safe, may fetch.
    CollateralStore* collateral = nullptr;
    // Chains that were verified before; nullptr: each is verified anew. Thread-safe.
    KeptSnpChains* snp_chains = nullptr;
    // Likewise certificates of attestation keys.
    KeptAks* aks = nullptr;
    // Likewise runtime data.
    KeptRuntimes* runtimes = nullptr;
    // Takes the pieces of collateral that were looked at, for a refusal too; nullptr: nobody asks.
    std::vector<PiecePtr>* used_collateral = nullptr;
    // Whose answers may come with evidence; nullptr: nobody's. Thread-safe.
    ChallengeBook* challenges = nullptr;
    // What configurationrules set, for evidence of TPMs.
    policy::PolicyProperties configuration = {};
};

struct Appraisal {
    Json claims;          // without what add_token_claims adds
    TrustVector trust;    // the same appraisal, for results in the form of an EAR
    std::string subject;  // the machine's id as the paravisor gave it, or "": for the audit log
    // The key the token is sealed to; absent: the token is handed out as it is.
    std::optional<crypto::PublicKey> seal_to;
    // draftPolicyForAttestation: text or JWS of the policy to apply instead; "" if none was sent.
    std::string draft_policy;
    // The challenge that the evidence answers, not yet spent; absent: none was sent.
    std::optional<std::string> challenge = std::nullopt;
    // The key of the guest's that its evidence holds, where the token is not sealed to one.
    std::optional<crypto::PublicKey> guest_key = std::nullopt;
    // Claims for the policy's rules alone; the token does not get them.
    Json for_rules = Json::object();
    // The token goes back as a report of the TPM protocol, with or without `payload` around it.
    std::optional<bool> tpm_payload = std::nullopt;
    Measured measured = {};  // for comparing with reference values
};

// All fail with a check: ATTEST-REQUEST if the body cannot be read, ATTEST-INIT-DATA, or one of
// evidence's. `checks` holds all that were made. Thread-safe.
Result<Appraisal> appraise_azure_guest(std::string_view body, const Terms& terms, Checks& checks);
Result<Appraisal> appraise_snp_vm(std::string_view body, const Terms& terms, Checks& checks);
Result<Appraisal> appraise_tdx_vm(std::string_view body, const Terms& terms, Checks& checks);
Result<Appraisal> appraise_sgx_enclave(std::string_view body, const Terms& terms, Checks& checks);
// appraise_open_enclave is the same for a quote in Open Enclave's envelope.
Result<Appraisal> appraise_open_enclave(std::string_view body, const Terms& terms, Checks& checks);
// appraise_tpm is for request messages (request/tpm_request.h): ATTEST-CHALLENGE and
// ATTEST-REQUEST-KEY besides.
Result<Appraisal> appraise_tpm(std::string_view body, const Terms& terms, Checks& checks);

// appraise_for is the one of these that is for a kind of evidence.
using Appraise = Result<Appraisal> (*)(std::string_view body, const Terms& terms, Checks& checks);
Appraise appraise_for(policy::AttestationTarget target);

}  // namespace vouchsafe::attest
