#include "vouchsafe/jose/maa_token.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::jose {

namespace {

constexpr std::string_view kAttestationType = "x-ms-attestation-type";
constexpr std::string_view kComplianceStatus = "x-ms-compliance-status";
constexpr std::string_view kTees[] = {"sevsnpvm", "tdxvm", "sgx"};

// The service's answers about policies (azure-api C.5): PolicyResult, PolicyCertificatesResult and
// what changes them.
bool is_about_policy(const Json& claims) {
    for (const char* name : {"x-ms-policy", "x-ms-policy-result", "x-ms-policy-certificates",
                             "x-ms-policycertificates-result"}) {
        if (find_member(claims, name) != nullptr) return true;
    }
    return false;
}

// x-ms-policy is a JWS, signed or with alg none, whose payload has the text in base64url.
std::optional<std::string> read_policy(const Json& claims) {
    auto jws = parse_jws(text_or_empty(claims, "x-ms-policy"));
    auto body = jws ? parse_json_object(as_text(jws->payload)) : Result<Json>(fail(jws.error()));
    if (!body) return std::nullopt;
    auto text = decode_base64_any(text_or_empty(*body, "AttestationPolicy"));
    if (!text || text->empty() || !is_utf8(as_text(*text))) return std::nullopt;
    return to_text(*text);
}

}  // namespace

std::string_view maa_statement_name(MaaStatement statement) {
    switch (statement) {
        case MaaStatement::attestation:
            return "attestation";
        case MaaStatement::policy:
            return "policy";
        case MaaStatement::other:
            break;
    }
    return "other";
}

MaaToken describe_maa_token(const Json& claims) {
    MaaToken out;
    out.attestation_type = text_or_empty(claims, kAttestationType);
    if (out.attestation_type.empty()) {
        if (!is_about_policy(claims)) return out;
        out.statement = MaaStatement::policy;
        out.policy_text = read_policy(claims);
        return out;
    }
    out.statement = MaaStatement::attestation;
    const Json* isolation = find_member(claims, "x-ms-isolation-tee");
    const Json& tee = isolation != nullptr ? *isolation : claims;
    std::string type = text_or_empty(tee, kAttestationType);
    if (std::find(std::begin(kTees), std::end(kTees), type) != std::end(kTees)) out.tee = type;
    out.compliance = text_or_empty(tee, kComplianceStatus);
    return out;
}

}  // namespace vouchsafe::jose
