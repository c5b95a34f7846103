// HCL reports and runtime claims. Oracles: what parses lies inside the input, and zero padding
// behind it changes nothing; every refusal of the whole verification names a check, and what it
// accepts holds the genuine machine's report and runtime data, byte for byte.
#include "fuzz/recorded.h"
#include "vouchsafe/evidence/azure/hcl_verify.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;
using namespace vouchsafe::fuzz;

namespace {

void check_verdict(ByteView nv) {
    static const auto kGenuine =
        MUST(HclReport::parse(recorded("hcl/azure-snp-milan-a/hcl-report.bin")));
    static const auto kEndorsements = [] {
        Checks checks;
        return MUST(SnpEndorsements::parse(recorded("hcl/azure-snp-milan-a/vcek.der"), checks));
    }();
    SnpRules rules;
    rules.allow_unchecked = {kSnpRevocation};
    Checks checks;
    auto verified =
        verify_hcl(nv, kEndorsements, vendor_anchors(), rules, {}, from_unix(1782864000), checks);
    require_reason(verified);
    if (!verified) return;
    require(verified->report().runtime_data == kGenuine.runtime_data);
    require(equal(ByteView(verified->report().hardware_report).first(kSnpSignedSize),
                  ByteView(kGenuine.hardware_report).first(kSnpSignedSize)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    Checks checks;
    (void)RuntimeClaims::parse(bytes, checks).has_value();
    check_verdict(bytes);

    auto report = HclReport::parse(bytes);
    if (!report) {
        require(report.error().reason() != nullptr);
        return 0;
    }
    require(equal(report->runtime_data, bytes.subspan(1236, report->runtime_data.size())));
    require(equal(report->hardware_report,
                  bytes.subspan(kHclHeaderSize, report->hardware_report.size())));
    Bytes padded = to_bytes(bytes);
    padded.resize(size + 100);
    auto again = HclReport::parse(padded);
    require(again && again->runtime_data == report->runtime_data);
    auto claims = RuntimeClaims::parse(report->runtime_data, checks);
    if (!claims) return 0;
    for (const RuntimeKey& key : claims->keys) require(claims->find_key(key.kid) == &key);
    return 0;
}
