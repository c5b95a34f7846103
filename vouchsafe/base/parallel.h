// Work on several threads, for the few places that move bulk data: sealing, opening, parsing.
#pragma once

#include <functional>

namespace vouchsafe {

// core_count returns the number of cores this process may run on, at least 1.
unsigned core_count();

// run_workers calls work(0), work(1) ... work(count - 1) at the same time, work(0) on the calling
// thread, and returns when all have. Where the system refuses a thread fewer calls are made, so the
// workers must share out the work among those that exist. `work` must not throw.
void run_workers(unsigned count, const std::function<void(unsigned worker)>& work);

}  // namespace vouchsafe
