// How much of a flood is recorded one by one: whoever can reach a port could fill the disk
// otherwise.
#pragma once

#include <mutex>
#include <optional>

#include "vouchsafe/base/clock.h"

namespace vouchsafe::audit {

// FloodGate bounds how many refusals of unknown callers are recorded; it counts the others.
// Thread-safe.
class FloodGate {
  public:
    // At most `burst` at once, and `per_second` after that; both at least 1.
    FloodGate(int64_t burst, int64_t per_second)
        : burst_(burst), per_second_(per_second), left_(burst) {}

    // pass returns nullopt if this one is not to be recorded; else how many were not since the last
    // one that was: the entry should say so.
    std::optional<uint64_t> pass(Time now);

  private:
    const int64_t burst_, per_second_;
    std::mutex mutex_;
    int64_t left_;
    uint64_t unrecorded_ = 0;
    Time last_{};
};

}  // namespace vouchsafe::audit
