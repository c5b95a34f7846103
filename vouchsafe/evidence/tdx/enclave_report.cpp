#include "vouchsafe/evidence/tdx/enclave_report.h"

namespace vouchsafe::evidence {

uint64_t EnclaveReport::flags() const {
    return MUST(Reader(attributes).u64_le("flags"));
}

Result<EnclaveReport> EnclaveReport::parse(ByteView bytes) {
    Reader in(bytes, "enclave report");
    EnclaveReport out;
    out.cpusvn = TRY(in.array<16>("cpusvn"));
    out.miscselect = TRY(in.u32_le("miscselect"));
    TRY(in.skip(12, "reserved"));
    out.isv_ext_prod_id = TRY(in.array<16>("isv_ext_prod_id"));
    out.attributes = TRY(in.array<16>("attributes"));
    out.mrenclave = TRY(in.array<32>("mrenclave"));
    TRY(in.skip(32, "reserved"));
    out.mrsigner = TRY(in.array<32>("mrsigner"));
    TRY(in.skip(32, "reserved"));
    out.config_id = TRY(in.array<64>("config_id"));
    out.isvprodid = TRY(in.u16_le("isvprodid"));
    out.isvsvn = TRY(in.u16_le("isvsvn"));
    out.config_svn = TRY(in.u16_le("config_svn"));
    TRY(in.skip(42, "reserved"));
    out.isv_family_id = TRY(in.array<16>("isv_family_id"));
    out.report_data = TRY(in.array<64>("report_data"));
    TRY(in.end());
    return out;
}

}  // namespace vouchsafe::evidence
