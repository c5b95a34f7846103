#include "vouchsafe/vault/keys/opened_key.h"

#include <gtest/gtest.h>

namespace vouchsafe::vault {
namespace {

const Time kStart = from_unix(1'800'000'000);

std::shared_ptr<const OpenedKey> octets(uint8_t value) {
    return std::make_shared<const OpenedKey>(SecretBytes::copy_of(Bytes(16, value)));
}

OpenedKeys::Digest digest(uint8_t value) {
    OpenedKeys::Digest out;
    out.fill(value);
    return out;
}

TEST(OpenedKeys, AnswerOnlyForTheBytesTheyWereOpenedFrom) {
    OpenedKeys keys(4, Seconds(60));
    keys.keep("a", digest(1), octets(1), kStart);
    ASSERT_NE(keys.find("a", digest(1), kStart), nullptr);
    EXPECT_EQ(keys.find("a", digest(1), kStart)->expose_octets()[0], 1);
    EXPECT_EQ(keys.find("b", digest(1), kStart), nullptr);
    EXPECT_EQ(keys.find("a", digest(2), kStart), nullptr);
    EXPECT_EQ(keys.find("a", digest(1), kStart), nullptr) << "the outdated one is gone";
    EXPECT_EQ(keys.size(), 0U);
}

TEST(OpenedKeys, KeepNoMoreAndNoLongerThanTheyMay) {
    OpenedKeys keys(2, Seconds(60));
    keys.keep("a", digest(1), octets(1), kStart);
    keys.keep("b", digest(2), octets(2), kStart + Seconds(1));
    EXPECT_NE(keys.find("a", digest(1), kStart + Seconds(2)), nullptr);
    keys.keep("c", digest(3), octets(3), kStart + Seconds(2));
    EXPECT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys.find("b", digest(2), kStart + Seconds(2)), nullptr) << "used longest ago";
    EXPECT_NE(keys.find("a", digest(1), kStart + Seconds(59)), nullptr);
    EXPECT_EQ(keys.find("a", digest(1), kStart + Seconds(60)), nullptr) << "use does not prolong";
    EXPECT_EQ(keys.size(), 1U);
    EXPECT_EQ(keys.find("c", digest(3), kStart), nullptr) << "the clock went back";
    EXPECT_EQ(keys.size(), 0U);
}

TEST(OpenedKeys, DropWhatNobodyAsksForAgain) {
    OpenedKeys keys(2, Seconds(60));
    keys.keep("a", digest(1), octets(1), kStart);
    keys.keep("b", digest(1), octets(1), kStart + Seconds(1));
    keys.drop_old(kStart + Seconds(60));
    EXPECT_EQ(keys.size(), 1U);
}

TEST(OpenedKeys, ForgetAndReplace) {
    OpenedKeys keys(2, Seconds(60));
    keys.keep("a", digest(1), octets(1), kStart);
    keys.keep("a", digest(2), octets(2), kStart);
    EXPECT_EQ(keys.size(), 1U);
    auto in_use = keys.find("a", digest(2), kStart);
    keys.forget("a");
    keys.forget("a");
    EXPECT_EQ(keys.size(), 0U);
    EXPECT_EQ(in_use->expose_octets()[0], 2) << "whoever uses it keeps it";
}

}  // namespace
}  // namespace vouchsafe::vault
