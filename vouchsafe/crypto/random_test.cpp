#include "vouchsafe/crypto/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <set>
#include <thread>

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

// Threads make them many at a time, so some hundreds show what happens in between.
TEST(Random, TimeOrderedUuidsAreNeverMadeTwice) {
    std::mutex mutex;
    std::set<std::string> made;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 500; ++k) {
                const std::string random_part = time_ordered_uuid().substr(15);
                std::lock_guard lock(mutex);
                EXPECT_TRUE(made.insert(random_part).second) << random_part;
            }
        });
    }
    for (std::thread& one : threads) one.join();
}

TEST(Random, TimeOrderedUuidsOfAForkedChildAreOthers) {
    (void)time_ordered_uuid();  // some are left over for this thread
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    constexpr int kCount = 40;
    constexpr size_t kRandomPart = 21;  // of 36 characters
    const pid_t child = ::fork();
    if (child == 0) {
        for (int i = 0; i < kCount; ++i) {
            const std::string random_part = time_ordered_uuid().substr(15);
            if (::write(told[1], random_part.data(), kRandomPart) != kRandomPart) ::_exit(1);
        }
        ::_exit(0);
    }
    ::close(told[1]);
    std::set<std::string> made;
    for (int i = 0; i < kCount; ++i) made.insert(time_ordered_uuid().substr(15));
    for (int i = 0; i < kCount; ++i) {
        std::string theirs(kRandomPart, ' ');
        ASSERT_EQ(::read(told[0], theirs.data(), kRandomPart), ssize_t{kRandomPart});
        EXPECT_TRUE(made.insert(theirs).second) << theirs;
    }
    ::close(told[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vouchsafe::crypto
