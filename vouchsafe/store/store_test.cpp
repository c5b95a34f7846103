// What every engine must do.
#include "vouchsafe/store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "vouchsafe/store/group_commit.h"
#include "vouchsafe/store/numbered.h"
#include "vouchsafe/store/test_engine.h"

namespace vouchsafe::store {
namespace {

class StoreTest : public testing::TestWithParam<EngineKind> {
  protected:
    StoreTest() : engine_(make_engine(GetParam())), store_(open()) {}

    std::unique_ptr<Store> open() { return MUST(engine_->try_open()); }
    std::optional<std::string> get(Store& store, std::string_view table, std::string_view key) {
        std::optional<std::string> out;
        MUST(store.read([&](View& view) -> Result<void> {
            if (auto value = TRY(view.get(table, key))) out = to_text(*value);
            return {};
        }));
        return out;
    }
    std::optional<std::string> get(std::string_view table, std::string_view key) {
        return get(*store_, table, key);
    }
    Result<void> put(Store& store, std::string_view key, std::string_view value) {
        return store.run([&](Transaction& tx) { return tx.put("t", key, as_bytes(value)); });
    }
    std::vector<std::string> scan(std::string_view prefix, std::string_view after, size_t limit,
                                  std::string_view table = "t") {
        std::vector<std::string> keys;
        MUST(store_->read([&](View& view) -> Result<void> {
            for (Record& record : TRY(view.scan(table, prefix, after, limit))) {
                keys.push_back(std::move(record.key));
            }
            return {};
        }));
        return keys;
    }

    // in_one_group runs each work on a thread of its own, all queued before the first begins.
    std::vector<Result<void>> in_one_group(
        const std::vector<std::function<Result<void>(Transaction&)>>& works) {
        std::vector<Result<void>> out(works.size());
        std::vector<std::thread> threads;
        auto wait_for = [&](size_t count) {
            while (store_->statistics().waiting < count) std::this_thread::yield();
        };
        MUST(store_->run([&](Transaction&) -> Result<void> {
            for (size_t i = 0; i < works.size(); ++i) {
                threads.emplace_back([&, i] { out[i] = store_->run(works[i]); });
                wait_for(i + 1);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(25));  // over kMaxGroupTime
            return {};
        }));
        for (std::thread& thread : threads) thread.join();
        return out;
    }

    std::unique_ptr<TestEngine> engine_;
    std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, StoreTest, testing::ValuesIn(engines()), engine_name);

TEST_P(StoreTest, KeepsRecordsAcrossReopening) {
    MUST(put(*store_, "k", "v"));
    MUST(put(*store_, "empty", ""));
    MUST(put(*store_, "k", "v2"));
    store_.reset();
    store_ = open();
    EXPECT_EQ(get("t", "k"), "v2");
    EXPECT_EQ(get("t", "empty"), "");
    EXPECT_EQ(get("t", "absent"), std::nullopt);
    EXPECT_EQ(get("other", "k"), std::nullopt);
}

TEST_P(StoreTest, InsertRefusesWhatExists) {
    MUST(put(*store_, "k", "v"));
    auto again = store_->run([&](Transaction& tx) { return tx.insert("t", "k", as_bytes("w")); });
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::conflict);
    EXPECT_EQ(get("t", "k"), "v");
    MUST(store_->run([&](Transaction& tx) { return tx.insert("t", "k2", as_bytes("w")); }));
    EXPECT_EQ(get("t", "k2"), "w");
}

TEST_P(StoreTest, EraseTellsWhetherThereWasOne) {
    MUST(put(*store_, "k", "v"));
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        EXPECT_TRUE(TRY(tx.erase("t", "k")));
        EXPECT_FALSE(TRY(tx.erase("t", "k")));
        return {};
    }));
    EXPECT_EQ(get("t", "k"), std::nullopt);
}

TEST_P(StoreTest, ScansInTheOrderOfBytes) {
    const std::string zero("a\0", 2), high("a\xff"), b("b");
    for (const std::string& key : {b, high, std::string("aa"), zero, std::string("a"),
                                   std::string("ab"), std::string("B")}) {
        MUST(put(*store_, key, "v"));
    }
    using testing::ElementsAre;
    EXPECT_THAT(scan("", "", 100), ElementsAre("B", "a", zero, "aa", "ab", high, "b"));
    EXPECT_THAT(scan("a", "", 100), ElementsAre("a", zero, "aa", "ab", high));
    EXPECT_THAT(scan("a", "", 2), ElementsAre("a", zero));
    EXPECT_THAT(scan("a", zero, 2), ElementsAre("aa", "ab"));
    EXPECT_THAT(scan("a", high, 2), ElementsAre());
    EXPECT_THAT(scan("a", "B", 1), ElementsAre("a"));
    EXPECT_THAT(scan("c", "", 10), ElementsAre());
}

TEST_P(StoreTest, AFailedTransactionLeavesNothing) {
    MUST(put(*store_, "k", "v"));
    auto failed = store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "k", as_bytes("changed")));
        TRY(tx.put("t", "new", as_bytes("x")));
        EXPECT_TRUE(TRY(tx.get("t", "new")).has_value());  // it sees its own writes
        return fail(Code::forbidden, "no");
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::forbidden);
    EXPECT_EQ(get("t", "k"), "v");
    EXPECT_EQ(get("t", "new"), std::nullopt);
    MUST(put(*store_, "k", "w"));
}

TEST_P(StoreTest, AnExceptionLeavesNothingAndTheStoreUsable) {
    EXPECT_THROW((void)store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "k", as_bytes("v")));
        throw std::runtime_error("bug");
    }),
                 std::runtime_error);
    EXPECT_EQ(get("t", "k"), std::nullopt);
    MUST(put(*store_, "k", "v"));
}

TEST_P(StoreTest, RefusesATransactionWithinATransaction) {
    auto nested = store_->run([&](Transaction&) { return put(*store_, "k", "v"); });
    ASSERT_FALSE(nested);
    EXPECT_EQ(nested.error().code, Code::internal);
}

TEST_P(StoreTest, RefusesNamesAndSizesOutsideTheLimits) {
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        const std::string long_key(kMaxKeySize + 1, 'k');
        const Bytes large(kMaxValueSize + 1);
        EXPECT_EQ(tx.put("", "k", {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put("T", "k", {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put("t; drop", "k", {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put(std::string(kMaxTableName + 1, 't'), "k", {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put("t", "", {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put("t", long_key, {}).error().code, Code::invalid);
        EXPECT_EQ(tx.put("t", "k", large).error().code, Code::invalid);
        EXPECT_EQ(tx.get("t", long_key).error().code, Code::invalid);
        EXPECT_EQ(tx.scan("t", "", "", kMaxScan + 1).error().code, Code::invalid);
        TRY(tx.put("t", std::string(kMaxKeySize, 'k'), ByteView(large).first(kMaxValueSize)));
        return {};
    }));
}

TEST_P(StoreTest, NumberedTablesAreTables) {
    const std::vector<uint64_t> numbers = {0, 1, 15, 16, 0xabcdef, kMaxNumber};
    std::vector<std::string> keys;
    for (uint64_t number : numbers) keys.push_back(number_key(number));
    for (std::string_view table : kNumberedTables) {
        MUST(store_->run([&](Transaction& tx) -> Result<void> {
            // From the last: their order is not that of their coming.
            for (size_t i = keys.size(); i-- > 0;) TRY(tx.insert(table, keys[i], as_bytes("v")));
            EXPECT_EQ(tx.insert(table, keys[2], {}).error().code, Code::conflict);
            TRY(tx.put(table, keys[2], as_bytes(table)));
            TRY(tx.put(table, keys[3], {}));
            EXPECT_TRUE(TRY(tx.erase(table, keys[4])));
            EXPECT_FALSE(TRY(tx.erase(table, keys[4])));
            return {};
        }));
    }
    keys.erase(keys.begin() + 4);
    for (std::string_view table : kNumberedTables) {
        EXPECT_EQ(get(table, keys[1]), "v");
        EXPECT_EQ(get(table, keys[2]), table);
        EXPECT_EQ(get(table, keys[3]), "");
        EXPECT_EQ(get(table, number_key(2)), std::nullopt);
        EXPECT_EQ(get(table, number_key(0xabcdef)), std::nullopt);
        EXPECT_EQ(scan("", "", 10, table), keys);
        EXPECT_THAT(scan("", number_key(1), 2, table), ElementsAre(keys[2], keys[3]));
        EXPECT_THAT(scan("", number_key(17), 10, table), ElementsAre(keys[4]));
        EXPECT_THAT(scan("", number_key(kMaxNumber), 10, table), ElementsAre());
    }
}

TEST_P(StoreTest, NumberedTablesRefuseOtherKeys) {
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        for (std::string_view key :
             {"1", "00000000000000001", "000000000000000A", "000000000000000g", "ffffffffffffffff",
              "2000000000000000", "00/0000000000000", " 000000000000001"}) {
            for (std::string_view table : kNumberedTables) {
                EXPECT_EQ(tx.insert(table, key, {}).error().code, Code::invalid) << key;
                EXPECT_EQ(tx.put(table, key, {}).error().code, Code::invalid) << key;
                EXPECT_EQ(tx.get(table, key).error().code, Code::invalid) << key;
                EXPECT_EQ(tx.erase(table, key).error().code, Code::invalid) << key;
                EXPECT_EQ(tx.scan(table, "", key, 1).error().code, Code::invalid) << key;
            }
        }
        EXPECT_EQ(tx.scan("audit_entry", "0", "", 1).error().code, Code::invalid);
        return tx.put("audit_entry", "1fffffffffffffff", {});
    }));
}

TEST_P(StoreTest, ReadersSeeASnapshotAndDoNotWaitForAWriter) {
    MUST(put(*store_, "k", "old"));
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "k", as_bytes("new")));
        std::optional<std::string> seen;
        std::thread([&] { seen = get("t", "k"); }).join();
        EXPECT_EQ(seen, "old");
        return {};
    }));
    EXPECT_EQ(get("t", "k"), "new");
}

TEST_P(StoreTest, ThreadsCountWithoutLosingAStep) {
    auto count_up = [&] {
        for (int i = 0; i < 20; ++i) {
            MUST(store_->run([&](Transaction& tx) -> Result<void> {
                auto old = TRY(tx.get("t", "count"));
                int value = old ? std::stoi(to_text(*old)) : 0;
                return tx.put("t", "count", as_bytes(std::to_string(value + 1)));
            }));
        }
    };
    std::thread a(count_up), b(count_up), c(count_up);
    a.join();
    b.join();
    c.join();
    EXPECT_EQ(get("t", "count"), "60");
}

TEST_P(StoreTest, ASecondStoreOnTheSameFileWorks) {
    auto other = open();
    MUST(put(*store_, "a", "1"));
    EXPECT_EQ(get(*other, "t", "a"), "1");
    MUST(put(*other, "b", "2"));
    EXPECT_EQ(get("t", "b"), "2");
}

TEST_P(StoreTest, AKilledWriterLosesNothingAcknowledged) {
    store_.reset();
    int pipe_ends[2];
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        auto store = engine_->try_open();
        for (uint32_t i = 1; store; ++i) {
            auto done = (*store)->run([&](Transaction& tx) -> Result<void> {
                TRY(tx.put("t", "first", as_bytes(std::to_string(i))));
                return tx.put("t", "second", as_bytes(std::to_string(i)));
            });
            if (!done || write(pipe_ends[1], &i, sizeof i) != sizeof i) break;
        }
        _exit(1);
    }
    close(pipe_ends[1]);
    uint32_t acknowledged = 0;
    auto receive = [&] { return read(pipe_ends[0], &acknowledged, sizeof acknowledged) > 0; };
    while (receive() && acknowledged < 40) {
    }
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
    while (receive()) {
    }
    close(pipe_ends[0]);
    ASSERT_GE(acknowledged, 40u);

    store_ = open();
    auto first = get("t", "first");
    ASSERT_TRUE(first);
    EXPECT_EQ(first, get("t", "second"));  // no transaction by halves
    EXPECT_GE(std::stoul(*first), acknowledged);
}

auto put_work(std::string key, std::string value = "v") {
    return [key, value](Transaction& tx) { return tx.put("t", key, as_bytes(value)); };
}

TEST_P(StoreTest, WhoWaitsTogetherSharesACommit) {
    const Statistics before = store_->statistics();
    auto results = in_one_group({put_work("a"), put_work("b"), put_work("c"), put_work("d")});
    for (const auto& result : results) EXPECT_TRUE(result);
    const Statistics after = store_->statistics();
    EXPECT_EQ(after.transactions - before.transactions, 5u);
    EXPECT_EQ(after.commits - before.commits, 2u);  // the one that held the others up, and theirs
    EXPECT_EQ(scan("", "", 10).size(), 4u);
}

TEST_P(StoreTest, InAGroupWhoFailsIsRolledBackAlone) {
    auto fails = [](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "failed", as_bytes("x")));
        TRY(tx.put("t", "a", as_bytes("spoilt")));
        return fail(Code::forbidden, "no");
    };
    auto sees = [](Transaction& tx) -> Result<void> {
        EXPECT_FALSE(TRY(tx.get("t", "failed")));
        EXPECT_EQ(to_text(TRY(tx.get("t", "a")).value_or(Bytes{})), "v");
        return tx.put("t", "seen", as_bytes("x"));
    };
    auto results = in_one_group({fails, put_work("a"), fails, sees, fails, put_work("b")});
    for (size_t i : {0, 2, 4}) {
        ASSERT_FALSE(results[i]) << i;
        EXPECT_EQ(results[i].error().code, Code::forbidden);
    }
    for (size_t i : {1, 3, 5}) EXPECT_TRUE(results[i]) << i;
    EXPECT_THAT(scan("", "", 10), testing::ElementsAre("a", "b", "seen"));
    EXPECT_EQ(get("t", "a"), "v");
}

TEST_P(StoreTest, InAGroupWhatIsThrownReachesItsCallerAlone) {
    std::atomic<int> thrown = 0;
    auto throws = [&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "thrown", as_bytes("x")));
        throw std::runtime_error("bug");
    };
    // The one who throws stands between others, so it runs as a caller of run itself.
    std::thread thrower;
    MUST(store_->run([&](Transaction&) -> Result<void> {
        thrower = std::thread([&] {
            EXPECT_TRUE(put(*store_, "before", "v"));
            try {
                (void)store_->run(throws);
            } catch (const std::runtime_error&) {
                ++thrown;
            }
        });
        return {};
    }));
    std::vector<std::thread> others;
    for (int i = 0; i < 4; ++i) {
        others.emplace_back([&, i] {
            for (int n = 0; n < 10; ++n) {
                EXPECT_TRUE(put(*store_, fmt::format("{}/{}", i, n), "v"));
                try {
                    (void)store_->run(throws);
                } catch (const std::runtime_error&) {
                    ++thrown;
                }
            }
        });
    }
    thrower.join();
    for (std::thread& other : others) other.join();
    EXPECT_EQ(thrown, 41);
    EXPECT_EQ(scan("", "", 100).size(), 41u);
    EXPECT_EQ(get("t", "thrown"), std::nullopt);
}

TEST_P(StoreTest, InAGroupATransactionWithinATransactionIsRefusedToo) {
    auto nested = [this](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "outer", as_bytes("x")));
        return put(*store_, "inner", "v");
    };
    auto results = in_one_group({put_work("a"), nested, put_work("b")});
    EXPECT_TRUE(results[0]);
    ASSERT_FALSE(results[1]);
    EXPECT_EQ(results[1].error().code, Code::internal);
    EXPECT_TRUE(results[2]);
    EXPECT_THAT(scan("", "", 10), testing::ElementsAre("a", "b"));
}

TEST_P(StoreTest, AGroupInsertsARecordOnce) {
    auto insert = [](Transaction& tx) { return tx.insert("t", "k", as_bytes("v")); };
    auto results = in_one_group({insert, insert, insert});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::conflict);
    EXPECT_EQ(results[2].error().code, Code::conflict);
}

TEST_P(StoreTest, AConflictIsNoEndOfTheTransaction) {
    MUST(put(*store_, "k", "v"));
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        EXPECT_EQ(tx.insert("t", "k", as_bytes("w")).error().code, Code::conflict);
        return tx.insert("t", "k2", as_bytes("w"));
    }));
    EXPECT_EQ(get("t", "k2"), "w");
}

TEST_P(StoreTest, FirstComeFirstServed) {
    std::vector<int> order;
    std::vector<std::function<Result<void>(Transaction&)>> works;
    for (int i = 0; i < 10; ++i) {
        works.emplace_back([&order, i](Transaction& tx) -> Result<void> {
            order.push_back(i);
            return tx.put("t", std::to_string(i), {});
        });
    }
    for (const auto& result : in_one_group(works)) EXPECT_TRUE(result);
    EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_P(StoreTest, ALeaderServesABoundedGroup) {
    // More than a group may have queue; each of them is served all the same.
    std::vector<std::function<Result<void>(Transaction&)>> works;
    for (size_t i = 0; i < kMaxGroup + 10; ++i) works.emplace_back(put_work(std::to_string(i)));
    const Statistics before = store_->statistics();
    for (const auto& result : in_one_group(works)) EXPECT_TRUE(result);
    EXPECT_EQ(scan("", "", 1000).size(), kMaxGroup + 10);
    EXPECT_GE(store_->statistics().commits - before.commits, 3u);
}

TEST_P(StoreTest, EveryThreadGetsItsTurn) {
    constexpr int kThreads = 8;
    std::array<std::atomic<int>, kThreads> done{};
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            while (!stop) {
                EXPECT_TRUE(put(*store_, std::to_string(i), "v"));
                ++done[i];
            }
        });
    }
    auto all_have = [&](int count) {
        return std::ranges::all_of(done, [&](const auto& one) { return one >= count; });
    };
    while (!all_have(20)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_LT(store_->statistics().commits, store_->statistics().transactions);
}

TEST_P(StoreTest, TellsItsTablesInOrder) {
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        for (const char* table : {"b", "a_2", "a", "z9"}) {
            TRY(tx.put(table, "k1", {}));
            TRY(tx.put(table, "k2", {}));
        }
        TRY(tx.erase("b", "k1"));
        TRY(tx.erase("b", "k2"));
        return {};
    }));
    std::vector<std::string> seen;
    MUST(store_->read([&](View& view) -> Result<void> {
        std::string last;
        while (auto next = TRY(view.next_table(last))) seen.push_back(last = *next);
        EXPECT_EQ(view.next_table("NO").error().code, Code::invalid);
        return {};
    }));
    EXPECT_THAT(seen, testing::ElementsAre("a", "a_2", "z9"));
}

}  // namespace
}  // namespace vouchsafe::store
