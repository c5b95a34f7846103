#include "vouchsafe/train/split.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "vouchsafe/base/file.h"

namespace vouchsafe::train {
namespace {

// FNV-1a, 64 bits, over the numbers as little-endian bytes.
uint64_t fnv(const std::vector<uint32_t>& numbers) {
    uint64_t hash = 0xcbf29ce484222325;
    for (uint32_t number : numbers) {
        for (int shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ (number >> shift & 0xff)) * 0x100000001b3;
        }
    }
    return hash;
}

TEST(Split, PermutesLikeNumpy) {
    // numpy 1.24.2: RandomState(seed).permutation(n).astype('<u4')
    EXPECT_EQ(fnv(permutation(2, 0)), 0x89cd31291d2aefa4U);
    EXPECT_EQ(fnv(permutation(10, 4294967295)), 0x9c57e4fc178fc514U);
    EXPECT_EQ(fnv(permutation(768, 42)), 0x37b2a69a13735781U);
    EXPECT_EQ(fnv(permutation(65536, 1)), 0xce49a7d3a8071ce5U);
    EXPECT_EQ(fnv(permutation(65537, 1)), 0x659f63f3df670470U);
    EXPECT_EQ(fnv(permutation(100000, 42)), 0xd3ad0b96cdff81b5U);
    EXPECT_TRUE(permutation(0, 42).empty());
    EXPECT_EQ(permutation(1, 42), std::vector<uint32_t>{0});
}

TEST(Split, SplitsTheTutorialsRowsLikeScikitLearn) {
    std::string text =
        MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/train/split_768.txt"));
    std::istringstream in(text);
    std::string word;
    std::vector<uint32_t> test, train;
    std::vector<uint32_t>* current = nullptr;
    while (in >> word) {
        if (word == "test" || word == "train") {
            current = word == "test" ? &test : &train;
        } else {
            current->push_back(static_cast<uint32_t>(std::stoul(word)));
        }
    }
    Split split = MUST(split_rows(768, 0.2, 42));
    EXPECT_EQ(split.test, test);
    EXPECT_EQ(split.train, train);
    EXPECT_EQ(test.size(), 154U);
    EXPECT_EQ(train.size(), 614U);
}

TEST(Split, RoundsTheTestRowsUp) {
    EXPECT_EQ(MUST(split_rows(10, 0.25, 1)).test.size(), 3U);
    EXPECT_EQ(MUST(split_rows(10, 0.2, 1)).test.size(), 2U);
    EXPECT_EQ(MUST(split_rows(2, 0.01, 1)).test.size(), 1U);
}

TEST(Split, RefusesSharesAndCountsThatLeaveAPartEmpty) {
    for (double share : {0.0, 1.0, -0.5, 2.0, std::nan("")}) {
        EXPECT_EQ(split_rows(100, share, 1).error().code, Code::invalid) << share;
    }
    EXPECT_FALSE(split_rows(0, 0.2, 1));
    EXPECT_FALSE(split_rows(1, 0.2, 1));
    EXPECT_FALSE(split_rows(4, 0.9, 1));
}

}  // namespace
}  // namespace vouchsafe::train
