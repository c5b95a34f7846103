// Store::recall and Transaction::still_holds: what is remembered is never acted on when it is no
// longer so.
#include <gmock/gmock.h>

#include <thread>

#include "vouchsafe/store/memory.h"
#include "vouchsafe/store/test_engine.h"

namespace vouchsafe::store {
namespace {

class RecallTest : public testing::TestWithParam<EngineKind> {
  protected:
    RecallTest() : engine_(make_engine(GetParam())), store_(MUST(engine_->try_open())) {
        put("t", "a", "1");
    }
    bool remembers() const { return GetParam() == EngineKind::sqlite; }

    void put(std::string_view table, std::string_view key, std::string_view value) {
        put_into(*store_, table, key, value);
    }
    static void put_into(Store& store, std::string_view table, std::string_view key,
                         std::string_view value) {
        MUST(store.run([&](Transaction& tx) { return tx.put(table, key, as_bytes(value)); }));
    }

    // recalled is the value of t/a, as text; "" if there is none.
    std::string recalled(Basis& basis, std::string_view key = "a") {
        std::string out;
        MUST(store_->recall(
            [&](View& view) -> Result<void> {
                if (auto value = TRY(view.get("t", key))) out = to_text(*value);
                return {};
            },
            basis));
        return out;
    }
    std::vector<std::string> recalled_keys(Basis& basis, std::string_view prefix = "",
                                           std::string_view after = "", size_t limit = 10) {
        std::vector<std::string> out;
        MUST(store_->recall(
            [&](View& view) -> Result<void> {
                for (const Record& record : TRY(view.scan("t", prefix, after, limit))) {
                    out.push_back(record.key);
                }
                return {};
            },
            basis));
        return out;
    }
    bool holds(const Basis& basis) {
        bool out = false;
        MUST(store_->run([&](Transaction& tx) -> Result<void> {
            out = TRY(tx.still_holds(basis));
            return {};
        }));
        return out;
    }
    // settle makes the store's first transaction be over, before which nothing holds.
    Basis settled() {
        Basis out;
        recalled(out);
        (void)holds(out);
        recalled(out);
        return out;
    }

    std::unique_ptr<TestEngine> engine_;
    std::unique_ptr<Store> store_;
};

TEST_P(RecallTest, WhatNobodyChangedHoldsAndComesFromMemory) {
    Basis basis = settled();
    EXPECT_EQ(holds(basis), remembers());
    EXPECT_EQ(recalled(basis), "1");
    EXPECT_EQ(basis.recalled, remembers());
    put("other", "a", "changes");
    EXPECT_EQ(holds(basis), remembers());
    EXPECT_EQ(recalled(basis), "1");
}

TEST_P(RecallTest, AnEmptyBasisNeverHolds) {
    (void)settled();
    EXPECT_FALSE(holds(Basis()));
}

TEST_P(RecallTest, OwnChangesAreSeenAtOnce) {
    Basis before = settled();
    put("t", "a", "2");
    EXPECT_FALSE(holds(before));
    Basis after;
    EXPECT_EQ(recalled(after), "2");
    EXPECT_EQ(recalled(after), "2");
    EXPECT_EQ(holds(after), remembers());
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.erase("t", "a"));
        return {};
    }));
    EXPECT_FALSE(holds(after));
    EXPECT_EQ(recalled(after), "");
    EXPECT_EQ(recalled(after), "");
}

TEST_P(RecallTest, AbsenceIsRememberedAndEnds) {
    Basis basis = settled();
    EXPECT_EQ(recalled(basis, "b"), "");
    EXPECT_EQ(recalled(basis, "b"), "");
    EXPECT_EQ(basis.recalled, remembers());
    EXPECT_EQ(holds(basis), remembers());
    MUST(store_->run([&](Transaction& tx) { return tx.insert("t", "b", as_bytes("2")); }));
    EXPECT_FALSE(holds(basis));
    EXPECT_EQ(recalled(basis, "b"), "2");
}

TEST_P(RecallTest, AChangeByAnotherProcessEndsIt) {
    auto others = MUST(engine_->try_open());
    Basis basis = settled();
    EXPECT_EQ(holds(basis), remembers());
    put_into(*others, "t", "a", "2");
    EXPECT_FALSE(holds(basis));
    EXPECT_EQ(recalled(basis), "2");
}

TEST_P(RecallTest, AChangeByAnotherProcessBeforeTheFirstTransactionEndsIt) {
    store_ = MUST(engine_->try_open());
    auto others = MUST(engine_->try_open());
    Basis basis;
    EXPECT_EQ(recalled(basis), "1");
    put_into(*others, "t", "a", "2");
    EXPECT_FALSE(holds(basis));
    EXPECT_EQ(recalled(basis), "2");
}

TEST_P(RecallTest, WhatTheOpenTransactionChangedDoesNotHold) {
    const Basis basis = settled();
    bool before = false, after = true, beside = false;
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        before = TRY(tx.still_holds(basis));
        TRY(tx.put("u", "a", as_bytes("2")));
        beside = TRY(tx.still_holds(basis));
        TRY(tx.put("t", "a", as_bytes("2")));
        after = TRY(tx.still_holds(basis));
        return {};
    }));
    EXPECT_EQ(before, remembers());
    EXPECT_EQ(beside, remembers());
    EXPECT_FALSE(after);
}

TEST_P(RecallTest, WhatWasRolledBackIsNotRemembered) {
    Basis basis = settled();
    auto failed = store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "a", as_bytes("2")));
        Basis meanwhile;
        std::string seen;
        std::thread other([&] { seen = recalled(meanwhile); });
        other.join();
        EXPECT_EQ(seen, "1");
        return fail(Code::invalid, "no");
    });
    EXPECT_FALSE(failed);
    EXPECT_EQ(recalled(basis), "1");
}

// Somebody reads while another's commit is under way: what he read may be of before it.
TEST_P(RecallTest, WhatWasReadDuringATransactionDoesNotHoldAfterIt) {
    Basis meanwhile = settled();
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "a", as_bytes("2")));
        std::thread other([&] { recalled(meanwhile, "b"); });
        other.join();
        return {};
    }));
    EXPECT_FALSE(holds(meanwhile));
}

TEST_P(RecallTest, ScansAreRememberedByTheirWholeQuestion) {
    put("t", "ab", "1");
    put("t", "b", "1");
    (void)settled();
    for (int turn = 0; turn < 2; ++turn) {
        Basis basis;
        EXPECT_THAT(recalled_keys(basis), testing::ElementsAre("a", "ab", "b"));
        EXPECT_THAT(recalled_keys(basis, "a"), testing::ElementsAre("a", "ab"));
        EXPECT_THAT(recalled_keys(basis, "", "a"), testing::ElementsAre("ab", "b"));
        EXPECT_THAT(recalled_keys(basis, "a", "a"), testing::ElementsAre("ab"));
        EXPECT_THAT(recalled_keys(basis, "", "", 1), testing::ElementsAre("a"));
        EXPECT_EQ(basis.recalled, remembers() && turn > 0);
        EXPECT_EQ(holds(basis), remembers());
    }
    Basis basis;
    recalled_keys(basis);
    put("t", "c", "1");
    EXPECT_FALSE(holds(basis));
    EXPECT_THAT(recalled_keys(basis), testing::ElementsAre("a", "ab", "b", "c"));
}

TEST_P(RecallTest, AGetIsNoScan) {
    (void)settled();
    Basis basis;
    EXPECT_THAT(recalled_keys(basis, "a"), testing::ElementsAre("a"));
    EXPECT_EQ(recalled(basis), "1");
    EXPECT_THAT(recalled_keys(basis, "a"), testing::ElementsAre("a"));
}

TEST_P(RecallTest, WhoAsksForTablesHasNoBasis) {
    Basis basis = settled();
    MUST(store_->recall(
        [&](View& view) -> Result<void> {
            EXPECT_EQ(TRY(view.next_table("")), "t");
            return {};
        },
        basis));
    EXPECT_FALSE(holds(basis));
}

TEST_P(RecallTest, LargeRecordsAreReadAgain) {
    put("t", "a", std::string(kMaxRememberedSize + 1, 'x'));
    Basis basis;
    EXPECT_EQ(recalled(basis).size(), kMaxRememberedSize + 1);
    EXPECT_EQ(recalled(basis).size(), kMaxRememberedSize + 1);
    EXPECT_FALSE(basis.recalled);
    put("t", "a", std::string(kMaxRememberedSize, 'x'));
    EXPECT_EQ(recalled(basis).size(), kMaxRememberedSize);
    EXPECT_EQ(recalled(basis).size(), kMaxRememberedSize);
    EXPECT_EQ(basis.recalled, remembers());
}

TEST_P(RecallTest, BadNamesAreRefusedAndWorkMayFail) {
    Basis basis;
    auto named = store_->recall(
        [&](View& view) -> Result<void> {
            TRY(view.get("no such name!", "a"));
            return {};
        },
        basis);
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, Code::invalid);
    auto failed =
        store_->recall([](View&) -> Result<void> { return fail(Code::forbidden, "no"); }, basis);
    EXPECT_EQ(failed.error().code, Code::forbidden);
    EXPECT_THROW((void)store_->recall([](View&) -> Result<void> { throw 1; }, basis), int);
    EXPECT_EQ(recalled(basis), "1");
}

// Several threads judge by memory and act, others change what they judge by: nobody may act on what
// is not so. The number in t/a and that in u/a are equal in every committed state.
TEST_P(RecallTest, NobodyActsOnWhatIsNoLongerSo) {
    put("u", "a", "1");
    auto elsewhere = MUST(engine_->try_open());
    std::atomic<bool> stop = false;
    std::atomic<int> held = 0, wrong = 0;
    auto change = [&](Store& store, int rounds) {
        for (int i = 0; i < rounds; ++i) {
            MUST(store.run([&](Transaction& tx) -> Result<void> {
                const int next = std::stoi(to_text(*TRY(tx.get("t", "a")))) + 1;
                TRY(tx.put("t", "a", as_bytes(std::to_string(next))));
                return tx.put("u", "a", as_bytes(std::to_string(next)));
            }));
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    };
    auto judge = [&] {
        while (!stop) {
            std::string t, u;
            Basis basis;
            MUST(store_->recall(
                [&](View& view) -> Result<void> {
                    t = to_text(*TRY(view.get("t", "a")));
                    u = to_text(*TRY(view.get("u", "a")));
                    return {};
                },
                basis));
            MUST(store_->run([&](Transaction& tx) -> Result<void> {
                if (!TRY(tx.still_holds(basis))) return {};
                ++held;
                const std::string now = to_text(*TRY(tx.get("t", "a")));
                if (t != now || u != now) ++wrong;
                return tx.put("log", "last", as_bytes(now));
            }));
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(judge);
    std::thread here([&] { change(*store_, 100); });
    std::thread there([&] { change(*elsewhere, 100); });
    here.join();
    there.join();
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(held > 0, remembers());
}

INSTANTIATE_TEST_SUITE_P(Engines, RecallTest, testing::ValuesIn(engines()), engine_name);

}  // namespace
}  // namespace vouchsafe::store
