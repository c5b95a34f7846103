// How long does training on a sealed file take, and how much memory at most?
//
//   train_bench [ROWS [FEATURES [ROUNDS]]]     (default 1000000 28 100)
//   train_bench csv FILE                       the whole pipeline on a plain CSV file
//
// Wanted for 1e6 rows of 28 features: less than 377 MiB at the peak; for the tutorial's 768 rows:
// less than 60 ms for the whole process (run `time train_bench csv data/diabetes.csv`).
#include <fmt/format.h>

#include <cstring>

#include "bench/generate.h"
#include "bench/machine.h"
#include "vouchsafe/seal/seal.h"
#include "vouchsafe/train/train.h"

namespace vouchsafe::bench {
namespace {

Result<SecretBytes> unwrap(const std::string&, const std::string&, ByteView wrapped) {
    return SecretBytes::copy_of(wrapped);
}

void seal_table(const Path& path, size_t rows, size_t features) {
    CsvSource source(rows, features);
    OutputFile out = MUST(OutputFile::create(path, Overwrite::yes));
    MUST(seal::seal_file(source, out, {{"bench", "key", [](ByteView key) {
                                            return Result<Bytes>(to_bytes(key));
                                        }}}));
    MUST(out.commit());
}

void print(const train::Trained& trained, const Timer& timer) {
    const train::TrainTimings& t = trained.timings;
    const char* policy = std::getenv("OMP_WAIT_POLICY");
    fmt::print(
        "{}, OMP_WAIT_POLICY={}: table {:.4f} s, split {:.4f} s, fit {:.3f} s, predict and "
        "report {:.4f} s; all {:.3f} s wall, {:.3f} s cpu\n",
        trained.engine, policy == nullptr ? "" : policy, t.table, t.split, t.fit, t.predict,
        timer.wall(), timer.process_cpu());
    fmt::print("peak resident memory {:.0f} MiB\n{}\n", peak_rss_mib(),
               trained.report.accuracy_line());
}

int run_csv(const char* path) {
    Timer timer;
    Bytes csv = MUST(read_file(path));
    print(MUST(train::run_csv(csv, {})), timer);
    return 0;
}

int run_sealed(size_t rows, size_t features, size_t rounds) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-bench"));
    Path path = dir.path() / "table.sealed";
    seal_table(path, rows, features);
    fmt::print("{} rows of {} features and a label, {} rounds; {:.0f} MiB resident before\n", rows,
               features, rounds, peak_rss_mib());
    Timer timer;
    auto source = MUST(seal::FileSource::open(path));
    Checks checks;
    auto reader = MUST(seal::SealedReader::open(*source, unwrap, {}, checks));
    train::TrainOptions options;
    options.booster.rounds = static_cast<int>(rounds);
    print(MUST(train::run_sealed(reader, options)), timer);
    return 0;
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    using namespace vouchsafe::bench;
    if (argc == 3 && std::strcmp(argv[1], "csv") == 0) return run_csv(argv[2]);
    print_machine();
    return run_sealed(argument(argc, argv, 1, 1000000), argument(argc, argv, 2, 28),
                      argument(argc, argv, 3, 100));
}
