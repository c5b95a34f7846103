// What an audited act costs the store: appends to the audit log by 1 to 64 threads, each durable
// when it returns, of entries with many and with few checks. `commits` are flushes to disk.
#include <filesystem>
#include <thread>
#include <vector>

#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::bench {
namespace {

// An entry like that of a release: the attestation's checks and the policy.
audit::Entry release_entry(int checks) {
    audit::Entry out;
    out.time = from_unix(1'800'000'000);
    out.actor = "3f0e7a54-53a5-4c0c-8b0a-0d7d3f9f6a11";
    out.action = "keys/release";
    out.resource = "https://myconfkv.vault.azure.net/keys/KEK/0123456789abcdef0123456789abcdef";
    out.outcome = audit::Outcome::allowed;
    out.request_id = crypto::time_ordered_uuid();
    for (int i = 0; i < checks; ++i) {
        out.checks.push_back({fmt::format("RELEASE-CONDITION-{}", i),
                              "claims.x-ms-isolation-tee.x-ms-compliance-status",
                              "azure-compliant-cvm", "azure-compliant-cvm", true});
    }
    out.details = {{"enc", "CKM_RSA_AES_KEY_WRAP"},
                   {"version", "0123456789abcdef0123456789abcdef"},
                   {"release_policy", std::string(400, 'p')}};
    return out;
}

void measure(store::Store& store, const audit::Entry& entry, size_t threads, size_t appends) {
    audit::Log log(store);
    const store::Statistics before = store.statistics();
    const double cpu = cpu_seconds();
    Stopwatch clock;
    std::vector<std::thread> all;
    for (size_t i = 0; i < threads; ++i) {
        all.emplace_back([&] {
            audit::Entry one = entry;
            for (size_t n = 0; n < appends / threads; ++n) {
                one.request_id = crypto::time_ordered_uuid();
                MUST(log.append(one));
            }
        });
    }
    for (std::thread& thread : all) thread.join();
    const double seconds = clock.seconds();
    const double used = cpu_seconds() - cpu;
    const store::Statistics after = store.statistics();
    const auto done = static_cast<double>(after.transactions - before.transactions);
    const auto commits = static_cast<double>(after.commits - before.commits);
    std::printf("%8zu %12.0f %14.1f %16.3f %12.0f\n", threads, done / seconds, used / done * 1e6,
                commits / done, done / used);
}

void run(const char* folder, int checks) {
    Path dir = Path(folder) / fmt::format("store-bench-{}", getpid());
    MUST(make_private_dir(dir));
    auto store = MUST(store::open_sqlite(dir / "store.db"));
    const audit::Entry entry = release_entry(checks);
    std::printf("entry of %zu bytes, SQLite in %s\n", entry.encode().size(), folder);
    compare({{"Entry::encode", [&] { return !entry.encode().empty(); }}}, 5);
    std::printf("%8s %12s %14s %16s %12s\n", "threads", "appends/s", "CPU us each", "commits each",
                "per CPU s");
    for (size_t threads : {1, 4, 16, 64}) measure(*store, entry, threads, 8000);
    store.reset();
    std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    vouchsafe::bench::print_environment();
    for (int checks : {24, 3}) vouchsafe::bench::run(argc > 1 ? argv[1] : ".", checks);
}
