// How long from a sealed file to training rows? 1,000,000 rows of 28 features (or the rows given),
// sealed in the native format on disk; opening, parsing and splitting, without the engine.
// `table_bench FILE KEY.pem` instead generates that file and key for other programs.
#include <cstdlib>
#include <random>

#include "bench/environment.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/seal/seal.h"
#include "vouchsafe/seal/sealed_reader.h"
#include "vouchsafe/train/split.h"
#include "vouchsafe/train/table.h"

namespace vouchsafe::bench {
namespace {

constexpr size_t kFeatures = 28;

std::string generate(size_t rows) {
    std::mt19937 random(1);
    std::normal_distribution<double> normal;
    std::string text;
    for (size_t column = 0; column < kFeatures; ++column) text += fmt::format("f{},", column);
    text += "Outcome\n";
    for (size_t row = 0; row < rows; ++row) {
        double sum = 0;
        for (size_t column = 0; column < kFeatures; ++column) {
            double value = normal(random);
            sum += value;
            fmt::format_to(std::back_inserter(text), "{:.6f},", value);
        }
        text += sum + normal(random) > 0 ? "1\n" : "0\n";
    }
    return text;
}

Result<void> seal_to(const Path& file, const std::string& text, const crypto::PublicKey& key) {
    seal::MemorySource source(as_bytes(text));
    OutputFile out = TRY(OutputFile::create(file, Overwrite::yes));
    TRY(seal::seal_file(source, out, {seal::recipient_for(key, "k")}));
    return out.commit();
}

int measure(size_t rows) {
    print_environment();
    auto dir = MUST(TemporaryDir::create("vouchsafe-bench"));
    auto key = MUST(crypto::PrivateKey::generate_rsa(2048));
    Path file = dir.path() / "table.sealed";
    {
        std::string text = generate(rows);
        MUST(seal_to(file, text, key.public_key()));
        std::printf("%zu rows x %zu features, %.0f MB of CSV\n", rows, kFeatures,
                    static_cast<double>(text.size()) / 1e6);
    }
    double best = 1e9;
    double best_cpu = 0;
    for (int round = 0; round < 5; ++round) {
        double cpu = cpu_seconds();
        Stopwatch watch;
        Checks checks;
        auto source = MUST(seal::FileSource::open(file));
        auto reader =
            MUST(seal::SealedReader::open(*source, seal::unwrap_with(key, "k"), {}, checks));
        auto table = MUST(train::Table::parse_sealed(reader));
        auto split = MUST(train::split_rows(table.rows(), 0.2, 42));
        if (watch.seconds() < best) {
            best = watch.seconds();
            best_cpu = cpu_seconds() - cpu;
        }
        if (split.test.size() + split.train.size() != rows) return 1;
    }
    std::printf("open + parse + split: %.3f s wall, %.3f s of CPU (best of 5)\n", best, best_cpu);
    return 0;
}

int write_files(const Path& file, const Path& key_file) {
    auto key = MUST(crypto::PrivateKey::generate_rsa(2048));
    MUST(write_file(key_file, key.to_pem().expose(), Overwrite::no, 0600));
    MUST(seal_to(file, generate(1'000'000), key.public_key()));
    return 0;
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    if (argc == 3) return vouchsafe::bench::write_files(argv[1], argv[2]);
    return vouchsafe::bench::measure(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1'000'000);
}
