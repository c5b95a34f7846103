// The vendors' certificates as text. For anchors.cpp alone.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "vouchsafe/evidence/snp/report.h"

namespace vouchsafe::evidence {

struct AmdCertificatePems {
    SnpProduct product;
    std::string_view ark, ask, asvk;
};
std::span<const AmdCertificatePems> amd_certificates();

std::span<const std::string_view> azure_ak_root_pems();
std::span<const std::string_view> azure_ak_intermediate_pems();

std::span<const std::string_view> google_vtpm_root_pems();
std::span<const std::string_view> google_vtpm_intermediate_pems();

std::string_view intel_sgx_root_pem();

}  // namespace vouchsafe::evidence
