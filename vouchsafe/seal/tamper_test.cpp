// Sealed files that somebody changed: nothing of them may come out.
#include <gtest/gtest.h>

#include "vouchsafe/seal/frame.h"
#include "vouchsafe/seal/sealed_reader.h"
#include "vouchsafe/seal/test_support.h"

namespace vouchsafe::seal {
namespace {

constexpr uint32_t kFrame = 16;
constexpr size_t kRegular = kFrame + kFrameOverhead;

struct Sample {
    Bytes sealed = sealed_pattern(3 * kFrame + 5, kFrame, {{"purpose", "test"}});
    size_t body = 0;

    Sample() {
        Checks checks;
        body = MUST(parse_header(sealed, checks)).size();
    }
    // frame returns where frame `number` (from 1) begins.
    size_t frame(size_t number) const { return body + (number - 1) * kRegular; }
    void swap_frames(size_t a, size_t b) {
        std::swap_ranges(sealed.begin() + static_cast<ptrdiff_t>(frame(a)),
                         sealed.begin() + static_cast<ptrdiff_t>(frame(a) + kRegular),
                         sealed.begin() + static_cast<ptrdiff_t>(frame(b)));
    }
};

Result<void> read_to_end(ByteView sealed, unsigned threads) {
    Checks checks;
    MemorySource source(sealed);
    auto reader = TRY(SealedReader::open(source, plain_unwrap(), {.threads = threads}, checks));
    while (TRY(reader.next_chunk())) {
    }
    return {};
}

// Opens in every way and tells the code they agree on.
std::string refused_by_all(ByteView sealed) {
    std::string code = refusal(open_plain(sealed));
    EXPECT_EQ(refusal(read_to_end(sealed, 1)), code);
    return code;
}

TEST(TamperedFile, EveryByteIsBound) {
    Sample sample;
    ASSERT_TRUE(open_plain(sample.sealed));
    std::map<std::string, int> codes;
    // The list of free bytes is empty.
    for (size_t i = 0; i < sample.sealed.size(); ++i) {
        for (uint8_t bit = 1; bit != 0; bit = static_cast<uint8_t>(bit << 1)) {
            Bytes changed = sample.sealed;
            changed[i] ^= bit;
            auto opened = open_plain(changed);
            ASSERT_FALSE(opened) << "byte " << i << " bit " << int{bit};
            ++codes[refusal(opened)];
        }
    }
    for (const char* code :
         {"SEAL-FORMAT", "SEAL-SUITE", "SEAL-HEADER", "SEAL-KEY", "SEAL-COMMITMENT",
          "SEAL-HEADER-TAG", "SEAL-FRAME", "SEAL-TAG", "SEAL-TRUNCATED"}) {
        EXPECT_GT(codes[code], 0) << code;
    }
    EXPECT_EQ(codes.count(""), 0U);
}

TEST(TamperedFile, NoPrefixOpens) {
    Sample sample;
    for (size_t size = 0; size < sample.sealed.size(); ++size) {
        ByteView cut = ByteView(sample.sealed).first(size);
        EXPECT_EQ(refused_by_all(cut), "SEAL-TRUNCATED") << size;
    }
}

TEST(TamperedFile, ACutAtAFrameIsRefusedBeforeAnythingIsGivenOut) {
    Sample sample;
    for (size_t frames = 0; frames <= 3; ++frames) {
        ByteView cut = ByteView(sample.sealed).first(sample.frame(frames + 1));
        MemorySource source(cut);
        Checks checks;
        EXPECT_EQ(refusal(SealedReader::open(source, plain_unwrap(), {}, checks)),
                  "SEAL-TRUNCATED");
    }
}

TEST(TamperedFile, NothingMayFollowTheFinalFrame) {
    Sample sample;
    for (size_t more = 1; more < 3 * kRegular; ++more) {
        Bytes longer = sample.sealed;
        longer.resize(longer.size() + more);
        EXPECT_EQ(refused_by_all(longer), "SEAL-TRUNCATED") << more;
    }
    Bytes twice = sample.sealed;
    append(twice, ByteView(sample.sealed).subspan(sample.body));
    EXPECT_FALSE(open_plain(twice));
    Bytes final_twice = sample.sealed;
    append(final_twice, ByteView(sample.sealed).subspan(sample.frame(4)));
    EXPECT_FALSE(open_plain(final_twice));
}

TEST(TamperedFile, FramesStayInTheirOrder) {
    Sample sample;
    sample.swap_frames(1, 2);
    EXPECT_EQ(refused_by_all(sample.sealed), "SEAL-FRAME");
    // With the numbers put right, the tags still tell.
    for (size_t offset : {3, 15}) {
        sample.sealed[sample.frame(1) + offset] = 1;
        sample.sealed[sample.frame(2) + offset] = 2;
    }
    EXPECT_EQ(refused_by_all(sample.sealed), "SEAL-TAG");
}

TEST(TamperedFile, FramesAreNotRepeatedLeftOutOrTakenFromElsewhere) {
    Sample sample;
    Bytes repeated = sample.sealed;
    auto second = repeated.begin() + static_cast<ptrdiff_t>(sample.frame(2));
    Bytes frame(second, second + kRegular);
    repeated.insert(second, frame.begin(), frame.end());
    EXPECT_EQ(refused_by_all(repeated), "SEAL-FRAME");

    Bytes missing = sample.sealed;
    second = missing.begin() + static_cast<ptrdiff_t>(sample.frame(2));
    missing.erase(second, second + kRegular);
    EXPECT_EQ(refused_by_all(missing), "SEAL-FRAME");

    Sample other;
    std::copy_n(other.sealed.begin() + static_cast<ptrdiff_t>(other.frame(2)), kRegular,
                sample.sealed.begin() + static_cast<ptrdiff_t>(sample.frame(2)));
    EXPECT_EQ(refused_by_all(sample.sealed), "SEAL-TAG");
}

TEST(TamperedFile, ARegularFrameCannotPassAsTheFinalOne) {
    // Built by hand: frame 2 with the final frame's mark and length around it.
    Sample sample;
    ByteView sealed = sample.sealed;
    ByteView frame = sealed.subspan(sample.frame(2), kRegular);
    Writer forged;
    forged.bytes(sealed.first(sample.frame(2))).u32_be(kFinalMark).bytes(frame.first(kFrameHead));
    forged.u32_be(kFrame).bytes(frame.subspan(kFrameHead));
    EXPECT_EQ(refused_by_all(forged.view()), "SEAL-TAG");
}

TEST(TamperedFile, NamesTheFrame) {
    // Many runs, so that the error comes from a thread in the middle.
    Bytes sealed = sealed_pattern(40 << 10, 1000);
    Checks checks;
    size_t body = MUST(parse_header(sealed, checks)).size();
    sealed[body + 16 * 1032 + 20] ^= 1;
    auto opened = open_plain(sealed, {.threads = 4});
    ASSERT_EQ(refusal(opened), "SEAL-TAG");
    EXPECT_EQ(opened.error().reason()->field, "frame 17");
}

TEST(TamperedFile, TheEarliestOfSeveralDamagesIsTold) {
    Bytes sealed = sealed_pattern(6 << 20, 1 << 20);
    Checks checks;
    size_t body = MUST(parse_header(sealed, checks)).size();
    for (size_t frame : {2, 3, 5}) sealed[body + frame * ((1 << 20) + 32) + 100] ^= 1;
    for (int i = 0; i < 5; ++i) {
        auto opened = open_plain(sealed, {.threads = 4});
        ASSERT_EQ(refusal(opened), "SEAL-TAG");
        EXPECT_EQ(opened.error().reason()->field, "frame 3");
    }
}

TEST(TamperedFile, TheReaderGivesOutOnlyTheGoodFramesAndThenFailsForGood) {
    Bytes sealed = sealed_pattern(6 << 20, 1 << 20);
    Checks checks;
    size_t body = MUST(parse_header(sealed, checks)).size();
    sealed[body + 3 * ((1 << 20) + 32) + 100] ^= 1;
    Bytes plain = pattern(6 << 20);
    for (unsigned threads : {1U, 4U}) {
        MemorySource source(sealed);
        auto reader =
            MUST(SealedReader::open(source, plain_unwrap(), {.threads = threads}, checks));
        for (size_t i = 0; i < 3; ++i) {
            auto chunk = MUST(reader.next_chunk());
            ASSERT_TRUE(chunk);
            EXPECT_TRUE(equal(*chunk, ByteView(plain).subspan(i << 20, 1 << 20)));
        }
        EXPECT_EQ(refusal(reader.next_chunk()), "SEAL-TAG");
        EXPECT_EQ(refusal(reader.next_chunk()), "SEAL-TAG");
    }
}

TEST(TamperedFile, OpenIntoLeavesNothingBehind) {
    Bytes sealed = sealed_pattern(100000, 1000);
    sealed.back() ^= 1;
    Bytes out(sealed.size(), 0xee);
    Checks checks;
    EXPECT_EQ(refusal(open_into(sealed, plain_unwrap(), {}, out, checks)), "SEAL-TAG");
    EXPECT_TRUE(all_zero(ByteView(out).first(100000)));
    Bytes small(10);
    EXPECT_FALSE(open_into(sealed_pattern(11, 64), plain_unwrap(), {}, small, checks));
}

TEST(TamperedFile, VisitorsErrorsAndDamagesStopTheVisit) {
    Bytes sealed = sealed_pattern(6 << 20, 1 << 20);
    MemorySource source(sealed);
    Checks checks;
    std::atomic<int> told{0};
    auto reader = MUST(SealedReader::open(source, plain_unwrap(), {.threads = 3}, checks));
    auto visited = reader.visit_chunks(
        [](uint64_t number, ByteView, unsigned) -> Result<void> {
            if (number >= 2) return fail(Code::invalid, "chunk {} is bad", number);
            return {};
        },
        [&](uint64_t number) { told += number >= 2; });
    ASSERT_FALSE(visited);
    EXPECT_EQ(visited.error().message, "chunk 2 is bad");
    EXPECT_GE(told, 1);
}

}  // namespace
}  // namespace vouchsafe::seal
