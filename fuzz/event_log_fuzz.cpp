// Event logs, and UEFI's structures in them. Oracles: a log verifies against its own replay, an
// extended register does not, and facts can be read from whatever replays and written as JSON; no
// structure has more parts than its bytes can hold.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/facts.h"

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
    if (facts) require(!dump_json(facts_of(*facts)).empty());
    replay.values.begin()->second[0] ^= 1;
    require(!verify_event_log(log, replay, checks));
}

void check_structures(ByteView bytes) {
    if (auto table = GptTable::parse(bytes)) {
        require(table->partitions.size() <= (bytes.size() - 100) / 128);
    }
    if (auto signatures = parse_uefi_signatures(bytes)) {
        size_t total = 0;
        for (const UefiSignature& one : *signatures) total += sizeof(Guid) + one.data.size();
        require(total <= bytes.size());
    }
    if (auto variable = UefiVariable::parse(bytes)) {
        require(variable->data.size() <= bytes.size() - 32);
    }
    if (auto option = LoadOption::parse(bytes)) {
        require(option->optional_data.size() + 8 <= bytes.size());
    }
    if (auto path = DevicePath::parse(bytes)) require(path->file.size() <= path->text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    check_structures({data, size});
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
