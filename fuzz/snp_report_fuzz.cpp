// SNP reports. Oracles: what parses has the one size and a known version, and writing its fields
// back at their offsets gives the same bytes; every refusal of the whole verification names a
// check, and what it accepts says, byte for byte, what the one genuine processor signed.
#include "fuzz/recorded.h"
#include "vouchsafe/evidence/snp/verify.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;
using namespace vouchsafe::fuzz;

namespace {

template <size_t N>
bool stands_at(ByteView bytes, size_t offset, const std::array<uint8_t, N>& field) {
    return equal(bytes.subspan(offset, N), field);
}

void check_verdict(ByteView bytes) {
    static const Bytes kGenuine = recorded("snp/milan-v3-aci.report.bin");
    static const auto kEndorsed = [] {
        Checks checks;
        auto endorsements =
            MUST(SnpEndorsements::parse(recorded("snp/milan-v3-aci.vcek.der"), checks));
        return MUST(
            verify_snp_endorsements(endorsements, vendor_anchors(), from_unix(1782864000), checks));
    }();
    SnpRules rules;
    rules.allow_unchecked = {kSnpRevocation};
    Checks checks;
    auto verified = verify_snp(bytes, kEndorsed, rules, from_unix(1782864000), checks);
    require_reason(verified);
    // ECDSA holds for (r, s) and for (r, n - s), so the signature is not compared.
    if (verified)
        require(equal(bytes.first(kSnpSignedSize), ByteView(kGenuine).first(kSnpSignedSize)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    check_verdict(bytes);
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
