// Runs a fuzz target without libFuzzer: every file of the corpus, then a fixed number of seeded
// mutations of each. A finding is a crash or an abort by the target's oracle.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 200;

std::vector<uint8_t> read_all(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void mutate(std::vector<uint8_t>& data, std::mt19937& random) {
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0 && !data.empty(); --edits) {
        size_t at = random() % data.size();
        switch (random() % 5) {
            case 0:
                data[at] = static_cast<uint8_t>(data[at] ^ (1U << (random() % 8)));
                break;
            case 1:
                data[at] = static_cast<uint8_t>(random());
                break;
            case 2:
                data.resize(at);
                break;
            case 3:
                data.insert(data.begin() + static_cast<ptrdiff_t>(at), 1 + random() % 8, 0xff);
                break;
            case 4:
                data.erase(data.begin() + static_cast<ptrdiff_t>(at));
                break;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput(nullptr, 0);
    size_t files = 0;
    std::mt19937 random(20260101);
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
        std::vector<uint8_t> original = read_all(entry.path());
        LLVMFuzzerTestOneInput(original.data(), original.size());
        for (int i = 0; i < kMutations; ++i) {
            std::vector<uint8_t> data = original;
            mutate(data, random);
            LLVMFuzzerTestOneInput(data.data(), data.size());
        }
        ++files;
    }
    std::printf("%zu inputs\n", files);
    return files == 0 ? 1 : 0;
}
