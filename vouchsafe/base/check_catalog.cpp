#include <algorithm>

#include "vouchsafe/base/result.h"

namespace vouchsafe {

namespace {

// The catalogue: one row per check, grouped by what is checked. Codes are stable: never rename one,
// never reuse one. Sources: AMD 56860 = SEV-SNP Firmware ABI; TPM2 = TCG TPM 2.0 Library; PFP = TCG
// PC Client Platform Firmware Profile; GP = Azure guest protocol as described in docs/api.
constexpr CheckInfo kCatalog[] = {
    // --- SEV-SNP report (evidence/snp_*)
    {"SNP-SIZE", Code::bad_evidence, "The report has exactly 1184 bytes.", "AMD 56860, table 23",
     "Collect the report again; the bytes were cut or padded on the way."},
    // --- sealed files (seal/)
    {"SEAL-TAG", Code::bad_evidence, "The authentication tag of a frame of the sealed file holds.",
     "AWS Encryption SDK message format, body; NIST SP 800-38D",
     "The file was changed after sealing. Get the sealed file again from its owner."},
};

}  // namespace

std::span<const CheckInfo> check_catalog() {
    return kCatalog;
}

const CheckInfo* find_check_info(std::string_view code) {
    auto found = std::find_if(std::begin(kCatalog), std::end(kCatalog),
                              [&](const CheckInfo& info) { return info.code == code; });
    return found == std::end(kCatalog) ? nullptr : &*found;
}

}  // namespace vouchsafe
