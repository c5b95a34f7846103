#include "vouchsafe/attest/appraise_parts.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

using evidence::IntelTee;

Result<HeldTdx> held_for(IntelTee tee, ByteView quote, const Terms& terms, Checks& checks) {
    HeldTdx held;
    if (terms.collateral == nullptr) return held;
    Checks of_search;  // the verifier makes these checks again, all of them
    auto platform = tee == IntelTee::sgx ? sgx_platform_of(quote, terms.anchors, of_search)
                                         : tdx_platform_of(quote, terms.anchors, of_search);
    if (!platform) return held;
    held = tee == IntelTee::sgx ? terms.collateral->sgx(platform->fmspc, platform->ca)
                                : terms.collateral->tdx(platform->fmspc, platform->ca);
    if (!held.refused) return held;
    const Check* reason = held.refused->reason();
    if (reason == nullptr) return fail(*held.refused);
    return checks.refuse(reason->code, reason->field, reason->expected, reason->found);
}

Result<evidence::VerifiedTdQuote> verify_td_quote(ByteView quote, const std::string& draft_policy,
                                                  const Terms& terms, Checks& checks) {
    auto rules = quote_rules<evidence::TdxRules>(terms, draft_policy);
    HeldTdx held = TRY(held_for(IntelTee::tdx, quote, terms, checks));
    if (held.collateral == nullptr) {
        return evidence::verify_tdx(quote, {}, terms.anchors, rules, terms.now, checks);
    }
    return evidence::verify_tdx(quote, *held.collateral, rules, terms.now, checks);
}

Result<std::optional<Bytes>> expected_nonce(const AzureGuestRequest& request, const Terms& terms,
                                            Checks& checks) {
    if (!request.challenge) return std::optional<Bytes>{};
    TRY(checks.require(terms.challenges != nullptr, "ATTEST-CHALLENGE", "challenge",
                       "none: this service issues none", "one"));
    TRY(terms.challenges->check(*request.challenge, terms.now, checks));
    return std::optional<Bytes>{challenge_digest(*request.challenge)};
}

std::string subject_of(const evidence::RuntimeClaims& runtime) {
    constexpr size_t kMaxSubject = 200;  // characters
    return runtime.vm.vm_unique_id.value_or("").substr(0, kMaxSubject);
}

Result<void> check_bound(const BoundMembers& bound, const std::array<uint8_t, 64>& report_data,
                         const LaunchField& launch, Checks& checks) {
    if (bound.runtime_data) {
        TRY(evidence::check_runtime_binding(report_data, bound.runtime_data->data,
                                            crypto::HashAlg::sha256, checks));
    }
    if (!bound.init_data) return {};
    Bytes digest = crypto::hash(launch.hash, bound.init_data->data);
    return checks.require(equal(digest, launch.value), "ATTEST-INIT-DATA", "initTimeData",
                          encode_hex(launch.value), encode_hex(digest));
}

}  // namespace vouchsafe::attest
