#include "vouchsafe/attest/policy/judge.h"

#include <algorithm>

#include "vouchsafe/attest/claims/sgx_claims.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/maa/explain.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kIsolation = "x-ms-isolation-tee";
constexpr size_t kMaxExplanation = 64 << 10;  // bytes kept of one in the audit log
constexpr std::string_view kReserved[] = {"iss",     "sub", "aud",       "exp",         "nbf",
                                          "iat",     "jti", "nonce",     "eat_profile", "intuse",
                                          "dbgstat", "cnf", "eat_nonce", "submods"};

// is_known tells whether a service makes a claim of this name for any kind of evidence.
bool is_known(std::string_view name) {
    return std::ranges::any_of(policy::known_claims(), [&](const policy::KnownClaim& claim) {
        return equal_ignore_case(claim.name, name);
    });
}

bool is_services(std::string_view given, const Json& claims) {
    std::string name = to_lower(given);
    return claims.contains(given) || is_known(name) || is_old_sgx_name(name) ||
           name.starts_with("x-ms-") || name.starts_with("x-vouchsafe-") ||
           name.starts_with("tdx_") ||
           std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

// is_guests_word tells whether a claim is what the client said of itself.
bool is_guests_word(const policy::Claim& claim, const Json& claims) {
    std::string_view name = claim.type;
    if (name == "nonce" || name == "rp_data") return true;
    // Digests cover neither an event's type nor its name, and who rules a guest can append events.
    if (name.starts_with("x-vouchsafe-boot-") || name == "x-vouchsafe-firmware-version")
        return true;
    // Of a guest with a vTPM: with it goes what its caller wants to have echoed.
    if (name == "x-ms-runtime") {
        return claims.contains(kIsolation) || claims.contains("x-vouchsafe-trusted-launch");
    }
    constexpr std::string_view kMeasured[] = {
        "x-ms-azurevm-attested-pcrs", "x-ms-azurevm-dbvalidated", "x-ms-azurevm-dbxvalidated",
        "x-ms-azurevm-default-securebootkeysvalidated", "x-ms-azurevm-vmid"};
    return name.starts_with("x-ms-azurevm-") &&
           std::find(std::begin(kMeasured), std::end(kMeasured), name) == std::end(kMeasured);
}

Json explain_shortly(const policy::AttestationPolicy& rules,
                     const std::vector<policy::Claim>& incoming) {
    auto explained = policy::explain(rules, incoming);
    if (!explained) return {{"problem", explained.error().message}};
    Json out = explained->to_json();
    out["lines"] = explained->lines();
    if (dump_json(out).size() > kMaxExplanation) out.erase("rules");
    if (dump_json(out).size() > kMaxExplanation) return {{"problem", "too long to be kept"}};
    return out;
}

}  // namespace

Result<std::vector<policy::Claim>> policy_claims(const Json& claims) {
    using policy::ClaimIssuer;
    auto out = TRY(policy::claims_from_json(claims, ClaimIssuer::attestation_service));
    for (policy::Claim& claim : out) {
        if (is_guests_word(claim, claims)) claim.issuer = ClaimIssuer::custom_claim;
        // Old names of claims about enclaves stand for rules behind a dollar.
        if (claim.type.starts_with("x-")) continue;
        std::string old_name = "$" + claim.type;
        if (policy::find_known_claim(old_name) != nullptr) claim.type = std::move(old_name);
    }
    const Json* isolation = find_member(claims, kIsolation);
    if (isolation == nullptr || !isolation->is_object()) return out;
    auto inner = TRY(policy::claims_from_json(*isolation, ClaimIssuer::attestation_service));
    std::ranges::move(inner, std::back_inserter(out));
    return out;
}

Result<policy::AttestationOutcome> judge(const ActivePolicy& policy, const Json& claims,
                                         Json* explanation, Checks& checks) {
    auto outcome = policy::evaluate(policy.rules, TRY(policy_claims(claims)));
    bool permitted = outcome && outcome->permitted();
    if (!permitted && explanation != nullptr) {
        *explanation = explain_shortly(policy.rules, TRY(policy_claims(claims)));
    }
    TRY(checks.require(permitted, "ATTEST-POLICY",
                       policy.built_in ? "built-in policy" : "policy " + policy.hash,
                       "a rule that permits, and none that denies",
                       !outcome    ? outcome.error().message
                       : permitted ? "permit()"
                                   : outcome->reason));
    return outcome;
}

void add_policy_claims(Json& claims, const ActivePolicy& policy, const Json& issued) {
    for (const auto& [name, value] : issued.items()) {
        if (!is_services(name, claims)) claims[name] = value;
    }
    if (!issued.empty()) claims["x-ms-policy"] = issued;
    claims["x-ms-policy-hash"] = policy.hash;
    if (!policy.signer.is_null()) claims["x-ms-policy-signer"] = policy.signer;
    add_old_policy_claims(claims);
}

}  // namespace vouchsafe::attest
