#include "vouchsafe/base/compression.h"

#include <gtest/gtest.h>

#include <thread>

namespace vouchsafe {
namespace {

constexpr std::string_view kWords =
    "the vault releases the key only to a confidential machine that proves what it is";
constexpr size_t kMax = 1000;

Bytes with_behind(Bytes frame, std::string_view more) {
    append(frame, as_bytes(more));
    return frame;
}

TEST(Compression, OpensWhatItMade) {
    const CompressionDictionary words(kWords);
    for (const std::string& text :
         {std::string(), std::string("x"), std::string(kWords), std::string(kMax, 'a'),
          std::string("\0\1\2\377", 4), std::string(kWords) + std::string(kWords)}) {
        const Bytes frame = words.compress(as_bytes(text));
        auto opened = words.decompress(frame, kMax);
        ASSERT_TRUE(opened) << text;
        EXPECT_EQ(to_text(*opened), text);
    }
}

TEST(Compression, MakesLittleOfTheDictionarysWords) {
    const Bytes frame = CompressionDictionary(kWords).compress(as_bytes(kWords));
    EXPECT_LT(frame.size(), 24u);
    EXPECT_GT(CompressionDictionary("of other words").compress(as_bytes(kWords)).size(), 60u);
}

TEST(Compression, OpensNothingBeyondTheLimit) {
    const CompressionDictionary words(kWords);
    const Bytes frame = words.compress(Bytes(kMax, 7));
    EXPECT_TRUE(words.decompress(frame, kMax));
    EXPECT_EQ(words.decompress(frame, kMax - 1).error().code, Code::invalid);
    // A few bytes that speak of 2^62: magic, a size of eight bytes, an empty last block.
    const Bytes bomb{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0};
    EXPECT_EQ(words.decompress(bomb, kMax).error().code, Code::invalid);
}

TEST(Compression, RefusesWhatIsNotOneFrame) {
    const CompressionDictionary words(kWords);
    const Bytes frame = words.compress(as_bytes("the key of the machine"));
    for (size_t size = 0; size < frame.size(); ++size) {
        EXPECT_FALSE(words.decompress(ByteView(frame).first(size), kMax)) << size;
    }
    EXPECT_FALSE(words.decompress(with_behind(frame, "x"), kMax));
    EXPECT_FALSE(words.decompress(with_behind(frame, as_text(frame)), kMax));
    const Bytes skippable{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
    EXPECT_FALSE(words.decompress(with_behind(frame, as_text(skippable)), kMax));
    EXPECT_FALSE(words.decompress(skippable, kMax));
    // The same frame without its content's size: a window descriptor stands in its place.
    Bytes unsized = frame;
    ASSERT_EQ(unsized[4] & 0xe0, 0x20);
    unsized[4] &= 0x1f;
    EXPECT_FALSE(words.decompress(unsized, kMax));
}

TEST(Compression, GivesNothingOfAnotherDictionary) {
    const CompressionDictionary words(kWords), other(std::string(kWords.size(), 'x'));
    auto opened = other.decompress(words.compress(as_bytes(kWords)), kMax);
    EXPECT_TRUE(!opened || to_text(*opened) != kWords);
}

TEST(Compression, OfManyThreadsIsTheSame) {
    const CompressionDictionary words(kWords);
    const Bytes one = words.compress(as_bytes(kWords));
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i) {
        all.emplace_back([&] {
            for (int n = 0; n < 100; ++n) {
                EXPECT_EQ(words.compress(as_bytes(kWords)), one);
                EXPECT_EQ(to_text(MUST(words.decompress(one, kMax))), kWords);
            }
        });
    }
    for (std::thread& thread : all) thread.join();
}

}  // namespace
}  // namespace vouchsafe
