// How long something took, for telling people; never for decisions.
#pragma once

#include <chrono>

namespace vouchsafe {

class Stopwatch {
  public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace vouchsafe
