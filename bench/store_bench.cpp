// What an audited act costs the store: appends to the audit log by 1, 4 and 16 threads, each
// durable when it returns. `commits` are flushes to disk.
#include <filesystem>
#include <thread>
#include <vector>

#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/audit/log.h"

namespace vouchsafe::bench {
namespace {

// An entry like that of a release: the attestation's checks and the policy.
audit::Entry release_entry() {
    audit::Entry out;
    out.time = from_unix(1'800'000'000);
    out.actor = "3f0e7a54-53a5-4c0c-8b0a-0d7d3f9f6a11";
    out.action = "keys/release";
    out.resource = "https://myconfkv.vault.azure.net/keys/KEK/0123456789abcdef0123456789abcdef";
    out.outcome = audit::Outcome::allowed;
    out.request_id = "6d5fbf3c-6a9f-4b7e-9d0a-5f4b6f0a7c5e";
    for (int i = 0; i < 24; ++i) {
        out.checks.push_back({fmt::format("RELEASE-CONDITION-{}", i),
                              "claims.x-ms-isolation-tee.x-ms-compliance-status",
                              "azure-compliant-cvm", "azure-compliant-cvm", true});
    }
    out.details = {{"enc", "CKM_RSA_AES_KEY_WRAP"},
                   {"version", "0123456789abcdef0123456789abcdef"},
                   {"release_policy", std::string(400, 'p')}};
    return out;
}

void measure(store::Store& store, size_t threads, size_t appends) {
    audit::Log log(store);
    const audit::Entry entry = release_entry();
    const store::Statistics before = store.statistics();
    const double cpu = cpu_seconds();
    Stopwatch clock;
    std::vector<std::thread> all;
    for (size_t i = 0; i < threads; ++i) {
        all.emplace_back([&] {
            for (size_t n = 0; n < appends / threads; ++n) MUST(log.append(entry));
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

void run(const char* folder) {
    print_environment();
    Path dir = Path(folder) / fmt::format("store-bench-{}", getpid());
    MUST(make_private_dir(dir));
    auto store = MUST(store::open_sqlite(dir / "store.db"));
    const audit::Entry entry = release_entry();
    std::printf("entry of %zu bytes, SQLite in %s\n", entry.encode().size(), folder);
    compare({{"Entry::encode", [&] { return !entry.encode().empty(); }}}, 5);
    std::printf("%8s %12s %14s %16s %12s\n", "threads", "appends/s", "CPU us each", "commits each",
                "per CPU s");
    for (size_t threads : {1, 4, 16, 64}) measure(*store, threads, 8000);
    store.reset();
    std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    vouchsafe::bench::run(argc > 1 ? argv[1] : ".");
}
