// When several threads fail, the caller hears about the earliest piece of work. Private to seal/.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "vouchsafe/base/result.h"

namespace vouchsafe::seal {

// FirstError keeps the error with the lowest number. Thread-safe.
class FirstError {
  public:
    void note(uint64_t number, Error error) {
        std::lock_guard lock(mutex_);
        if (!error_ || number < number_) {
            error_ = std::move(error);
            number_ = number;
        }
        failed_ = true;
    }
    // failed says that no new work should be begun.
    bool failed() const { return failed_; }
    // take is for after the threads have ended.
    std::optional<Error> take() { return std::move(error_); }

  private:
    std::mutex mutex_;
    std::atomic<bool> failed_{false};
    std::optional<Error> error_;
    uint64_t number_ = 0;
};

}  // namespace vouchsafe::seal
