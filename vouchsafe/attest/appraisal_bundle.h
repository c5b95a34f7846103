// Bundles of appraisals (docs/formats/bundle.md): what a judgement rested on, so that `verify
// bundle` can judge again years later, under the policy and collateral of then or of its own day.
// Evidence only: nothing secret is in them, and no token.
#pragma once

#include <span>

#include "vouchsafe/attest/judgement.h"
#include "vouchsafe/evidence/bundle.h"

namespace vouchsafe::attest {

// HeardRequest is what was judged, and how that ended. Borrows.
struct HeardRequest {
    policy::AttestationTarget target = policy::AttestationTarget::azure_guest;
    std::string_view body;
    const Hearing& hearing;                // with used_collateral
    std::span<const Check> checks;         // all that the judgement made
    const Json* claims = nullptr;          // of the judgement; nullptr: it refused
    std::optional<std::string> challenge;  // that the evidence answers
};

// bundle_of returns the bundle, or nullopt if the judgement cannot be made again: only the service
// knows which challenges are its own, in force and not answered, so a refusal for one of these
// reasons cannot be. Where the challenge was good the bundle names it (rule "challenge").
std::optional<evidence::Bundle> bundle_of(const HeardRequest& heard);

// keep_bundle writes a bundle to DIR/2026-07-01/REQUEST-ID.json, mode 0600, and returns its SHA-256
// in hex: for the audit log, so that nobody changes it unnoticed.
Result<std::string> keep_bundle(const evidence::Bundle& bundle, const Path& dir,
                                const std::string& request_id);

// tcb_floor_text writes a floor as the option --min-tcb takes it:
// "milan:bootloader=3,tee=0,snp=8,microcode=115".
std::string tcb_floor_text(evidence::SnpProduct product, const evidence::SnpTcb& floor);

}  // namespace vouchsafe::attest
