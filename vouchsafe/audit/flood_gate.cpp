#include "vouchsafe/audit/flood_gate.h"

#include <algorithm>
#include <utility>

namespace vouchsafe::audit {

std::optional<uint64_t> FloodGate::pass(Time now) {
    std::lock_guard lock(mutex_);
    if (now > last_) {
        int64_t seconds = std::min((now - last_).count(), burst_);
        left_ = std::min(burst_, left_ + seconds * per_second_);
        last_ = now;
    }
    if (left_ == 0) {
        ++unrecorded_;
        return std::nullopt;
    }
    --left_;
    return std::exchange(unrecorded_, 0);
}

}  // namespace vouchsafe::audit
