// How much of a flood is recorded one by one: whoever can reach a port could fill the disk
// otherwise.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "vouchsafe/base/clock.h"

namespace vouchsafe::audit {

// FloodGate bounds how many refusals are recorded; it counts the others. Thread-safe.
class FloodGate {
  public:
    // At most `burst` at once, and `per_second` after that; both at least 1.
    FloodGate(int64_t burst, int64_t per_second)
        : burst_(burst), per_second_(per_second), left_(burst) {}

    // pass returns nullopt if this one is not to be recorded; else how many were not since the last
    // one that was: the entry should say so.
    std::optional<uint64_t> pass(Time now);

  private:
    // is_idle tells whether it is as it was when it was made. With the lock.
    void fill(Time now);
    bool is_idle(Time now);

    const int64_t burst_, per_second_;
    std::mutex mutex_;
    int64_t left_;
    uint64_t unrecorded_ = 0;
    Time last_{};
    friend class FloodGates;
};

// FloodGates has a gate for each name: who floods the log hides nobody else's refusals. For at most
// kMaxGates names at once; where there are more, the others share one. A gate that would pass a
// whole burst and has nothing to tell is as good as none. Thread-safe.
class FloodGates {
  public:
    static constexpr size_t kMaxGates = 10'000;

    // As for each gate.
    FloodGates(int64_t burst, int64_t per_second) : burst_(burst), per_second_(per_second) {}

    std::optional<uint64_t> pass(std::string_view name, Time now);

  private:
    FloodGate& find(std::string_view name, Time now);

    const int64_t burst_, per_second_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<FloodGate>, std::less<>> by_name_;
    Time swept_{};
};

}  // namespace vouchsafe::audit
