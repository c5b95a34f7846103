// How long does an event log of 60 KB take: parsed, replayed in SHA-256 and compared, its facts
// read? In parts and together. The log is that of a recorded boot, its GRUB commands repeated.
#include <benchmark/benchmark.h>

#include "bench/environment.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/evidence/boot/boot_facts.h"

namespace vouchsafe::bench {
namespace {

using namespace evidence;
using crypto::HashAlg;

constexpr size_t kLogSize = 60'000;
constexpr uint32_t kGrubPcr = 8;

// log_of_60_kb appends events of PCR 8 again until the log is long enough.
Bytes log_of_60_kb() {
    Bytes log = MUST(
        read_file(Path(VS_SOURCE_DIR) / "tests/vectors/event_log/eventlog-ubuntu-2404-sevsnp.bin"));
    const Bytes recorded = log;
    const EventLog parsed = MUST(EventLog::parse(recorded));
    const std::vector<LogEvent>& events = parsed.events();
    for (size_t i = 0; log.size() < kLogSize; i = (i + 1) % (events.size() - 1)) {
        if (events[i].pcr != kGrubPcr) continue;
        size_t size = events[i + 1].offset - events[i].offset;
        append(log, ByteView(recorded).subspan(events[i].offset, size));
    }
    return log;
}

void set_counters(benchmark::State& state, const Bytes& log, size_t events) {
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * log.size()));
    state.counters["events"] = static_cast<double>(events);
    state.counters["bytes"] = static_cast<double>(log.size());
}

void parse_log(benchmark::State& state) {
    const Bytes log = log_of_60_kb();
    size_t events = 0;
    for (auto _ : state) {
        events = MUST(EventLog::parse(log)).events().size();
        benchmark::DoNotOptimize(events);
    }
    set_counters(state, log, events);
}

void replay_log(benchmark::State& state) {
    const Bytes log = log_of_60_kb();
    const EventLog parsed = MUST(EventLog::parse(log));
    for (auto _ : state) benchmark::DoNotOptimize(parsed.replay(HashAlg::sha256));
    set_counters(state, log, parsed.events().size());
}

void read_facts(benchmark::State& state) {
    const Bytes log = log_of_60_kb();
    const EventLog parsed = MUST(EventLog::parse(log));
    Checks checks;
    const ReplayedLog replayed =
        MUST(verify_event_log(parsed, parsed.replay(HashAlg::sha256), checks));
    for (auto _ : state) benchmark::DoNotOptimize(MUST(read_boot_facts(replayed, checks)));
    set_counters(state, log, parsed.events().size());
}

void verify_log(benchmark::State& state) {
    const Bytes log = log_of_60_kb();
    const PcrBank registers = MUST(EventLog::parse(log)).replay(HashAlg::sha256);
    size_t events = 0;
    for (auto _ : state) {
        Checks checks;
        EventLog parsed = MUST(EventLog::parse(log, checks));
        events = parsed.events().size();
        ReplayedLog replayed = MUST(verify_event_log(std::move(parsed), registers, checks));
        benchmark::DoNotOptimize(MUST(read_boot_facts(replayed, checks)));
    }
    set_counters(state, log, events);
}

void add_benchmarks() {
    constexpr std::pair<const char*, void (*)(benchmark::State&)> kParts[] = {
        {"event_log/parse", parse_log},
        {"event_log/replay_sha256", replay_log},
        {"event_log/read_facts", read_facts},
        {"event_log/all", verify_log}};
    for (const auto& [name, part] : kParts) {
        benchmark::RegisterBenchmark(name, part)->Unit(benchmark::kMicrosecond);
    }
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::add_benchmarks();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
