#include "vouchsafe/evidence/snp/report.h"

#include <algorithm>

namespace vouchsafe::evidence {

namespace {

constexpr uint32_t kOldestVersion = 1;
constexpr uint32_t kNewestVersion = 5;
constexpr uint32_t kVersionWithCpuid = 3;
constexpr uint32_t kVersionWithMitigation = 5;
constexpr uint32_t kKnownFlags = 0x1F;  // bits 0 to 4 of the word at 0x48

SnpSigner signer_from_bits(uint32_t bits) {
    switch (bits) {
        case 0:
            return SnpSigner::vcek;
        case 1:
            return SnpSigner::vlek;
        case 7:
            return SnpSigner::none;
        default:
            return SnpSigner::reserved;
    }
}

// Fields reads one field after another and notes which reserved ones are not zero.
class Fields {
  public:
    explicit Fields(ByteView bytes) : reader_(bytes, "SNP report") {}
    Reader& reader() { return reader_; }

    Result<void> reserved(size_t count, std::string_view where) {
        ByteView bytes = TRY(reader_.take(count, where));
        if (!all_zero(bytes) && bad_.empty()) bad_ = where;
        return {};
    }
    void note(bool zero, std::string_view where) {
        if (!zero && bad_.empty()) bad_ = where;
    }
    const std::string& first_bad() const { return bad_; }

  private:
    Reader reader_;
    std::string bad_;
};

Result<SnpFirmwareVersion> read_firmware(Fields& fields, std::string_view name) {
    SnpFirmwareVersion out;
    out.build = TRY(fields.reader().u8(name));
    out.minor = TRY(fields.reader().u8(name));
    out.major = TRY(fields.reader().u8(name));
    TRY(fields.reserved(1, name));
    return out;
}

// The first part, to 0x180, is the same in all versions.
Result<void> read_head(Fields& fields, SnpReport& out) {
    Reader& in = fields.reader();
    out.version = TRY(in.u32_le("version"));
    out.guest_svn = TRY(in.u32_le("guest_svn"));
    out.policy.raw = TRY(in.u64_le("policy"));
    out.family_id = TRY(in.array<16>("family_id"));
    out.image_id = TRY(in.array<16>("image_id"));
    out.vmpl = TRY(in.u32_le("vmpl"));
    out.signature_algorithm = TRY(in.u32_le("signature_algo"));
    out.current_tcb = TRY(in.array<8>("current_tcb"));
    out.platform.raw = TRY(in.u64_le("platform_info"));
    uint32_t flags = TRY(in.u32_le("flags"));
    out.author_key_enabled = (flags & 1) != 0;
    out.chip_key_masked = (flags & 2) != 0;
    out.signer = signer_from_bits((flags >> 2) & 7);
    fields.note((flags & ~kKnownFlags) == 0, "flags at 0x48");
    TRY(fields.reserved(4, "0x4c"));
    out.report_data = TRY(in.array<64>("report_data"));
    out.measurement = TRY(in.array<48>("measurement"));
    out.host_data = TRY(in.array<32>("host_data"));
    out.id_key_digest = TRY(in.array<48>("id_key_digest"));
    out.author_key_digest = TRY(in.array<48>("author_key_digest"));
    out.report_id = TRY(in.array<32>("report_id"));
    out.report_id_ma = TRY(in.array<32>("report_id_ma"));
    return {};
}

Result<void> read_tail(Fields& fields, SnpReport& out) {
    Reader& in = fields.reader();
    out.reported_tcb = TRY(in.array<8>("reported_tcb"));
    if (out.version >= kVersionWithCpuid) {
        SnpCpuid cpuid;
        cpuid.family = TRY(in.u8("cpuid_fam_id"));
        cpuid.model = TRY(in.u8("cpuid_mod_id"));
        cpuid.stepping = TRY(in.u8("cpuid_step"));
        out.cpuid = cpuid;
    } else {
        TRY(fields.reserved(3, "0x188"));
    }
    TRY(fields.reserved(21, "0x18b"));
    out.chip_id = TRY(in.array<64>("chip_id"));
    out.committed_tcb = TRY(in.array<8>("committed_tcb"));
    out.current_firmware = TRY(read_firmware(fields, "current firmware version"));
    out.committed_firmware = TRY(read_firmware(fields, "committed firmware version"));
    out.launch_tcb = TRY(in.array<8>("launch_tcb"));
    if (out.version >= kVersionWithMitigation) {
        out.launch_mitigation_vector = TRY(in.u64_le("launch_mit_vector"));
        out.current_mitigation_vector = TRY(in.u64_le("current_mit_vector"));
    } else {
        TRY(fields.reserved(16, "0x1f8"));
    }
    TRY(fields.reserved(152, "0x208"));
    out.signature_r = TRY(in.array<72>("signature r"));
    out.signature_s = TRY(in.array<72>("signature s"));
    TRY(fields.reserved(368, "0x330 (behind the signature)"));
    return in.end();
}

}  // namespace

std::string_view product_name(SnpProduct product) {
    switch (product) {
        case SnpProduct::milan:
            return "Milan";
        case SnpProduct::genoa:
            return "Genoa";
        case SnpProduct::turin:
            return "Turin";
    }
    return "unknown";
}

std::string_view signer_name(SnpSigner signer) {
    switch (signer) {
        case SnpSigner::vcek:
            return "VCEK";
        case SnpSigner::vlek:
            return "VLEK";
        case SnpSigner::none:
            return "none";
        case SnpSigner::reserved:
            return "reserved";
    }
    return "unknown";
}

SnpTcb decode_tcb(const RawTcb& raw, SnpProduct product) {
    SnpTcb out;
    if (product == SnpProduct::turin) {
        out.fmc = raw[0];
        out.bootloader = raw[1];
        out.tee = raw[2];
        out.snp = raw[3];
    } else {
        out.bootloader = raw[0];
        out.tee = raw[1];
        out.snp = raw[6];
    }
    out.microcode = raw[7];
    return out;
}

bool tcb_reserved_zero(const RawTcb& raw, SnpProduct product) {
    size_t first = product == SnpProduct::turin ? 4 : 2;
    size_t end = product == SnpProduct::turin ? 7 : 6;
    return all_zero(ByteView(raw).subspan(first, end - first));
}

bool reaches(const SnpTcb& tcb, const SnpTcb& floor) {
    return tcb.fmc.value_or(0) >= floor.fmc.value_or(0) && tcb.bootloader >= floor.bootloader &&
           tcb.tee >= floor.tee && tcb.snp >= floor.snp && tcb.microcode >= floor.microcode;
}

std::string describe(const SnpTcb& tcb) {
    std::string fmc = tcb.fmc ? fmt::format("fmc {}, ", *tcb.fmc) : "";
    return fmt::format("{}bootloader {}, tee {}, snp {}, microcode {}", fmc, tcb.bootloader,
                       tcb.tee, tcb.snp, tcb.microcode);
}

Result<SnpReport> SnpReport::parse(ByteView bytes, Checks& checks) {
    TRY(checks.require(bytes.size() == kSnpReportSize, "SNP-SIZE", "report size",
                       fmt::format("{} bytes", kSnpReportSize),
                       fmt::format("{} bytes", bytes.size())));
    Fields fields(bytes);
    SnpReport out;
    TRY(read_head(fields, out));
    TRY(checks.require(out.version >= kOldestVersion && out.version <= kNewestVersion,
                       "SNP-VERSION", "version", "2 to 5", fmt::format("{}", out.version)));
    TRY(read_tail(fields, out));
    TRY(checks.require(fields.first_bad().empty(), "SNP-RESERVED",
                       fields.first_bad().empty() ? "reserved fields" : fields.first_bad(), "zero",
                       fields.first_bad().empty() ? "zero" : "not zero"));
    return out;
}

Result<SnpReport> SnpReport::parse(ByteView bytes) {
    Checks checks;
    return parse(bytes, checks);
}

std::optional<SnpProduct> SnpReport::product() const {
    // AMD 57230, "Product names"; PPR model ranges.
    if (!cpuid) return std::nullopt;
    uint8_t model = cpuid->model;
    if (cpuid->family == 0x19) {
        if (model <= 0x0F) return SnpProduct::milan;
        if (model <= 0x1F) return SnpProduct::genoa;
        if (model >= 0xA0 && model <= 0xAF) return SnpProduct::genoa;  // Bergamo, Siena
    }
    if (cpuid->family == 0x1A && model <= 0x11) return SnpProduct::turin;
    return std::nullopt;
}

bool looks_like_td_report(ByteView bytes) {
    // TYPE (0x81: TDX), SUBTYPE 0, VERSION 0 or 1, reserved 0. Read as an SNP report this would be
    // version 0x81 or 0x10081, which does not exist.
    return bytes.size() >= 1024 && bytes[0] == 0x81 && bytes[1] == 0 && bytes[2] <= 1 &&
           bytes[3] == 0;
}

}  // namespace vouchsafe::evidence
