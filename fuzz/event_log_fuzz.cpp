// Event logs. Oracles: a log verifies against its own replay, an extended register does not, and
// facts can be read from whatever replays.
#include <cstdlib>

#include "vouchsafe/evidence/boot/boot_facts.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;
using crypto::HashAlg;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void check_bank(const EventLog& log, HashAlg bank) {
    PcrBank replay = log.replay(bank);
    if (replay.values.empty()) return;
    Checks checks;
    auto replayed = verify_event_log(log, replay, checks);
    require(replayed.has_value());
    auto facts = read_boot_facts(*replayed, checks);
    require(facts || facts.error().reason() != nullptr);
    if (facts && facts->secure_boot == SecureBoot::on) require(replayed->confirmed(7));
    replay.values.begin()->second[0] ^= 1;
    require(!verify_event_log(log, replay, checks));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto log = EventLog::parse({data, size});
    if (!log) return 0;
    require(!log->events().empty() && !log->banks().empty());
    size_t last = 0;
    for (const LogEvent& event : log->events()) {
        require(event.offset >= last && event.offset < size && event.data.size() <= size);
        last = event.offset;
    }
    check_bank(*log, HashAlg::sha1);
    check_bank(*log, HashAlg::sha256);
    return 0;
}
