// Sets of reference values. Oracle: what parses, written again, parses to an equal set; what is
// made of measured values matches them, and what differs in one does not.
#include "fuzz/recorded.h"
#include "vouchsafe/attest/reference/match.h"
#include "vouchsafe/base/json.h"

using namespace vouchsafe;
using namespace vouchsafe::attest;

namespace {

// measured_by makes what a set says of each field, by its first digest and its lowest number.
Measured measured_by(const ReferenceSet& set) {
    Measured out;
    for (const auto& [path, digests] : set.values.digests) out.digests[path] = digests.front();
    for (const auto& [path, range] : set.values.numbers) out.numbers[path] = range.min;
    if (!set.values.minimum_tcb.empty()) {
        out.snp_product = set.values.minimum_tcb.begin()->first;
        out.snp_tcb = set.values.minimum_tcb.begin()->second;
    }
    out.tee_tcb_svn = set.values.minimum_tee_tcb_svn;
    for (const auto& [index, digests] : set.values.pcrs) out.pcrs[index] = digests.back();
    for (const auto& [index, digests] : set.values.events) out.events[index] = digests;
    return out;
}

void judge(const ReferenceSet& set) {
    Measured measured = measured_by(set);
    fuzz::require(compare(set, measured, set.not_after).empty());
    fuzz::require(!compare(set, measured, set.not_after + Seconds{1}).empty());
    fuzz::require(!compare(set, Measured{}, set.not_after).empty());
    for (auto& [index, events] : measured.events) {
        events.emplace_back(1, uint8_t{0});
        fuzz::require(compare(set, measured, set.not_after).size() == 1);
        events.pop_back();
    }
    ReferenceFindings findings;
    findings.add(set, compare(set, Measured{}, set.not_after));
    fuzz::require(!findings.lines().empty() && findings.to_json()["missed"].size() > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto set = ReferenceSet::parse(as_text({data, size}));
    if (!set) {
        fuzz::require(set.error().code == Code::invalid);
        return 0;
    }
    auto again = ReferenceSet::parse(dump_json(set->to_json()));
    fuzz::require(again && *again == *set);
    if (!set->removes) judge(*set);
    return 0;
}
