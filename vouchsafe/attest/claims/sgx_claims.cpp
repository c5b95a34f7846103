#include "vouchsafe/attest/claims/sgx_claims.h"

#include <algorithm>

#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/claims/trust_vector.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kType = "sgx";

struct OldName {
    const char* name;
    const char* old_name;
};
constexpr OldName kOldNames[] = {
    {"x-ms-attestation-type", "tee"},
    {"x-ms-sgx-is-debuggable", "is-debuggable"},
    {"x-ms-sgx-product-id", "product-id"},
    {"x-ms-sgx-mrsigner", "sgx-mrsigner"},
    {"x-ms-sgx-mrenclave", "sgx-mrenclave"},
    {"x-ms-sgx-svn", "svn"},
    {"x-ms-sgx-ehd", "maa-ehd"},
    {"x-ms-sgx-ehd", "aas-ehd"},
    {"x-ms-sgx-collateral", "maa-attestationcollateral"},
    {"nonce", "rp_data"},
};
constexpr OldName kOldPolicyNames[] = {
    {"x-ms-policy-hash", "policy_hash"},
    {"x-ms-policy-hash", "maa-policyHash"},
    {"x-ms-policy-signer", "policy_signer"},
};

bool is_sgx(const Json& claims) {
    return text_or_empty(claims, "x-ms-attestation-type") == kType;
}

template <size_t N>
void add_old_names(Json& claims, const OldName (&names)[N]) {
    for (const OldName& one : names) {
        if (const Json* value = find_member(claims, one.name)) {
            Json copy = *value;
            claims[one.old_name] = std::move(copy);
        }
    }
}

void add_report_claims(Json& claims, const evidence::EnclaveReport& report) {
    claims["x-ms-sgx-is-debuggable"] = report.debug();
    claims["x-ms-sgx-product-id"] = report.isvprodid;
    claims["x-ms-sgx-mrsigner"] = encode_hex(report.mrsigner);
    claims["x-ms-sgx-mrenclave"] = encode_hex(report.mrenclave);
    claims["x-ms-sgx-svn"] = report.isvsvn;
    claims["x-ms-sgx-report-data"] = encode_hex(report.report_data);
    if (!report.key_separation()) return;
    claims["x-ms-sgx-config-id"] = encode_hex(report.config_id);
    claims["x-ms-sgx-config-svn"] = report.config_svn;
    claims["x-ms-sgx-isv-extended-product-id"] = encode_hex(report.isv_ext_prod_id);
    claims["x-ms-sgx-isv-family-id"] = encode_hex(report.isv_family_id);
}

// One list has both documents' signer: the root's (so do Azure's tokens, where the hashes agree).
Json collateral_claim(ByteView quote, const UsedDocuments& used) {
    Json out = {{"quotehash", encode_hex(crypto::sha256(quote))}};
    auto add = [&](const char* name, const std::string& hash) {
        if (!hash.empty()) out[name] = hash;
    };
    add("tcbinfohash", used.tcb_info);
    add("tcbinfocertshash", used.tcb_info_chain);
    if (!used.tcb_info.empty()) add("tcbinfocrlhash", used.root_crl);
    add("qeidhash", used.qe_identity);
    add("qeidcertshash", used.qe_identity_chain);
    if (!used.qe_identity.empty()) add("qeidcrlhash", used.root_crl);
    return out;
}

}  // namespace

Json sgx_claims(const QuoteRequest& request, const evidence::VerifiedSgxQuote& quote,
                const UsedDocuments& used) {
    Json claims = {{"x-ms-attestation-type", kType}, {"ver", "1.0"}};
    add_report_claims(claims, quote.report());
    claims["x-ms-sgx-collateral"] = collateral_claim(request.quote, used);
    const std::optional<BoundData>& held = request.bound.runtime_data;
    if (held && !held->json) claims["x-ms-sgx-ehd"] = encode_base64url(held->data);
    add_bound_claims(claims, request.bound);
    add_old_names(claims, kOldNames);
    if (const auto* tcb = whole_judgement(quote.tcb(), quote.not_checked())) {
        claims["x-vouchsafe-sgx-tcb-status"] = evidence::tcb_status_name(tcb->status);
        claims["x-vouchsafe-sgx-advisories"] = tcb->advisories;
        claims["x-vouchsafe-sgx-evaluation"] = tcb->evaluation;
    }
    claims["x-vouchsafe-trust-tier"] = evidence::tier_name(quote.tier());
    add_not_checked(claims, quote.not_checked());
    return claims;
}

bool is_old_sgx_name(std::string_view name) {
    auto same = [&](const OldName& one) { return equal_ignore_case(one.old_name, name); };
    return std::ranges::any_of(kOldNames, same) || std::ranges::any_of(kOldPolicyNames, same) ||
           equal_ignore_case("ver", name);
}

void add_old_policy_claims(Json& claims) {
    if (is_sgx(claims)) add_old_names(claims, kOldPolicyNames);
}

}  // namespace vouchsafe::attest
