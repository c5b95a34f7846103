// SNP reports. Oracles: what parses has the one size and a known version, and writing its fields
// back at their offsets gives the same bytes; verification of arbitrary bytes ends in a coded
// refusal.
#include <cstdlib>
#include <cstring>

#include "vouchsafe/evidence/snp/verify.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

template <size_t N>
bool stands_at(ByteView bytes, size_t offset, const std::array<uint8_t, N>& field) {
    return equal(bytes.subspan(offset, N), field);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    const TrustAnchors& anchors = vendor_anchors();
    SnpEndorsements no_vcek{anchors.amd[0].ark, {}};
    Checks checks;
    auto verified = verify_snp(bytes, no_vcek, anchors, {}, Time{}, checks);
    require(!verified && verified.error().reason() != nullptr);

    auto report = SnpReport::parse(bytes);
    if (!report) {
        require(report.error().reason() != nullptr);
        return 0;
    }
    require(size == kSnpReportSize && report->version >= 1 && report->version <= 5);
    require(stands_at(bytes, 0x50, report->report_data));
    require(stands_at(bytes, 0x90, report->measurement));
    require(stands_at(bytes, 0x180, report->reported_tcb));
    require(stands_at(bytes, 0x1A0, report->chip_id));
    require(stands_at(bytes, 0x2A0, report->signature_r));
    require(stands_at(bytes, 0x2E8, report->signature_s));
    require(all_zero(bytes.subspan(0x330)));
    require(report->cpuid.has_value() == (report->version >= 3));
    require(!looks_like_td_report(bytes));
    (void)report->product();
    return 0;
}
