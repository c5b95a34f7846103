// Does sealing run at the speed of the engine on every core? 1 GiB in memory (or the MiB given),
// best of five, against the fastest engine's rate on one core over the same frames in the same run.
#include <cstdlib>

#include "bench/environment.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/seal/open.h"
#include "vouchsafe/seal/seal.h"

namespace vouchsafe::bench {
namespace {

constexpr size_t kFrame = 1 << 20;
constexpr int kRounds = 5;

double gigabytes(size_t bytes, double seconds) {
    return static_cast<double>(bytes) / seconds / 1e9;
}

// The engine alone: the frames of the data, one core, no format.
double engine_rate(MutableByteView out, ByteView data, bool open) {
    auto cipher = MUST(crypto::AesGcm::create(Bytes(32, 7)));
    std::vector<std::array<uint8_t, 16>> tags(data.size() / kFrame);
    Bytes nonce(12);
    double best = 1e9;
    for (int round = 0; round < 2 * kRounds; ++round) {
        bool opening = round >= kRounds;
        Stopwatch watch;
        for (size_t i = 0; i < tags.size(); ++i) {
            nonce[0] = static_cast<uint8_t>(i);
            nonce[1] = static_cast<uint8_t>(i >> 8);
            if (!opening) {
                cipher.seal(nonce, {}, data.subspan(i * kFrame, kFrame),
                            out.subspan(i * kFrame, kFrame), tags[i]);
            } else {
                MUST(cipher.open(nonce, {}, out.subspan(i * kFrame, kFrame), tags[i],
                                 out.subspan(i * kFrame, kFrame)));
                cipher.seal(nonce, {}, out.subspan(i * kFrame, kFrame),
                            out.subspan(i * kFrame, kFrame), tags[i]);
            }
        }
        // An opening round also seals again, so that the next one has something to open.
        double seconds = watch.seconds();
        if (open == opening) best = std::min(best, opening ? seconds / 2 : seconds);
    }
    return gigabytes(data.size(), best);
}

void report(const char* what, size_t bytes, double seconds, double one_core) {
    double rate = gigabytes(bytes, seconds);
    std::printf(
        "%-6s %6.2f GB/s on %u cores; engine on one core %6.2f GB/s; %.2f of engine x cores\n",
        what, rate, cores(), one_core, rate / (one_core * cores()));
}

int run(size_t mib) {
    print_environment();
    size_t size = mib << 20;
    SecretPages plain = MUST(SecretPages::allocate(size));
    crypto::fill_random(plain.expose_mutable().first(std::min<size_t>(size, 64 << 20)));
    auto key = MUST(crypto::PrivateKey::generate_rsa(2048));
    std::vector<seal::Recipient> recipients{seal::recipient_for(key.public_key(), "k")};
    SecretPages sealed = MUST(SecretPages::allocate(size + (size >> 10) + (1 << 20)));

    double best_seal = 1e9;
    size_t sealed_size = 0;
    for (int round = 0; round < kRounds; ++round) {
        auto sealer = MUST(seal::Sealer::create(MUST(seal::MessageKeys::create(recipients)), {}));
        sealed_size = sealer.sealed_size(size);
        Stopwatch watch;
        MUST(std::move(sealer).seal_into(plain.expose(),
                                         sealed.expose_mutable().first(sealed_size)));
        best_seal = std::min(best_seal, watch.seconds());
    }
    SecretPages opened = MUST(SecretPages::allocate(sealed_size));
    double best_open = 1e9;
    for (int round = 0; round < kRounds; ++round) {
        Checks checks;
        Stopwatch watch;
        MUST(seal::open_into(sealed.expose().first(sealed_size), seal::unwrap_with(key, "k"), {},
                             opened.expose_mutable(), checks));
        best_open = std::min(best_open, watch.seconds());
    }
    bool same = equal(opened.expose().first(size), plain.expose());
    double seal_rate = engine_rate(opened.expose_mutable().first(size), plain.expose(), false);
    double open_rate = engine_rate(opened.expose_mutable().first(size), plain.expose(), true);
    report("seal", size, best_seal, seal_rate);
    report("open", size, best_open, open_rate);
    std::printf("opened equals sealed: %s\n", same ? "yes" : "NO");
    return same ? 0 : 1;
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    return vouchsafe::bench::run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1024);
}
