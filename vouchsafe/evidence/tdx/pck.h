// What a PCK certificate says about its platform: Intel's extension 1.2.840.113741.1.13.1 (Intel
// SGX PCK Certificate and Certificate Revocation List Profile, 1.3.5). Nothing is verified here.
#pragma once

#include <optional>

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::evidence {

enum class SgxType { standard = 0, scalable = 1, scalable_with_integrity = 2 };

struct PckInfo {
    std::array<uint8_t, 16> ppid{};  // platform provisioning id
    std::array<uint8_t, 16> tcb_components{};
    uint16_t pcesvn = 0;
    std::array<uint8_t, 16> cpusvn{};
    std::array<uint8_t, 2> pceid{};
    std::array<uint8_t, 6> fmspc{};  // which TCB info is the platform's
    SgxType type = SgxType::standard;
    std::optional<std::array<uint8_t, 16>> platform_instance_id;  // of multi-package platforms
    crypto::PublicKey key;                                        // P-256

    // parse fails with Code::invalid if the extension is missing, malformed or incomplete, has a
    // member that the profile does not define, or if the key is not P-256.
    static Result<PckInfo> parse(const crypto::Certificate& certificate);
};

}  // namespace vouchsafe::evidence
