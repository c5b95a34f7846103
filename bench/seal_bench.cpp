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

using Tags = std::vector<std::array<uint8_t, 16>>;

Bytes nonce_of(size_t frame) {
    Bytes nonce(12);
    nonce[0] = static_cast<uint8_t>(frame);
    nonce[1] = static_cast<uint8_t>(frame >> 8);
    return nonce;
}

// The engine alone: the frames of the data from one buffer to the other, as the format does it, but
// on one core and without the format.
double engine_seal_rate(ByteView plain, MutableByteView out, Tags& tags) {
    auto cipher = MUST(crypto::AesGcm::create(Bytes(32, 7)));
    double best = 1e9;
    for (int round = 0; round < kRounds; ++round) {
        Stopwatch watch;
        for (size_t i = 0; i < tags.size(); ++i) {
            cipher.seal(nonce_of(i), {}, plain.subspan(i * kFrame, kFrame),
                        out.subspan(i * kFrame, kFrame), tags[i]);
        }
        best = std::min(best, watch.seconds());
    }
    return gigabytes(plain.size(), best);
}

double engine_open_rate(ByteView sealed, MutableByteView out, const Tags& tags) {
    auto cipher = MUST(crypto::AesGcm::create(Bytes(32, 7)));
    double best = 1e9;
    for (int round = 0; round < kRounds; ++round) {
        Stopwatch watch;
        for (size_t i = 0; i < tags.size(); ++i) {
            MUST(cipher.open(nonce_of(i), {}, sealed.subspan(i * kFrame, kFrame), tags[i],
                             out.subspan(i * kFrame, kFrame)));
        }
        best = std::min(best, watch.seconds());
    }
    return gigabytes(out.size(), best);
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
    Tags tags(size / kFrame);
    double seal_rate = engine_seal_rate(plain.expose(), sealed.expose_mutable().first(size), tags);
    double open_rate =
        engine_open_rate(sealed.expose().first(size), opened.expose_mutable().first(size), tags);
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
