// What appraisals of several kinds of evidence share. For appraise*.cpp alone.
#pragma once

#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/request/azure_guest_request.h"
#include "vouchsafe/attest/request/bound_data.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

// require_readable turns a parser's refusal into the check ATTEST-REQUEST.
template <typename T>
Result<T> require_readable(Result<T> parsed, Checks& checks) {
    constexpr size_t kMaxFound = 200;  // of hostile text repeated in a check
    std::string found = parsed ? "well formed" : parsed.error().message.substr(0, kMaxFound);
    TRY(checks.require(parsed.has_value(), "ATTEST-REQUEST", "body", "well formed", found));
    return parsed;
}

// quote_rules gives SgxRules or TdxRules: the strict ones, unless another policy than the built-in
// one judges what these would.
template <typename Rules>
Rules quote_rules(const Terms& terms, const std::string& draft_policy) {
    using evidence::TcbStatus;
    using evidence::TdxCheck;
    Rules rules;
    if (terms.built_in_policy && draft_policy.empty()) return rules;
    rules.allow_debug = true;
    rules.may_be_unchecked = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};
    rules.accepted_status = {
        TcbStatus::up_to_date,           TcbStatus::sw_hardening_needed,
        TcbStatus::configuration_needed, TcbStatus::configuration_and_sw_hardening_needed,
        TcbStatus::out_of_date,          TcbStatus::out_of_date_configuration_needed};
    return rules;
}

// held_for returns Intel's collateral for a quote, as far as it is at hand. Fails with the check by
// which its parts do not hold together.
Result<HeldTdx> held_for(evidence::IntelTee tee, ByteView quote, const Terms& terms,
                         Checks& checks);

// check_challenge: a challenge that was sent is one that can be answered. It is not spent here.
// Fails with ATTEST-CHALLENGE.
Result<void> check_challenge(const std::optional<std::string>& challenge, const Terms& terms,
                             Checks& checks);
// verify_td_quote verifies a quote under Intel's collateral at hand, and the rules of quote_rules.
Result<evidence::VerifiedTdQuote> verify_td_quote(ByteView quote, const std::string& draft_policy,
                                                  const Terms& terms, Checks& checks);

// expected_nonce is what a guest's quote must have signed if the request answers a challenge.
Result<std::optional<Bytes>> expected_nonce(const AzureGuestRequest& request, const Terms& terms,
                                            Checks& checks);

// subject_of is what the paravisor calls a machine, cut to what the audit log takes.
std::string subject_of(const evidence::RuntimeClaims& runtime);

// appraise_td_guest is appraise_azure_guest for guests on TDX. ATTEST-TD-MEASUREMENT besides.
Result<Appraisal> appraise_td_guest(const AzureGuestRequest& request, const Terms& terms,
                                    Checks& checks);

// appraise_trusted_launch is appraise_azure_guest for machines of Trusted Launch, which have a TPM
// and no hardware that vouches for it.
Result<Appraisal> appraise_trusted_launch(const AzureGuestRequest& request, const Terms& terms,
                                          Checks& checks);

// LaunchField is where the launch keeps the digest of data that came with it (azure-api C.2):
// HOST_DATA or CONFIGID's first half (SHA-256), or MRCONFIGID (SHA-384, our decision).
struct LaunchField {
    ByteView value;
    crypto::HashAlg hash;
};

// check_bound holds data that came with evidence against the digests in it: the report data is the
// SHA-256 of the runtime data, and then that of the challenge, or zeros without one (decision 19).
// Fails with ATTEST-CHALLENGE, HCL-BINDING or ATTEST-INIT-DATA.
Result<void> check_bound(const BoundMembers& bound, const std::array<uint8_t, 64>& report_data,
                         const LaunchField& launch, Checks& checks);

// bound_appraisal begins an appraisal with what came beside the evidence. What a token for fresh
// evidence is bound to (guest_key) is the one key in the `keys` of runtime data of type JSON, if
// there is one and no other, and it is strong enough to verify with.
Appraisal bound_appraisal(const BoundMembers& bound);

}  // namespace vouchsafe::attest
