// Guests with a vTPM on Intel TDX: POST /attest/AzureGuest with IsolationInfo.Type "Tdx".
#include "vouchsafe/attest/appraise_parts.h"
#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

namespace {

// check_td_paravisor: the AK in the runtime data is only as good as the paravisor that wrote it
// there. A quote has no signer of the launch, so it is known by its measurement; and as that does
// not cover the attributes, whoever may write into a debuggable domain's memory could name any AK
// in its name: no policy can allow that.
Result<void> check_td_paravisor(const evidence::TdReport& report, const Config& config,
                                Checks& checks) {
    TRY(checks.require(
        is_compliant(report, config), "ATTEST-TD-MEASUREMENT", "MRTD",
        fmt::format("one of {} known paravisors'", config.compliant_td_measurements.size()),
        encode_hex(report.mrtd)));
    bool debug = report.td_attributes.debug();
    return checks.require(!debug, "TDX-DEBUG", "td_attributes.debug",
                          "0 of a paravisor, whatever the policy", debug ? "1" : "0");
}

}  // namespace

Result<Appraisal> appraise_td_guest(const AzureGuestRequest& request, const Terms& terms,
                                    Checks& checks) {
    evidence::AzureGuestRules rules;
    rules.require_secure_boot = terms.built_in_policy && request.draft_policy.empty();
    rules.nonce = TRY(expected_nonce(request, terms, checks));
    auto quote =
        TRY(verify_td_quote(request.evidence.td_quote, request.draft_policy, terms, checks));
    TRY(check_td_paravisor(quote.report(), terms.config, checks));
    KeepingAkEndorser aks(terms.anchors, terms.aks, terms.runtimes);
    auto guest = TRY(evidence::verify_td_guest(request.evidence, std::move(quote), aks, rules,
                                               terms.now, checks));
    Appraisal out;
    out.claims = td_guest_claims(request, guest, terms.config);
    out.trust = trust_vector(guest);
    out.subject = subject_of(guest.runtime());
    out.seal_to = guest.tpm().encryption_public_key();
    out.draft_policy = request.draft_policy;
    out.challenge = request.challenge;
    out.measured = measured_of(guest);
    return out;
}

}  // namespace vouchsafe::attest
