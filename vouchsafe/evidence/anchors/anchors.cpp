#include "vouchsafe/evidence/anchors/anchors.h"

#include "vouchsafe/evidence/anchors/data.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

std::vector<Certificate> parse_all(std::span<const std::string_view> pems) {
    std::vector<Certificate> out;
    for (std::string_view pem : pems) out.push_back(MUST(Certificate::parse_pem(pem)));
    return out;
}

TrustAnchors load_vendor_anchors() {
    TrustAnchors out;
    out.tier = Tier::hardware;
    for (const AmdCertificatePems& pems : amd_certificates()) {
        out.amd.push_back({pems.product, MUST(Certificate::parse_pem(pems.ark)),
                           MUST(Certificate::parse_pem(pems.ask)),
                           MUST(Certificate::parse_pem(pems.asvk))});
    }
    out.ak_roots = parse_all(azure_ak_root_pems());
    out.ak_intermediates = parse_all(azure_ak_intermediate_pems());
    out.google_vtpm_roots = parse_all(google_vtpm_root_pems());
    out.google_vtpm_intermediates = parse_all(google_vtpm_intermediate_pems());
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
