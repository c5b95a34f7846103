#include "vouchsafe/attest/claims/ear.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

// take_claim moves a member from one object to another, under another name if one is given.
void take_claim(Json& from, Json& to, const char* name, const char* new_name = nullptr) {
    auto found = from.find(name);
    if (found == from.end()) return;
    to[new_name != nullptr ? new_name : name] = std::move(*found);
    from.erase(found);
}

}  // namespace

Json ear_claims(Json claims, const TrustVector& trust) {
    Json out = {
        {"eat_profile", kEarProfile},
        {"ear.verifier-id", {{"developer", "vouchsafe"}, {"build", "vouchsafe " VS_VERSION}}}};
    for (const char* name : {"iss", "iat", "nbf", "exp", "jti"}) take_claim(claims, out, name);
    take_claim(claims, out, "nonce", "eat_nonce");

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
