#include "vouchsafe/attest/claims/ear.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

// take_claim moves a member from one object to another.
void take_claim(Json& from, Json& to, const char* name) {
    auto found = from.find(name);
    if (found == from.end()) return;
    to[name] = std::move(*found);
    from.erase(found);
}

}  // namespace

Json ear_claims(Json claims, const TrustVector& trust) {
    Json out = {
        {"eat_profile", kEarProfile},
        {"ear.verifier-id", {{"developer", "vouchsafe"}, {"build", "vouchsafe " VS_VERSION}}}};
    for (const char* name : {"iss", "iat", "nbf", "exp", "jti"}) take_claim(claims, out, name);
    // Not `nonce`: evidence need not have signed that.
    std::string challenge = text_or_empty(claims, "x-vouchsafe-challenge");
    if (!challenge.empty()) out["eat_nonce"] = challenge;

    std::string type = text_or_empty(claims, "x-ms-attestation-type");
    Json appraisal = {{"ear.status", trust.status()}};
    Json vector = trust.to_json();
    if (!vector.empty()) appraisal["ear.trustworthiness-vector"] = std::move(vector);
    std::string policy = text_or_empty(claims, "x-ms-policy-hash");
    if (!policy.empty()) appraisal["ear.appraisal-policy-id"] = policy;
    appraisal["x-vouchsafe-claims"] = std::move(claims);
    out["submods"] = {{type, std::move(appraisal)}};
    return out;
}

}  // namespace vouchsafe::attest
