// For tests of signed structures: which bits of a valid one can be flipped without anybody
// noticing?
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <vector>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/parallel.h"

namespace vouchsafe::testing {

// every_bit tells whether this run flips every bit (VS_EVERY_BIT=1, `tools/ci.sh bits`) where a
// usual one takes samples.
inline bool every_bit() {
    const char* asked = std::getenv("VS_EVERY_BIT");
    return asked != nullptr && *asked == '1';
}

// Flips says which bits are flipped: of bytes [begin, end), every `stride`-th bit. A stride that is
// odd takes another bit in each byte.
struct Flips {
    size_t stride = 1;
    size_t begin = 0;
    size_t end = SIZE_MAX;
};

// free_bits flips bits of `good` one at a time and returns those that `refused` did not notice, in
// order; bit 8 * i is the lowest of byte i. `refused` must refuse nothing about `good` itself, and
// be thread-safe: all cores share the work.
inline std::vector<size_t> free_bits(const Bytes& good, Flips flips,
                                     const std::function<bool(const Bytes&)>& refused) {
    size_t stride = every_bit() ? 1 : flips.stride;
    size_t end = 8 * std::min(flips.end, good.size());
    std::atomic<size_t> next = 8 * flips.begin;
    std::mutex mutex;
    std::vector<size_t> out;
    run_workers(core_count(), [&](unsigned) {
        Bytes changed = good;
        for (size_t bit = next.fetch_add(stride); bit < end; bit = next.fetch_add(stride)) {
            auto mask = static_cast<uint8_t>(1 << bit % 8);
            changed[bit / 8] ^= mask;
            bool free = !refused(changed);
            changed[bit / 8] ^= mask;
            std::lock_guard lock(mutex);
            if (free) out.push_back(bit);
        }
    });
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace vouchsafe::testing
