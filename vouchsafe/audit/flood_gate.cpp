#include "vouchsafe/audit/flood_gate.h"

#include <algorithm>
#include <utility>

namespace vouchsafe::audit {

namespace {
constexpr std::string_view kSharedName = "*";  // nobody is called so
constexpr Seconds kSetBack{60};                // threads that ask at once differ by less
}  // namespace

void FloodGate::fill(Time now) {
    // A clock that was set back must not close the gate until it comes there again.
    if (now + kSetBack < last_) last_ = now;
    if (now <= last_) return;
    const int64_t seconds = std::min((now - last_).count(), burst_);
    left_ = std::min(burst_, left_ + seconds * per_second_);
    last_ = now;
}

bool FloodGate::is_idle(Time now) {
    std::lock_guard lock(mutex_);
    fill(now);
    return left_ == burst_ && unrecorded_ == 0;
}

std::optional<uint64_t> FloodGate::pass(Time now) {
    std::lock_guard lock(mutex_);
    fill(now);
    if (left_ == 0) {
        ++unrecorded_;
        return std::nullopt;
    }
    --left_;
    return std::exchange(unrecorded_, 0);
}

FloodGate& FloodGates::find(std::string_view name, Time now) {
    if (auto found = by_name_.find(name); found != by_name_.end()) return *found->second;
    // Looking for idle ones costs time: once a second is enough.
    if (by_name_.size() >= kMaxGates && now != swept_) {
        swept_ = now;
        std::erase_if(by_name_, [&](const auto& one) { return one.second->is_idle(now); });
    }
    const bool room = by_name_.size() < kMaxGates;
    auto& gate = by_name_[std::string(room ? name : kSharedName)];
    if (!gate) gate = std::make_unique<FloodGate>(burst_, per_second_);
    return *gate;
}

std::optional<uint64_t> FloodGates::pass(std::string_view name, Time now) {
    std::lock_guard lock(mutex_);
    return find(name, now).pass(now);
}

}  // namespace vouchsafe::audit
