// Who is told what when a step of a common transaction fails.
#include "vouchsafe/store/group_commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "vouchsafe/store/records.h"

namespace vouchsafe::store {
namespace {

// SharedScript is a transaction whose steps fail as the test says.
class SharedScript : public SharedTransaction, public Records {
  public:
    std::set<std::string> failing;
    std::vector<std::string> steps;

    Result<void> begin() override { return step("begin"); }
    Result<void> mark() override { return step("mark"); }
    Result<void> release() override { return step("release"); }
    Result<void> go_back() override { return step("go_back"); }
    Result<void> check() override { return failing.contains("check") ? step("check") : step(""); }
    Result<void> commit() override { return step("commit"); }
    void roll_back() override { (void)step("roll_back"); }
    Transaction& transaction() override { return transaction_; }

    Result<std::optional<Bytes>> get(std::string_view, std::string_view) override {
        return std::optional<Bytes>();
    }
    Result<std::vector<Record>> scan(std::string_view, std::string_view, std::string_view,
                                     size_t) override {
        return std::vector<Record>();
    }
    Result<std::optional<std::string>> next_table(std::string_view) override {
        return std::optional<std::string>();
    }
    Result<void> put(std::string_view, std::string_view key, ByteView) override {
        return step(std::string(key));
    }
    Result<bool> insert(std::string_view, std::string_view, ByteView) override { return true; }
    Result<bool> erase(std::string_view, std::string_view) override { return true; }

  private:
    Result<void> step(std::string name) {
        if (failing.contains(name)) return fail(Code::io, "{} failed", name);
        if (!name.empty()) steps.push_back(std::move(name));
        return {};
    }
    CheckedTransaction transaction_{*this};
};

class GroupCommitTest : public testing::Test {
  protected:
    // run_three lets three callers queue behind one that is held up; "1" is the first of a group.
    // Each puts its number. Returns their errors, or "".
    std::vector<std::string> run_three() {
        std::vector<std::string> out(3);
        std::vector<std::thread> threads;
        MUST(group_.run([&](Transaction&) -> Result<void> {
            for (size_t i = 0; i < 3; ++i) {
                threads.emplace_back([&, i] {
                    auto done = group_.run(
                        [&](Transaction& tx) { return tx.put("t", std::to_string(i + 1), {}); });
                    if (!done) out[i] = done.error().message;
                });
                while (group_.statistics().waiting <= i) std::this_thread::yield();
            }
            std::this_thread::sleep_for(kMaxGroupTime + std::chrono::milliseconds(5));
            return {};
        }));
        for (std::thread& thread : threads) thread.join();
        return out;
    }

    SharedScript script_;
    GroupCommit group_{script_};
};

using testing::ElementsAre;

TEST_F(GroupCommitTest, ASingleCallerHasNoSavepoint) {
    MUST(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
    EXPECT_THAT(script_.steps, ElementsAre("begin", "k", "commit", "roll_back"));
    EXPECT_EQ(group_.statistics().commits, 1u);
}

// After a group of several, one who comes alone waits in vain for the others, and does its work.
TEST_F(GroupCommitTest, WhoComesAloneAfterAGroupIsServed) {
    EXPECT_THAT(run_three(), ElementsAre("", "", ""));
    for (uint64_t before = group_.statistics().commits, i = 1; i <= 3; ++i) {
        script_.steps.clear();
        MUST(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
        EXPECT_THAT(script_.steps, ElementsAre("begin", "k", "commit", "roll_back"));
        EXPECT_EQ(group_.statistics().commits, before + i);
    }
    EXPECT_EQ(group_.statistics().waiting, 0u);
}

// One whose work fails then is told so, and nobody is left waiting.
TEST_F(GroupCommitTest, WhoFailsAloneAfterAGroupIsTold) {
    EXPECT_THAT(run_three(), ElementsAre("", "", ""));
    script_.failing = {"k"};
    EXPECT_FALSE(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
    EXPECT_EQ(group_.statistics().waiting, 0u);
}

TEST_F(GroupCommitTest, WorkThatNobodyWaitsForIsDoneAtOnceIfItComesAlone) {
    std::optional<Result<void>> told;
    group_.run_later([](Transaction& tx) { return tx.put("t", "k", {}); },
                     [&](Result<void> done) { told = std::move(done); });
    ASSERT_TRUE(told);
    EXPECT_TRUE(*told);
    EXPECT_THAT(script_.steps, ElementsAre("begin", "k", "commit", "roll_back"));
}

TEST_F(GroupCommitTest, WhoDoesNotWaitIsToldWhatWentWrong) {
    std::vector<std::string> told;
    const auto tell = [&](Result<void> done) { told.push_back(done ? "" : done.error().message); };
    const auto put = [](Transaction& tx) { return tx.put("t", "k", {}); };
    for (const char* step : {"begin", "k", "commit"}) {
        script_.failing = {step};
        group_.run_later(put, tell);
    }
    group_.run_later([](Transaction&) -> Result<void> { throw std::runtime_error("secret"); },
                     tell);
    script_.failing = {};
    group_.run_later(put, tell);
    EXPECT_THAT(told, ElementsAre("begin failed", "k failed", "commit failed",
                                  "the work of a transaction threw an exception", ""));
}

// What comes behind a group is done by the group's own thread, in the order in which it came, and
// before the group ends.
TEST_F(GroupCommitTest, WhoDoesNotWaitSharesAGroup) {
    std::mutex mutex;
    std::vector<int> told;
    std::set<std::thread::id> by;
    {
        GroupCommit group(script_);
        MUST(group.run([&](Transaction&) -> Result<void> {
            for (int i = 0; i < 5; ++i) {
                group.run_later([](Transaction& tx) { return tx.put("t", "k", {}); },
                                [&, i](Result<void> done) {
                                    std::lock_guard lock(mutex);
                                    EXPECT_TRUE(done);
                                    told.push_back(i);
                                    by.insert(std::this_thread::get_id());
                                });
            }
            // So that the leader takes nobody in any more.
            std::this_thread::sleep_for(kMaxGroupTime + std::chrono::milliseconds(5));
            return {};
        }));
        EXPECT_LE(group.statistics().commits, 2u);
    }
    EXPECT_THAT(told, ElementsAre(0, 1, 2, 3, 4));
    EXPECT_THAT(by, ElementsAre(testing::Ne(std::this_thread::get_id())));
    EXPECT_EQ(std::ranges::count(script_.steps, "commit"), 2);
}

TEST_F(GroupCommitTest, ManyWhoWaitAndWhoDoNot) {
    constexpr int kThreads = 4, kEach = 300;
    std::atomic<int> told = 0, awaited = 0, begun = 0;
    {
        GroupCommit group(script_);
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                const auto work = [](Transaction& tx) { return tx.put("t", "k", {}); };
                for (int i = 0; i < kEach; ++i) {
                    if ((i + t) % 3 == 0) {
                        awaited += group.run(work) ? 1 : 0;
                    } else {
                        ++begun;
                        group.run_later(work, [&](Result<void> done) { told += done ? 1 : 0; });
                    }
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(told, begun);
    EXPECT_EQ(told + awaited, kThreads * kEach);
    EXPECT_EQ(std::ranges::count(script_.steps, "k"), kThreads * kEach);
}

// Waiting has script_ as its store, to tell of what is expected.
class Waiting : public Store {
  public:
    explicit Waiting(GroupCommit& group) : group_(group) {}
    Result<void> run(const Work& work) override { return group_.run(work); }
    Result<void> read(const std::function<Result<void>(View&)>&) override { return {}; }
    Statistics statistics() const override { return group_.statistics(); }
    void expect(bool more) override { group_.expect(more); }

  private:
    GroupCommit& group_;
};

// A leader does not wait for long, so that on a busy machine it may take several attempts.
TEST_F(GroupCommitTest, WhoIsExpectedSharesTheCommit) {
    Waiting store(group_);
    const auto work = [](Transaction& tx) { return tx.put("t", "k", {}); };
    for (int attempt = 0; attempt < 100; ++attempt) {
        const uint64_t commits = group_.statistics().commits;
        std::atomic<bool> done = false;
        Expected expected(&store);
        std::thread other([&] {
            EXPECT_TRUE(group_.run(work));
            done = true;
        });
        while (!done && group_.statistics().waiting == 0) std::this_thread::yield();
        expected.end();
        EXPECT_TRUE(group_.run(work));
        other.join();
        if (group_.statistics().commits == commits + 1) return;
    }
    ADD_FAILURE() << "they never shared a commit";
}

TEST_F(GroupCommitTest, WhoIsExpectedAndDoesNotComeHoldsUpFewGroups) {
    constexpr int kMany = 400;
    Waiting store(group_);
    const Expected expected(&store);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kMany; ++i) {
        MUST(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
    }
    // A wait for each would take more than this; it takes a hundredth.
    EXPECT_LT(std::chrono::steady_clock::now() - start, kMany * kMaxExpecting / 2);
    EXPECT_EQ(group_.statistics().commits, static_cast<uint64_t>(kMany));
}

TEST_F(GroupCommitTest, WhoIsExpectedAndDoesNotComeHoldsUpFewGroupsOfSeveral) {
    constexpr int kCallers = 4, kMany = 200;
    Waiting store(group_);
    const Expected hanging(&store);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> callers;
    for (int i = 0; i < kCallers; ++i) {
        callers.emplace_back([&] {
            for (int j = 0; j < kMany; ++j) {
                Expected expected(&store);
                expected.end();
                MUST(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    // There are kMany groups at least, and a wait for each would take twice as long as this.
    EXPECT_LT(std::chrono::steady_clock::now() - start, kMany * kMaxExpecting / 2);
}

TEST_F(GroupCommitTest, ASingleCallersFailureCommitsNothing) {
    script_.failing = {"k"};
    EXPECT_FALSE(group_.run([](Transaction& tx) { return tx.put("t", "k", {}); }));
    EXPECT_THAT(script_.steps, ElementsAre("begin", "roll_back"));
    EXPECT_EQ(group_.statistics().commits, 0u);
}

TEST_F(GroupCommitTest, TheFirstOfAGroupFailsWithoutTheOthers) {
    script_.failing = {"1"};
    EXPECT_THAT(run_three(), ElementsAre("1 failed", "", ""));
    EXPECT_EQ(group_.statistics().transactions, 3u);
}

TEST_F(GroupCommitTest, AFailedCommitIsEverybodysFailure) {
    // The caller that holds the others up must succeed: its commit is the first.
    script_.failing = {"2"};
    auto results = run_three();
    EXPECT_THAT(results, ElementsAre("", "2 failed", ""));
    script_.failing = {"release"};
    EXPECT_THAT(run_three(), ElementsAre("release failed", "release failed", ""));
    script_.failing = {"2", "go_back"};
    EXPECT_THAT(run_three(), ElementsAre("go_back failed", "go_back failed", ""));
    script_.failing = {"mark"};
    EXPECT_THAT(run_three(), ElementsAre("mark failed", "mark failed", ""));
}

TEST_F(GroupCommitTest, WhoFailedBesideOthersLearnsThatTheirCommitFailed) {
    std::vector<std::string> messages(2);
    std::vector<std::thread> threads;
    MUST(group_.run([&](Transaction&) -> Result<void> {
        threads.emplace_back([&] {
            // It makes the commit of its group fail, not that of the caller before.
            auto done = group_.run([&](Transaction&) -> Result<void> {
                script_.failing = {"commit", "bad"};
                return {};
            });
            messages[0] = done ? "" : done.error().message;
        });
        while (group_.statistics().waiting < 1) std::this_thread::yield();
        threads.emplace_back([&] {
            auto done = group_.run([](Transaction& tx) { return tx.put("t", "bad", {}); });
            messages[1] = done ? "" : done.error().message;
        });
        while (group_.statistics().waiting < 2) std::this_thread::yield();
        std::this_thread::sleep_for(kMaxGroupTime + std::chrono::milliseconds(5));
        return {};
    }));
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(messages, ElementsAre("commit failed", "commit failed"));
    EXPECT_EQ(group_.statistics().transactions, 1u);
    EXPECT_EQ(group_.statistics().commits, 1u);
}

TEST_F(GroupCommitTest, WhatCannotBeginFailsForAllWhoWait) {
    std::vector<std::string> messages(3);
    std::vector<std::thread> threads;
    MUST(group_.run([&](Transaction&) -> Result<void> {
        for (size_t i = 0; i < 3; ++i) {
            threads.emplace_back([&, i] {
                auto done = group_.run([](Transaction&) -> Result<void> { return {}; });
                messages[i] = done ? "" : done.error().message;
            });
        }
        while (group_.statistics().waiting < 3) std::this_thread::yield();
        std::this_thread::sleep_for(kMaxGroupTime + std::chrono::milliseconds(5));
        script_.failing = {"begin"};
        return {};
    }));
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(messages, ElementsAre("begin failed", "begin failed", "begin failed"));
    script_.failing = {};
    MUST(group_.run([](Transaction&) -> Result<void> { return {}; }));
}

}  // namespace
}  // namespace vouchsafe::store
