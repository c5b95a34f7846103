// What the processor says about an SGX enclave: the report body (Intel SDM, volume 3D, REPORT;
// DCAP, A.3.10). In quotes of trust domains it is the quoting enclave's alone, in those of SGX
// enclaves the enclave's too. Bytes to fields, nothing more.
#pragma once

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::evidence {

struct EnclaveReport {
    static constexpr size_t kSize = 384;

    std::array<uint8_t, 16> cpusvn{};
    uint32_t miscselect = 0;
    std::array<uint8_t, 16> isv_ext_prod_id{};  // KSS; like all of KSS zero without it
    std::array<uint8_t, 16> attributes{};       // FLAGS, XFRM; both least significant byte first
    std::array<uint8_t, 32> mrenclave{};
    std::array<uint8_t, 32> mrsigner{};
    std::array<uint8_t, 64> config_id{};  // KSS
    uint16_t isvprodid = 0;
    uint16_t isvsvn = 0;
    uint16_t config_svn = 0;                  // KSS
    std::array<uint8_t, 16> isv_family_id{};  // KSS
    std::array<uint8_t, 64> report_data{};

    uint64_t flags() const;
    bool initialized() const { return (flags() & 1) != 0; }
    bool debug() const { return (flags() >> 1 & 1) != 0; }
    bool key_separation() const { return (flags() >> 7 & 1) != 0; }  // KSS: its fields count
    // What is neither above nor 64-bit mode (2), the keys of provisioning (4) and launch (5), CET
    // (6), AEX notification (10).
    uint64_t unknown_flags() const { return flags() & ~uint64_t{0x4F7}; }

    // parse wants kSize bytes, else Code::invalid. Reserved bytes are not looked at.
    static Result<EnclaveReport> parse(ByteView bytes);
};

}  // namespace vouchsafe::evidence
