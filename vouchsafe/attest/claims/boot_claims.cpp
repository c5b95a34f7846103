#include "vouchsafe/attest/claims/boot_claims.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

void add_boot_claims(Json& claims, const evidence::BootFacts& facts) {
    Json authorities = Json::array();
    for (const evidence::BootAuthority& one : facts.authorities) {
        if (one.measured) authorities.push_back(encode_hex(one.digest));
    }
    Json images = Json::array();
    for (const evidence::BootImage& one : facts.images) {
        if (one.pcr == 2 || one.pcr == 4) images.push_back(encode_hex(one.digest));
    }
    if (!authorities.empty()) claims["x-vouchsafe-boot-authorities"] = std::move(authorities);
    if (!images.empty()) claims["x-vouchsafe-boot-images"] = std::move(images);
    if (facts.kernel_image) claims["x-vouchsafe-boot-kernel"] = encode_hex(*facts.kernel_image);
    if (facts.command_line) {
        claims["x-vouchsafe-boot-command-line"] =
            encode_hex(crypto::hash(crypto::HashAlg::sha256, as_bytes(*facts.command_line)));
    }
    if (facts.firmware_version) claims["x-vouchsafe-firmware-version"] = *facts.firmware_version;
}

}  // namespace vouchsafe::attest
