#include "vouchsafe/base/parallel.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace vouchsafe {

unsigned core_count() {
    return std::max(1u, std::thread::hardware_concurrency());
}

void run_workers(unsigned count, const std::function<void(unsigned)>& work) {
    std::vector<std::thread> threads;
    threads.reserve(count);
    for (unsigned i = 1; i < count; ++i) {
        try {
            threads.emplace_back(work, i);
        } catch (const std::system_error&) {
            break;  // a limit on processes: the others do the work
        }
    }
    work(0);
    for (std::thread& thread : threads) thread.join();
}

}  // namespace vouchsafe
