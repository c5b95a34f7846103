// How fast is AES-256-GCM on one core, by engine and by the size of a message?
#include <benchmark/benchmark.h>

#include "bench/environment.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::bench {
namespace {

using crypto::AeadEngine;
using crypto::AesGcm;

constexpr size_t kAadSize = 32;

void seal_message(benchmark::State& state, AeadEngine engine) {
    auto size = static_cast<size_t>(state.range(0));
    auto aead = MUST(AesGcm::create(crypto::random_bytes(crypto::kGcmKeySize), engine));
    Bytes plain(size), sealed(size), aad(kAadSize), nonce(crypto::kGcmNonceSize);
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    for (auto _ : state) {
        aead.seal(nonce, aad, plain, sealed, tag);
        benchmark::DoNotOptimize(tag);
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}

void open_message(benchmark::State& state, AeadEngine engine) {
    auto size = static_cast<size_t>(state.range(0));
    auto aead = MUST(AesGcm::create(crypto::random_bytes(crypto::kGcmKeySize), engine));
    Bytes plain(size), sealed(size), aad(kAadSize), nonce(crypto::kGcmNonceSize);
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    aead.seal(nonce, aad, plain, sealed, tag);
    for (auto _ : state) MUST(aead.open(nonce, aad, sealed, tag, plain));
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}

void add_benchmarks() {
    for (AeadEngine engine : {AeadEngine::openssl, AeadEngine::ipsec_mb}) {
        if (!crypto::engine_available(engine)) continue;
        std::string name = engine == AeadEngine::openssl ? "openssl" : "ipsec_mb";
        for (int64_t size : {256, 4 << 10, 64 << 10, 1 << 20, 16 << 20}) {
            benchmark::RegisterBenchmark(("seal/" + name).c_str(), seal_message, engine)->Arg(size);
            benchmark::RegisterBenchmark(("open/" + name).c_str(), open_message, engine)->Arg(size);
        }
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
