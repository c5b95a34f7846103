// Azure's HCL report (TPM NV index 0x01400001): a hardware report and the runtime JSON it is bound
// to (guest-protocol 2). Parsing is not verification: guest.h does that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::evidence {

inline constexpr size_t kHclHeaderSize = 32;
inline constexpr size_t kHclReportAreaSize = 1184;
inline constexpr size_t kTdReportSize = 1024;
inline constexpr size_t kMaxRuntimeData = 64 << 10;

enum class HclReportType : uint32_t { invalid = 0, vbs = 1, snp = 2, trusted_vm = 3, tdx = 4 };
std::string_view report_type_name(HclReportType type);

struct HclReport {
    uint32_t header_version = 0;  // 1 or 2
    uint32_t report_size = 0;     // as stated; covered by no signature
    uint32_t request_type = 0;    // 2: AK certificate
    HclReportType type = HclReportType::invalid;
    crypto::HashAlg hash = crypto::HashAlg::sha256;
    Bytes hardware_report;  // 1184 bytes for snp, 1024 for tdx
    Bytes runtime_data;     // JSON, exactly as hashed

    // parse cuts by the length fields, whatever the size of the NV index; what follows must be
    // zero. Fails with the checks HCL-MAGIC, HCL-FORM, HCL-REPORT-TYPE, HCL-HASH-TYPE.
    static Result<HclReport> parse(ByteView nv, Checks& checks);
    static Result<HclReport> parse(ByteView nv);
};

struct RuntimeKey {
    std::string kid;  // "HCLAkPub", "HCLEkPub"
    std::vector<std::string> operations;
    crypto::RsaPublicParts numbers;  // of `key`
    crypto::PublicKey key;
};

// VmConfiguration is what the paravisor says about the machine. Absent members are nullopt.
struct VmConfiguration {
    std::optional<bool> console_enabled;
    std::optional<bool> secure_boot;
    std::optional<bool> tpm_enabled;
    std::optional<bool> tpm_persisted;
    std::optional<std::string> vm_unique_id;  // as written; case differs between firmware versions
    std::optional<std::string> root_cert_thumbprint;
    std::optional<int64_t> current_time;
};

// RuntimeClaims is the runtime JSON, read.
struct RuntimeClaims {
    std::vector<RuntimeKey> keys;
    VmConfiguration vm;
    std::optional<Bytes> user_data;        // 64 bytes
    std::shared_ptr<const Json> document;  // the whole object; immutable

    // parse fails with the check HCL-RUNTIME-JSON (also for two keys with one kid).
    static Result<RuntimeClaims> parse(ByteView json, Checks& checks);

    // find_key returns the key or nullptr. Borrows this.
    const RuntimeKey* find_key(std::string_view kid) const;
};

// check_runtime_binding requires report_data = hash(runtime data) followed by zeros (HCL-BINDING).
Result<void> check_runtime_binding(ByteView report_data, ByteView runtime_data,
                                   crypto::HashAlg hash, Checks& checks);

}  // namespace vouchsafe::evidence
