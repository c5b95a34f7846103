#include "vouchsafe/attest/appraise_parts.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest {

using evidence::IntelTee;

namespace {

std::optional<crypto::PublicKey> guest_key(const BoundMembers& bound) {
    if (!bound.runtime_data || !bound.runtime_data->json) return std::nullopt;
    const Json* keys = find_member(*bound.runtime_data->json, "keys");
    if (keys == nullptr || !keys->is_array() || keys->size() != 1) return std::nullopt;
    auto key = jose::parse_jwk(keys->front());
    bool usable = key && (key->type() != crypto::KeyType::rsa || key->bits() >= jose::kMinRsaBits);
    return usable ? std::optional(std::move(*key)) : std::nullopt;
}

}  // namespace

Result<HeldTdx> held_for(IntelTee tee, ByteView quote, const Terms& terms, Checks& checks) {
    HeldTdx held;
    if (terms.collateral == nullptr) return held;
    Checks of_search;  // the verifier makes these checks again, all of them
    auto platform = tee == IntelTee::sgx ? sgx_platform_of(quote, terms.anchors, of_search)
                                         : tdx_platform_of(quote, terms.anchors, of_search);
    if (!platform) return held;
    held = tee == IntelTee::sgx ? terms.collateral->sgx(platform->fmspc, platform->ca)
                                : terms.collateral->tdx(platform->fmspc, platform->ca);
    if (terms.used_collateral != nullptr) *terms.used_collateral = held.pieces;
    if (!held.refused) return held;
    const Check* reason = held.refused->reason();
    if (reason == nullptr) return fail(*held.refused);
    return checks.refuse(reason->code, reason->field, reason->expected, reason->found);
}

Result<void> check_challenge(const std::optional<std::string>& challenge, const Terms& terms,
                             Checks& checks) {
    if (!challenge) return {};
    TRY(checks.require(terms.challenges != nullptr, "ATTEST-CHALLENGE", "challenge",
                       "none: this service issues none", "one"));
    return terms.challenges->check(*challenge, terms.now, checks);
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
    TRY(check_challenge(request.challenge, terms, checks));
    return std::optional<Bytes>{challenge_digest(*request.challenge)};
}

std::string subject_of(const evidence::RuntimeClaims& runtime) {
    constexpr size_t kMaxSubject = 200;  // characters
    return runtime.vm.vm_unique_id.value_or("").substr(0, kMaxSubject);
}

Result<void> check_bound(const BoundMembers& bound, const std::array<uint8_t, 64>& report_data,
                         const LaunchField& launch, Checks& checks) {
    std::array<uint8_t, 64> of_data = report_data;
    if (bound.challenge) {
        std::span<uint8_t> second = std::span(of_data).subspan(of_data.size() / 2);
        Bytes digest = challenge_digest(*bound.challenge);
        TRY(checks.require(equal(digest, second), "ATTEST-CHALLENGE", "report_data",
                           encode_hex(digest) + " as second half", encode_hex(second)));
        std::ranges::fill(second, uint8_t{0});
    }
    if (bound.runtime_data) {
        TRY(evidence::check_runtime_binding(of_data, bound.runtime_data->data,
                                            crypto::HashAlg::sha256, checks));
    }
    if (!bound.init_data) return {};
    Bytes digest = crypto::hash(launch.hash, bound.init_data->data);
    return checks.require(equal(digest, launch.value), "ATTEST-INIT-DATA", "initTimeData",
                          encode_hex(launch.value), encode_hex(digest));
}

Appraisal bound_appraisal(const BoundMembers& bound) {
    Appraisal out;
    out.draft_policy = bound.draft_policy;
    out.challenge = bound.challenge;
    out.guest_key = guest_key(bound);
    return out;
}

}  // namespace vouchsafe::attest
