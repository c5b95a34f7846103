#include "vouchsafe/audit/flood_gate.h"

#include <gtest/gtest.h>

namespace vouchsafe::audit {
namespace {

TEST(FloodGate, RecordsABurstThenSomeASecondAndCountsTheRest) {
    FloodGate gate(3, 2);
    Time now = from_unix(1'800'000'000);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(gate.pass(now), 0u);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(gate.pass(now), std::nullopt);
    now += Seconds(1);
    EXPECT_EQ(gate.pass(now), 5u);
    EXPECT_EQ(gate.pass(now), 0u);
    EXPECT_EQ(gate.pass(now), std::nullopt);
    now += Seconds(1000);  // rest does not save up for more than a burst
    EXPECT_EQ(gate.pass(now), 1u);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(gate.pass(now), 0u);
    EXPECT_EQ(gate.pass(now), std::nullopt);
    EXPECT_EQ(gate.pass(now - Seconds(500)), std::nullopt);  // a clock that is set back gives none
}

}  // namespace
}  // namespace vouchsafe::audit
