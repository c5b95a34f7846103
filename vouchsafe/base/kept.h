// What was verified once and need not be verified again: the most recently used, by a digest of the
// bytes that it was made from.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

// Kept holds at most `most` values. Thread-safe.
template <typename Value, size_t most>
class Kept {
  public:
    static constexpr size_t kMost = most;

    // find returns nullptr if what has this digest is not kept.
    std::shared_ptr<const Value> find(const Bytes& digest) {
        std::lock_guard lock(mutex_);
        auto found = places_.find(digest);
        if (found == places_.end()) return nullptr;
        order_.splice(order_.begin(), order_, found->second.use);
        return found->second.value;
    }

    // keep replaces what was kept under the digest, and forgets what was not used for longest.
    void keep(const Bytes& digest, std::shared_ptr<const Value> value) {
        std::lock_guard lock(mutex_);
        auto found = places_.find(digest);
        if (found != places_.end()) {
            found->second.value = std::move(value);
            return;
        }
        order_.push_front(digest);
        places_[digest] = {std::move(value), order_.begin()};
        if (places_.size() <= kMost) return;
        places_.erase(order_.back());
        order_.pop_back();
    }

  private:
    using Order = std::list<Bytes>;  // the one used last is first
    struct Place {
        std::shared_ptr<const Value> value;
        Order::iterator use;
    };
    std::mutex mutex_;
    Order order_;
    std::map<Bytes, Place> places_;
};

}  // namespace vouchsafe
