#include "vouchsafe/audit/flood_gate.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/result.h"

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
    EXPECT_EQ(gate.pass(now - Seconds(499)), 2u);            // and takes none
}

TEST(FloodGate, ThreadsThatDifferByASecondGainNothing) {
    FloodGate gate(1, 1);
    const Time now = from_unix(1'800'000'000);
    EXPECT_EQ(gate.pass(now), 0u);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(gate.pass(now - Seconds(1)), std::nullopt);
        EXPECT_EQ(gate.pass(now), std::nullopt);
    }
}

TEST(FloodGates, AFloodHidesNobodyElsesRefusals) {
    FloodGates gates(2, 1);
    const Time now = from_unix(1'800'000'000);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(gates.pass("alice", now), 0u);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(gates.pass("alice", now), std::nullopt);
    EXPECT_EQ(gates.pass("bob", now), 0u);
    EXPECT_EQ(gates.pass("alice", now + Seconds(1)), 7u);
    EXPECT_EQ(gates.pass("bob", now + Seconds(1)), 0u);
}

TEST(FloodGates, ManyNamesShareOneAndNoCountIsForgotten) {
    FloodGates gates(2, 1);
    Time now = from_unix(1'800'000'000);
    for (int i = 0; i < 3; ++i) gates.pass("alice", now);
    size_t recorded = 0;
    for (size_t i = 0; i < 2 * FloodGates::kMaxGates; ++i) {
        recorded += gates.pass(fmt::format("{}", i), now).has_value() ? 1 : 0;
    }
    EXPECT_EQ(recorded, FloodGates::kMaxGates - 1 + 2);  // those without a gate share one
    now += Seconds(10);                                  // nearly all are idle
    EXPECT_EQ(gates.pass("late", now), 0u);
    EXPECT_EQ(gates.pass("later", now), 0u);
    EXPECT_EQ(gates.pass("alice", now), 1u);
}

}  // namespace
}  // namespace vouchsafe::audit
