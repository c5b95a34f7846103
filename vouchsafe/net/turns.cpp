#include "vouchsafe/net/turns.h"

#include <algorithm>

namespace vouchsafe::net {

Turns::Turns(size_t most)
    : most_(most),
      most_added_(std::max<size_t>(1, most - std::max<size_t>(1, most / 4))),
      most_each_(std::max<size_t>(1, most / 2)) {}

bool Turns::may_begin(const Share& share) const {
    if (running_ == most_) return false;
    return !share.added || (running_added_ < most_added_ && share.running < most_each_);
}

void Turns::begin(Share& share) {
    ++running_;
    ++share.running;
    if (share.added) ++running_added_;
}

bool Turns::take(Share& share) {
    std::lock_guard lock(mutex_);
    if (!may_begin(share)) return false;
    begin(share);
    return true;
}

std::optional<Resume> Turns::wait(Share& share, Resume resume) {
    std::lock_guard lock(mutex_);
    if (may_begin(share)) {
        begin(share);
        return resume;
    }
    waiting_.push_back({&share, std::move(resume)});
    return std::nullopt;
}

std::optional<Resume> Turns::give(Share& share) {
    std::lock_guard lock(mutex_);
    --running_;
    --share.running;
    if (share.added) --running_added_;
    auto next = std::find_if(waiting_.begin(), waiting_.end(),
                             [this](const Waiting& one) { return may_begin(*one.share); });
    if (next == waiting_.end()) return std::nullopt;
    begin(*next->share);
    std::optional<Resume> out(std::move(next->resume));
    waiting_.erase(next);
    return out;
}

}  // namespace vouchsafe::net
