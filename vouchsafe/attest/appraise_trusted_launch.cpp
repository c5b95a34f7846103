// Azure's machines of Trusted Launch: POST /attest/AzureGuest without a report of a processor.
#include "vouchsafe/attest/appraise_parts.h"
#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/azure/trusted_launch.h"

namespace vouchsafe::attest {

namespace {

// trust_vector_of says of the boot what it says, and of the rest that nobody looked: its host can
// read everything in it.
TrustVector trust_vector_of(const evidence::VerifiedGuestTpm& tpm) {
    TrustVector out;
    switch (tpm.secure_boot()) {
        case evidence::SecureBoot::on:
            out.configuration = TrustClaim::no_known_weakness;
            break;
        case evidence::SecureBoot::off:
            out.configuration = TrustClaim::known_weakness;
            break;
        default:
            out.configuration = TrustClaim::part_unavailable;
    }
    out.runtime_opaque = TrustClaim::contraindicated;
    return out;
}

}  // namespace

Result<Appraisal> appraise_trusted_launch(const AzureGuestRequest& request, const Terms& terms,
                                          Checks& checks) {
    evidence::AzureGuestRules rules;
    rules.require_secure_boot = terms.built_in_policy && request.draft_policy.empty();
    rules.nonce = TRY(expected_nonce(request, terms, checks));
    KeepingAkEndorser aks(terms.anchors, terms.aks);
    auto tpm =
        TRY(evidence::verify_trusted_launch(request.evidence, aks, rules, terms.now, checks));
    Appraisal out;
    out.claims = trusted_launch_claims(request, tpm);
    out.trust = trust_vector_of(tpm);
    // Nobody named the machine, but its attestation key is its own.
    out.subject = encode_hex(crypto::sha256(request.evidence.ak_public));
    out.seal_to = tpm.encryption_public_key();
    out.draft_policy = request.draft_policy;
    out.challenge = request.challenge;
    out.measured.pcrs = tpm.pcrs().values;
    out.measured.events = tpm.measured();
    return out;
}

}  // namespace vouchsafe::attest
