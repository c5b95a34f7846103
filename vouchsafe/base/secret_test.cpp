#include "vouchsafe/base/secret.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

namespace vouchsafe {
namespace {

static_assert(!std::is_copy_constructible_v<Secret<32>>);
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_constructible_v<SecretPages>);
static_assert(!fmt::is_formattable<SecretBytes>::value);
static_assert(!fmt::is_formattable<Secret<16>>::value);
static_assert(!std::equality_comparable<SecretBytes>);

TEST(Secret, MovingWipesTheSource) {
    Bytes key(32, 0x5a);
    auto first = MUST(Secret<32>::from_bytes(key));
    Secret<32> second = std::move(first);
    EXPECT_TRUE(equal_ct(second.expose(), key));
    EXPECT_TRUE(all_zero(first.expose()));  // NOLINT(bugprone-use-after-move): this is the point
    EXPECT_FALSE(Secret<32>::from_bytes(Bytes(31)));
}

TEST(SecretBytes, KeepsTruncatesAndMoves) {
    SecretBytes secret = SecretBytes::copy_of("hunter2");
    SecretBytes clone = secret.clone();
    secret.truncate(6);
    EXPECT_EQ(secret.expose_text(), "hunter");
    EXPECT_EQ(clone.expose_text(), "hunter2");
    SecretBytes moved = std::move(clone);
    EXPECT_EQ(moved.expose_text(), "hunter2");
    EXPECT_TRUE(clone.empty());  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(SecretBytes().empty());
}

TEST(SecretBytes, IsWipedWhenFreed) {
    const uint8_t* place = nullptr;
    {
        SecretBytes secret = SecretBytes::copy_of(Bytes(64, 0xa5));
        place = secret.expose().data();
    }
    EXPECT_TRUE(all_zero({place, 64}));  // the arena itself stays mapped
}

TEST(SecretBytes, ManySizesDoNotOverlap) {
    std::vector<SecretBytes> all;
    for (size_t size = 1; size < 3000; size += 37) {
        all.push_back(SecretBytes::copy_of(Bytes(size, static_cast<uint8_t>(size))));
    }
    all.push_back(SecretBytes::copy_of(Bytes(5 << 20, 7)));
    for (const SecretBytes& secret : all) {
        if (secret.size() > 3000) continue;
        EXPECT_EQ(to_bytes(secret.expose()),
                  Bytes(secret.size(), static_cast<uint8_t>(secret.size())));
    }
}

TEST(SecretBytes, TakeUpWhatOthersLeftAndNoMore) {
    std::mt19937 random(7);
    std::vector<SecretBytes> all;
    std::vector<uint8_t> filled;  // with what
    for (int i = 0; i < 3000; ++i) {
        const auto value = static_cast<uint8_t>(i);
        const size_t size = 1 + random() % 700;
        if (all.size() < 100) {
            all.push_back(SecretBytes::copy_of(Bytes(size, value)));
            filled.push_back(value);
            continue;
        }
        const size_t at = random() % all.size();
        EXPECT_EQ(to_bytes(all[at].expose()), Bytes(all[at].size(), filled[at]));
        all[at] = SecretBytes();
        all[at] = SecretBytes::copy_of(Bytes(size, value));
        filled[at] = value;
    }
    const uint8_t* place = all.front().expose().data();
    const size_t size = all.front().size();
    all.front() = SecretBytes();
    all.front() = SecretBytes(size);
    EXPECT_LE(all.front().expose().data(), place);
}

TEST(SecretBytes, IsEmptyInAForkedChild) {
    SecretBytes secret = SecretBytes::copy_of(Bytes(64, 0xa5));
    pid_t child = ::fork();
    if (child == 0) ::_exit(all_zero(secret.expose()) ? 0 : 1);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_FALSE(all_zero(secret.expose()));
}

TEST(SecretPages, AllocatesZeroedAndTruncates) {
    SecretPages pages = MUST(SecretPages::allocate(10000));
    EXPECT_TRUE(all_zero(pages.expose()));
    pages.expose_mutable()[9999] = 1;
    pages.truncate(9999);
    EXPECT_EQ(pages.size(), 9999U);
    EXPECT_TRUE(all_zero({pages.expose().data() + 9999, 1}));
    EXPECT_EQ(MUST(SecretPages::allocate(0)).size(), 0U);
}

TEST(SecretPages, GrowsKeepingContentAndAddingZeros) {
    SecretPages pages;
    MUST(pages.grow(5000));
    pages.expose_mutable()[4999] = 7;
    MUST(pages.grow(6 << 20));
    EXPECT_EQ(pages.size(), size_t{6} << 20);
    EXPECT_EQ(pages.expose()[4999], 7);
    EXPECT_TRUE(all_zero(pages.expose().subspan(5000)));
    pages.expose_mutable()[6000] = 1;
    pages.truncate(5000);
    MUST(pages.grow(8000));
    EXPECT_TRUE(all_zero(pages.expose().subspan(5000)));
}

TEST(EqualCt, ComparesContentAndLength) {
    EXPECT_TRUE(equal_ct(Bytes{1, 2}, Bytes{1, 2}));
    EXPECT_FALSE(equal_ct(Bytes{1, 2}, Bytes{1, 3}));
    EXPECT_FALSE(equal_ct(Bytes{1, 2}, Bytes{1, 2, 0}));
}

}  // namespace
}  // namespace vouchsafe
