#include "vouchsafe/crypto/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace vouchsafe::crypto {
namespace {

TEST(Random, FillsEveryPartOfALongBuffer) {
    Bytes bytes = random_bytes((1 << 20) + 64);  // more than one call of the generator
    EXPECT_FALSE(all_zero(ByteView(bytes).first(32)));
    EXPECT_FALSE(all_zero(ByteView(bytes).last(32)));
    EXPECT_NE(random_bytes(16), random_bytes(16));
    EXPECT_TRUE(random_bytes(0).empty());
    EXPECT_FALSE(all_zero(random_secret(32).expose()));
}

TEST(Random, MakesHexAndUuidsInTheirForm) {
    EXPECT_THAT(random_hex(8), testing::MatchesRegex("[0-9a-f]{16}"));
    EXPECT_THAT(random_uuid(),
                testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                      "[0-9a-f]{12}"));
    EXPECT_NE(random_uuid(), random_uuid());
}

TEST(Random, TimeOrderedUuidsBeginWithTheTime) {
    const auto before = std::chrono::system_clock::now();
    const std::string made = time_ordered_uuid();
    EXPECT_THAT(made,
                testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                      "[0-9a-f]{12}"));
    EXPECT_NE(made, time_ordered_uuid());
    const int64_t milliseconds = std::stoll(made.substr(0, 8) + made.substr(9, 4), nullptr, 16);
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(before.time_since_epoch());
    EXPECT_NEAR(static_cast<double>(milliseconds), static_cast<double>(since.count()), 10'000);
}

}  // namespace
}  // namespace vouchsafe::crypto
