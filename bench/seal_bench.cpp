// Does sealing run at the speed of the engine on every core? 1 GiB in memory (or the MiB given),
// best of seven, against the fastest engine alone over frames of the same size in the same run.
#include <atomic>
#include <cstdlib>

#include "bench/environment.h"
#include "vouchsafe/base/parallel.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/seal/open.h"
#include "vouchsafe/seal/seal.h"

namespace vouchsafe::bench {
namespace {

constexpr size_t kFrame = 1 << 20;
constexpr int kRounds = 7;

double gigabytes(size_t bytes, double seconds) {
    return static_cast<double>(bytes) / seconds / 1e9;
}

Bytes nonce_of(size_t frame) {
    Bytes nonce(12);
    nonce[0] = static_cast<uint8_t>(frame);
    nonce[1] = static_cast<uint8_t>(frame >> 8);
    return nonce;
}

using Frame = std::function<void(crypto::AesGcm&, size_t)>;

// engine_alone takes the frames on `threads` cores, without the format.
double engine_alone(unsigned threads, size_t frames, const Frame& work) {
    Stopwatch watch;
    std::atomic<size_t> next{0};
    run_workers(threads, [&](unsigned) {
        auto cipher = MUST(crypto::AesGcm::create(Bytes(32, 7)));
        for (size_t i = next++; i < frames; i = next++) work(cipher, i);
    });
    return watch.seconds();
}

// The shortest seconds of each.
struct Best {
    double ours = 1e9;
    double one_core = 1e9;
    double all_cores = 1e9;
};

void take(double& best, double seconds) {
    best = std::min(best, seconds);
}

void report(const char* what, size_t bytes, const Best& best) {
    std::printf(
        "%s  %5.2f GB/s on %u cores; engine alone %5.2f on one, %5.2f on %u; %.2f of one core x "
        "cores, %.2f of the engine on them\n",
        what, gigabytes(bytes, best.ours), cores(), gigabytes(bytes, best.one_core),
        gigabytes(bytes, best.all_cores), cores(), best.one_core / best.ours / cores(),
        best.all_cores / best.ours);
}

int run(size_t mib) {
    print_environment();
    size_t size = mib << 20;
    SecretPages plain = MUST(SecretPages::allocate(size));
    // All of it: pages never written are one page of zeros, which stays in the cache.
    crypto::fill_random(plain.expose_mutable());
    auto key = MUST(crypto::PrivateKey::generate_rsa(2048));
    std::vector<seal::Recipient> recipients{seal::recipient_for(key.public_key(), "k")};
    SecretPages sealed = MUST(SecretPages::allocate(size + (size >> 10) + (1 << 20)));
    SecretPages opened = MUST(SecretPages::allocate(size));
    std::vector<std::array<uint8_t, 16>> tags(size / kFrame);
    auto seal_frame = [&](crypto::AesGcm& cipher, size_t i) {
        cipher.seal(nonce_of(i), {}, plain.expose().subspan(i * kFrame, kFrame),
                    sealed.expose_mutable().subspan(i * kFrame, kFrame), tags[i]);
    };
    auto open_frame = [&](crypto::AesGcm& cipher, size_t i) {
        MUST(cipher.open(nonce_of(i), {}, sealed.expose().subspan(i * kFrame, kFrame), tags[i],
                         opened.expose_mutable().subspan(i * kFrame, kFrame)));
    };

    // Ours and the engine take turns, so that a slower moment of the machine meets both.
    Best seal;
    Best open;
    bool same = true;
    for (int round = 0; round < kRounds; ++round) {
        auto sealer = MUST(seal::Sealer::create(MUST(seal::MessageKeys::create(recipients)), {}));
        auto message = sealed.expose_mutable().first(sealer.sealed_size(size));
        Stopwatch watch;
        MUST(std::move(sealer).seal_into(plain.expose(), message));
        take(seal.ours, watch.lap());
        Checks checks;
        MUST(seal::open_into(message, seal::unwrap_with(key, "k"), {}, opened.expose_mutable(),
                             checks));
        take(open.ours, watch.lap());
        same = same && equal(opened.expose(), plain.expose());
        take(seal.one_core, engine_alone(1, tags.size(), seal_frame));
        take(open.one_core, engine_alone(1, tags.size(), open_frame));
        take(seal.all_cores, engine_alone(cores(), tags.size(), seal_frame));
        take(open.all_cores, engine_alone(cores(), tags.size(), open_frame));
    }
    report("seal", size, seal);
    report("open", size, open);
    std::printf("opened equals sealed: %s\n", same ? "yes" : "NO");
    return same ? 0 : 1;
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int argc, char** argv) {
    return vouchsafe::bench::run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1024);
}
