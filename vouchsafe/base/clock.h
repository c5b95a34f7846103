// Time as a parameter. Nothing below main reads the wall clock by itself.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "vouchsafe/base/result.h"

namespace vouchsafe {

using Time = std::chrono::sys_seconds;
using Seconds = std::chrono::seconds;

// Clock tells the time. Thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual Time now() const = 0;
};

class SystemClock : public Clock {
  public:
    Time now() const override;
};

// OffsetClock is another clock moved by a fixed amount. Borrows `base`.
class OffsetClock : public Clock {
  public:
    OffsetClock(const Clock& base, Seconds offset) : base_(base), offset_(offset) {}
    Time now() const override { return base_.now() + offset_; }

  private:
    const Clock& base_;
    Seconds offset_;
};

// FixedClock stands still until it is set: for tests and for verifying at a given time.
class FixedClock : public Clock {
  public:
    explicit FixedClock(Time time) : time_(time) {}
    Time now() const override { return time_; }
    void set(Time time) { time_ = time; }

  private:
    Time time_;
};

inline int64_t to_unix(Time time) {
    return time.time_since_epoch().count();
}
inline Time from_unix(int64_t seconds) {
    return Time{Seconds{seconds}};
}

std::string format_rfc3339(Time time);  // "2026-07-01T00:00:00Z"
// parse_rfc3339 accepts "2026-07-01T00:00:00Z", an offset "+02:00", and the bare date "2026-07-01".
Result<Time> parse_rfc3339(std::string_view text);

}  // namespace vouchsafe
