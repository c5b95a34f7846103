#include "vouchsafe/base/bytes.h"

#include <gtest/gtest.h>

namespace vouchsafe {
namespace {

TEST(Reader, ReadsBothByteOrders) {
    Bytes data{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Reader little(data);
    EXPECT_EQ(*little.u8("a"), 1);
    EXPECT_EQ(*little.u16_le("b"), 0x0302);
    EXPECT_EQ(*little.u32_le("c"), 0x07060504U);
    EXPECT_EQ(*little.u64_le("d"), 0x0f0e0d0c0b0a0908ULL);
    EXPECT_TRUE(little.end());
    Reader big(data);
    EXPECT_EQ(*big.u8("a"), 1);
    EXPECT_EQ(*big.u16_be("b"), 0x0203);
    EXPECT_EQ(*big.u32_be("c"), 0x04050607U);
    EXPECT_EQ(*big.u64_be("d"), 0x08090a0b0c0d0e0fULL);
}

TEST(Reader, RefusesToReadPastTheEndAndNamesTheField) {
    Bytes data{1, 2, 3};
    Reader reader(data, "report");
    EXPECT_TRUE(reader.skip(2, "head"));
    auto result = reader.u16_le("chip_id");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "report: 2 bytes wanted at 0x2, 1 left (chip_id)");
    EXPECT_EQ(reader.left(), 1U);
    EXPECT_FALSE(reader.take(SIZE_MAX, "huge"));
    EXPECT_FALSE(reader.end());
}

TEST(Writer, IsTheReadersInverse) {
    Bytes out = Writer().u8(9).u16_be(0x1234).u32_le(7).u64_be(1).zeros(2).bytes(Bytes{5}).take();
    Reader reader(out);
    EXPECT_EQ(*reader.u8("a"), 9);
    EXPECT_EQ(*reader.u16_be("b"), 0x1234);
    EXPECT_EQ(*reader.u32_le("c"), 7U);
    EXPECT_EQ(*reader.u64_be("d"), 1U);
    EXPECT_EQ((*reader.array<3>("e")), (std::array<uint8_t, 3>{0, 0, 5}));
    EXPECT_TRUE(reader.done());
}

}  // namespace
}  // namespace vouchsafe
