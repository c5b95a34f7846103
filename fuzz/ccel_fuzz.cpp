// Event logs of trust domains. Oracles: every refusal names a check; padding changes nothing, and
// what stands behind padding is refused; only RTMRs are extended, and by digests of SHA-384.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/facts.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

// The size of a log without the padding that may follow it.
size_t content_size(ByteView bytes, const TdEventLog& log) {
    const LogEvent& last = log.events().back();
    bool first = log.events().size() == 1;
    size_t head = first ? 32 : 18 + 48;  // one digest of SHA-384
    require(last.offset + head + last.data.size() <= bytes.size());
    return last.offset + head + last.data.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    Checks checks;
    auto log = TdEventLog::parse(bytes, checks);
    if (!log) {
        require(log.error().reason() != nullptr);
        return 0;
    }
    auto replay = log->replay();
    for (uint32_t i = 0; i < kRtmrCount; ++i) require(log->extends(i) || all_zero(replay[i]));
    for (const LogEvent& event : log->events()) {
        if (event.type == kEvNoAction) continue;
        require(event.pcr >= 1 && event.pcr <= kRtmrCount);
        require(event.digests.size() == 1 && event.digests.contains(kTpmAlgSha384));
    }
    require(!dump_json(facts_of(*log)).empty());
    Bytes bare = to_bytes(bytes.first(content_size(bytes, *log)));
    for (uint8_t filler : {0x00, 0xFF}) {
        Bytes padded = bare;
        padded.resize(bare.size() + 100, filler);
        auto again = TdEventLog::parse(padded);
        require(again && again->replay() == replay);
        require(again->events().size() == log->events().size());
        padded.back() ^= 0x55;
        require(!TdEventLog::parse(padded));
    }
    return 0;
}
