#include "vouchsafe/base/blocking.h"

#include <gtest/gtest.h>

#include <thread>

namespace vouchsafe {
namespace {

struct Counting final : BlockingObserver {
    int begun = 0, ended = 0;
    void begin_blocking() override { ++begun; }
    void end_blocking() override { ++ended; }
};

TEST(BlockingThread, IsToldOnceHoweverDeep) {
    Counting counting;
    observe_blocking(&counting);
    {
        const Blocking outer;
        EXPECT_EQ(counting.begun, 1);
        { const Blocking inner; }
        EXPECT_EQ(counting.begun, 1);
        EXPECT_EQ(counting.ended, 0);
    }
    EXPECT_EQ(counting.ended, 1);
    { const Blocking again; }
    EXPECT_EQ(counting.begun, 2);
    EXPECT_EQ(counting.ended, 2);
    observe_blocking(nullptr);
    { const Blocking unseen; }
    EXPECT_EQ(counting.begun, 2);
}

TEST(BlockingThread, IsNoOtherThread) {
    Counting counting;
    observe_blocking(&counting);
    std::thread([] { const Blocking blocking; }).join();
    EXPECT_EQ(counting.begun, 0);
    observe_blocking(nullptr);
}

}  // namespace
}  // namespace vouchsafe
