// How long something took, for telling people; never for decisions.
#pragma once

#include <chrono>

namespace vouchsafe {

class Stopwatch {
  public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }
    // lap gives the seconds since it was made or last asked for a lap, and starts the next one.
    double lap() {
        double taken = seconds();
        start_ = std::chrono::steady_clock::now();
        return taken;
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace vouchsafe
