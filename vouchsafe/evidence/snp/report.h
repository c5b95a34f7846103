// The SEV-SNP attestation report (AMD 56860, SEV-SNP Firmware ABI, table "ATTESTATION_REPORT"):
// bytes to fields, nothing more. A parsed report is not verified; policy takes VerifiedSnpReport
// (verify.h).
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::evidence {

inline constexpr size_t kSnpReportSize = 1184;
inline constexpr size_t kSnpSignedSize = 0x2A0;  // the signature covers [0, 0x2A0)

// SnpProduct is a line of chips with one key hierarchy. Bergamo and Siena are of line Genoa: that
// is what their certificates say.
enum class SnpProduct { milan, genoa, turin };
std::string_view product_name(SnpProduct product);  // "Milan"

// SnpTcb is a TCB_VERSION, decoded. Its layout depends on the product (AMD 56860, TCB_VERSION):
// Milan and Genoa have no FMC.
struct SnpTcb {
    std::optional<uint8_t> fmc;  // Turin only
    uint8_t bootloader = 0;
    uint8_t tee = 0;
    uint8_t snp = 0;
    uint8_t microcode = 0;
    bool operator==(const SnpTcb&) const = default;
};
using RawTcb = std::array<uint8_t, 8>;
// decode_tcb reads the bytes in the layout of `product`; its reserved bytes are not looked at.
SnpTcb decode_tcb(const RawTcb& raw, SnpProduct product);
bool tcb_reserved_zero(const RawTcb& raw, SnpProduct product);
// reaches tells whether no component is below that of `floor`.
bool reaches(const SnpTcb& tcb, const SnpTcb& floor);
std::string describe(const SnpTcb& tcb);  // "bootloader 4, tee 0, snp 24, microcode 219"

// SnpPolicy is the guest policy (AMD 56860, table "Guest Policy").
struct SnpPolicy {
    uint64_t raw = 0;
    uint8_t abi_major() const { return static_cast<uint8_t>(raw >> 8); }
    uint8_t abi_minor() const { return static_cast<uint8_t>(raw); }
    bool smt_allowed() const { return bit(16); }
    bool reserved_must_be_one() const { return bit(17); }
    bool migration_allowed() const { return bit(18); }
    bool debug_allowed() const { return bit(19); }
    bool single_socket_required() const { return bit(20); }
    bool cxl_allowed() const { return bit(21); }
    bool aes256_xts_required() const { return bit(22); }
    bool rapl_disabled_required() const { return bit(23); }
    bool ciphertext_hiding_required() const { return bit(24); }
    bool page_swap_disabled() const { return bit(25); }
    uint64_t unknown_bits() const { return raw & ~uint64_t{0x3FFFFFF}; }

  private:
    bool bit(int n) const { return ((raw >> n) & 1) != 0; }
};

// SnpPlatformInfo says how the machine runs (AMD 56860, PLATFORM_INFO). Newer firmware defines
// more bits without a new report version; unknown ones are kept in `raw` and mean nothing here.
struct SnpPlatformInfo {
    uint64_t raw = 0;
    bool smt_enabled() const { return bit(0); }
    bool tsme_enabled() const { return bit(1); }
    bool ecc_enabled() const { return bit(2); }
    bool rapl_disabled() const { return bit(3); }
    bool ciphertext_hiding_enabled() const { return bit(4); }
    bool alias_check_complete() const { return bit(5); }
    bool tio_enabled() const { return bit(7); }

  private:
    bool bit(int n) const { return ((raw >> n) & 1) != 0; }
};

enum class SnpSigner { vcek, vlek, none, reserved };
std::string_view signer_name(SnpSigner signer);  // "VCEK"

struct SnpFirmwareVersion {
    uint8_t major = 0, minor = 0, build = 0;
};
struct SnpCpuid {
    uint8_t family = 0, model = 0, stepping = 0;
};

// SnpReport has every field of versions 2 to 5, in the report's order. Version 1 (Azure, 2022) is
// read too; a verifier refuses it by name unless its rules allow it.
//
// Reserved bits: all reserved fields, the reserved bits of the word at 0x48 and the bytes behind
// the signature must be zero (they are in all recorded reports), so no byte of a report is free.
// The exceptions are PLATFORM_INFO (see above) and the guest policy, whose unknown bits parse and
// are refused by the verifier: a policy bit we do not know may allow something.
struct SnpReport {
    uint32_t version = 0;
    uint32_t guest_svn = 0;
    SnpPolicy policy;
    std::array<uint8_t, 16> family_id{};
    std::array<uint8_t, 16> image_id{};
    uint32_t vmpl = 0;
    uint32_t signature_algorithm = 0;  // 1: ECDSA P-384 with SHA-384
    RawTcb current_tcb{};
    SnpPlatformInfo platform;
    bool author_key_enabled = false;
    bool chip_key_masked = false;
    SnpSigner signer = SnpSigner::none;
    std::array<uint8_t, 64> report_data{};
    std::array<uint8_t, 48> measurement{};
    std::array<uint8_t, 32> host_data{};
    std::array<uint8_t, 48> id_key_digest{};
    std::array<uint8_t, 48> author_key_digest{};
    std::array<uint8_t, 32> report_id{};
    std::array<uint8_t, 32> report_id_ma{};
    RawTcb reported_tcb{};
    std::optional<SnpCpuid> cpuid;  // from version 3 on
    std::array<uint8_t, 64> chip_id{};
    RawTcb committed_tcb{};
    SnpFirmwareVersion current_firmware;
    SnpFirmwareVersion committed_firmware;
    RawTcb launch_tcb{};
    std::optional<uint64_t> launch_mitigation_vector;   // from version 5 on
    std::optional<uint64_t> current_mitigation_vector;  // from version 5 on
    std::array<uint8_t, 72> signature_r{};              // little-endian
    std::array<uint8_t, 72> signature_s{};

    // parse wants exactly 1184 bytes and fails with the checks SNP-SIZE, SNP-VERSION, SNP-RESERVED.
    static Result<SnpReport> parse(ByteView bytes, Checks& checks);
    static Result<SnpReport> parse(ByteView bytes);

    // product tells the line from the CPUID; nullopt for versions without it and unknown chips.
    std::optional<SnpProduct> product() const;
};

// looks_like_td_report tells whether bytes offered as an SNP report are an Intel TDREPORT (Intel
// 344425: REPORTMACSTRUCT begins with type 0x81). Azure's ordinary client labels these "SevSnp".
bool looks_like_td_report(ByteView bytes);

}  // namespace vouchsafe::evidence
