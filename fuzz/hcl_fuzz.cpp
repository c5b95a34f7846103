// HCL reports and runtime claims. Oracles: what parses lies inside the input, and zero padding
// behind it changes nothing.
#include <cstdlib>

#include "vouchsafe/evidence/azure/hcl.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    Checks checks;
    (void)RuntimeClaims::parse(bytes, checks).has_value();

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
