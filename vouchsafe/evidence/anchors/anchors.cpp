#include "vouchsafe/evidence/anchors/anchors.h"

#include "vouchsafe/evidence/anchors/data.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

TrustAnchors load_vendor_anchors() {
    TrustAnchors out;
    out.tier = Tier::hardware;
    for (const AmdCertificatePems& pems : amd_certificates()) {
        out.amd.push_back({pems.product, MUST(Certificate::parse_pem(pems.ark)),
                           MUST(Certificate::parse_pem(pems.ask)),
                           MUST(Certificate::parse_pem(pems.asvk))});
    }
    for (std::string_view pem : azure_ak_root_pems()) {
        out.ak_roots.push_back(MUST(Certificate::parse_pem(pem)));
    }
    for (std::string_view pem : azure_ak_intermediate_pems()) {
        out.ak_intermediates.push_back(MUST(Certificate::parse_pem(pem)));
    }
    out.intel = MUST(Certificate::parse_pem(intel_sgx_root_pem()));
    return out;
}

}  // namespace

std::string_view tier_name(Tier tier) {
    return tier == Tier::hardware ? "hardware" : "simulated";
}

const TrustAnchors& vendor_anchors() {
    static const TrustAnchors kAnchors = load_vendor_anchors();
    return kAnchors;
}

}  // namespace vouchsafe::evidence
