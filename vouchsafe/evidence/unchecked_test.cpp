#include "vouchsafe/evidence/unchecked.h"

#include <gtest/gtest.h>

namespace vouchsafe::evidence {
namespace {

TEST(Unchecked, LeavesOutWhatWasNamedAndRefusesTheRest) {
    Checks checks;
    Unchecked unchecked("TPM-NOT-CHECKED", {"pcrs"});
    EXPECT_TRUE(unchecked.leave_out("pcrs", checks));
    EXPECT_EQ(unchecked.list(), std::vector<std::string>{"pcrs"});
    auto refused = unchecked.leave_out("ak-chain", checks);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason()->code, "TPM-NOT-CHECKED");
    EXPECT_EQ(refused.error().reason()->field, "ak-chain");
    EXPECT_EQ(unchecked.list().size(), 1u);
}

}  // namespace
}  // namespace vouchsafe::evidence
