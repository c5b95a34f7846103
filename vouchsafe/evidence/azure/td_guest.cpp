#include "vouchsafe/evidence/azure/td_guest.h"

namespace vouchsafe::evidence {

struct TdGuestVerifier {
    static VerifiedTdGuest make(VerifiedTdQuote td, RuntimeClaims runtime, VerifiedGuestTpm tpm) {
        return {std::move(td), std::move(runtime), std::move(tpm)};
    }
};

Result<VerifiedTdGuest> verify_td_guest(const AzureGuestEvidence& evidence, VerifiedTdQuote td,
                                        AkEndorser& endorser, const AzureGuestRules& rules,
                                        Time now, Checks& checks) {
    TRY(check_runtime_binding(td.report().report_data, evidence.runtime_data,
                              crypto::HashAlg::sha256, checks));
    RuntimeClaims runtime = TRY(endorser.read_runtime(evidence.runtime_data, checks));
    VerifiedGuestTpm tpm = TRY(verify_guest_tpm(evidence, runtime, endorser, rules, now, checks));
    return TdGuestVerifier::make(std::move(td), std::move(runtime), std::move(tpm));
}

}  // namespace vouchsafe::evidence
