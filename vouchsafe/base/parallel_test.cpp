#include "vouchsafe/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace vouchsafe {
namespace {

TEST(Parallel, WorkersTogetherDoEveryPieceOnce) {
    std::atomic<int> next{0};
    std::atomic<int> sum{0};
    run_workers(4, [&](unsigned) {
        for (int i = next++; i < 1000; i = next++) sum += i;
    });
    EXPECT_EQ(sum, 999 * 1000 / 2);
}

TEST(Parallel, OneWorkerRunsOnTheCallingThread) {
    auto caller = std::this_thread::get_id();
    std::thread::id seen;
    run_workers(1, [&](unsigned) { seen = std::this_thread::get_id(); });
    EXPECT_EQ(seen, caller);
    EXPECT_GE(core_count(), 1u);
}

}  // namespace
}  // namespace vouchsafe
