#include "vouchsafe/store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace vouchsafe::store {
namespace {

class SqliteStoreTest : public testing::Test {
  protected:
    SqliteStoreTest() : dir_(MUST(TemporaryDir::create("store-test"))) {
        file_ = dir_.path() / "test.db";
        store_ = MUST(open_sqlite(file_));
    }

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
    std::vector<std::string> scan(std::string_view prefix, std::string_view after, size_t limit) {
        std::vector<std::string> keys;
        MUST(store_->read([&](View& view) -> Result<void> {
            for (Record& record : TRY(view.scan("t", prefix, after, limit))) {
                keys.push_back(std::move(record.key));
            }
            return {};
        }));
        return keys;
    }

    // sql changes the file behind the store's back.
    void sql(const char* text) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(db);
        sqlite3_close(db);
    }

    TemporaryDir dir_;
    Path file_;
    std::unique_ptr<Store> store_;
};

TEST_F(SqliteStoreTest, KeepsRecordsAcrossReopening) {
    MUST(put(*store_, "k", "v"));
    MUST(put(*store_, "empty", ""));
    MUST(put(*store_, "k", "v2"));
    store_.reset();
    store_ = MUST(open_sqlite(file_));
    EXPECT_EQ(get("t", "k"), "v2");
    EXPECT_EQ(get("t", "empty"), "");
    EXPECT_EQ(get("t", "absent"), std::nullopt);
    EXPECT_EQ(get("other", "k"), std::nullopt);
}

TEST_F(SqliteStoreTest, FileIsReadableByItsOwnerAlone) {
    MUST(put(*store_, "k", "v"));
    for (const char* suffix : {"", "-wal", "-shm"}) {
        struct stat info {};
        ASSERT_EQ(stat((file_.string() + suffix).c_str(), &info), 0) << suffix;
        EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
    }
}

TEST_F(SqliteStoreTest, InsertRefusesWhatExists) {
    MUST(put(*store_, "k", "v"));
    auto again = store_->run([&](Transaction& tx) { return tx.insert("t", "k", as_bytes("w")); });
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::conflict);
    EXPECT_EQ(get("t", "k"), "v");
    MUST(store_->run([&](Transaction& tx) { return tx.insert("t", "k2", as_bytes("w")); }));
    EXPECT_EQ(get("t", "k2"), "w");
}

TEST_F(SqliteStoreTest, EraseTellsWhetherThereWasOne) {
    MUST(put(*store_, "k", "v"));
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        EXPECT_TRUE(TRY(tx.erase("t", "k")));
        EXPECT_FALSE(TRY(tx.erase("t", "k")));
        return {};
    }));
    EXPECT_EQ(get("t", "k"), std::nullopt);
}

TEST_F(SqliteStoreTest, ScansInTheOrderOfBytes) {
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

TEST_F(SqliteStoreTest, AFailedTransactionLeavesNothing) {
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

TEST_F(SqliteStoreTest, AnExceptionLeavesNothingAndTheStoreUsable) {
    EXPECT_THROW((void)store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "k", as_bytes("v")));
        throw std::runtime_error("bug");
    }),
                 std::runtime_error);
    EXPECT_EQ(get("t", "k"), std::nullopt);
    MUST(put(*store_, "k", "v"));
}

TEST_F(SqliteStoreTest, RefusesATransactionWithinATransaction) {
    auto nested = store_->run([&](Transaction&) { return put(*store_, "k", "v"); });
    ASSERT_FALSE(nested);
    EXPECT_EQ(nested.error().code, Code::internal);
}

TEST_F(SqliteStoreTest, RefusesNamesAndSizesOutsideTheLimits) {
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

TEST_F(SqliteStoreTest, ReadersSeeASnapshotAndDoNotWaitForAWriter) {
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

TEST_F(SqliteStoreTest, ThreadsCountWithoutLosingAStep) {
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

TEST_F(SqliteStoreTest, ASecondStoreOnTheSameFileWorks) {
    auto other = MUST(open_sqlite(file_));
    MUST(put(*store_, "a", "1"));
    EXPECT_EQ(get(*other, "t", "a"), "1");
    MUST(put(*other, "b", "2"));
    EXPECT_EQ(get("t", "b"), "2");
}

TEST_F(SqliteStoreTest, RefusesAnotherSchemaVersion) {
    store_.reset();
    sql("PRAGMA user_version = 2");
    auto opened = open_sqlite(file_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::unsupported);
    EXPECT_THAT(opened.error().message, testing::HasSubstr("schema version 2"));
}

TEST_F(SqliteStoreTest, RefusesAChangedSchema) {
    store_.reset();
    sql("CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END");
    auto opened = open_sqlite(file_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::invalid);
}

TEST_F(SqliteStoreTest, RefusesAnotherProgramsDatabaseAndOtherFiles) {
    file_ = dir_.path() / "foreign.db";
    sql("CREATE TABLE theirs (x)");
    auto foreign = open_sqlite(file_);
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().code, Code::invalid);

    const Path text = dir_.path() / "text";
    MUST(write_file(text, Bytes(5000, 'x'), Overwrite::no));
    auto not_a_database = open_sqlite(text);
    ASSERT_FALSE(not_a_database);
    EXPECT_EQ(not_a_database.error().code, Code::invalid);

    auto no_folder = open_sqlite(dir_.path() / "absent" / "x.db");
    ASSERT_FALSE(no_folder);
    EXPECT_EQ(no_folder.error().code, Code::io);
}

// in_child runs `work` in a forked process and returns its wait status.
int in_child(const std::function<int()>& work) {
    pid_t pid = fork();
    if (pid == 0) _exit(work());
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

TEST_F(SqliteStoreTest, AFullDiskIsAnErrorAndLeavesNothingHalf) {
    store_.reset();
    int status = in_child([&]() -> int {
        std::signal(SIGXFSZ, SIG_IGN);
        auto store = open_sqlite(file_);
        if (!store || !put(**store, "before", "v")) return 1;
        rlimit limit{200 << 10, 200 << 10};  // no file may grow over this
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
        auto failed = (*store)->run([&](Transaction& tx) -> Result<void> {
            TRY(tx.put("t", "small", as_bytes("x")));
            return tx.put("t", "large", Bytes(1 << 20));
        });
        if (failed || failed.error().code != Code::io) return 3;
        if (!put(**store, "after", "v")) return 4;  // a small write still fits
        return 0;
    });
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 0);
    store_ = MUST(open_sqlite(file_));
    EXPECT_EQ(get("t", "before"), "v");
    EXPECT_EQ(get("t", "after"), "v");
    EXPECT_EQ(get("t", "small"), std::nullopt);
    EXPECT_EQ(get("t", "large"), std::nullopt);
}

TEST_F(SqliteStoreTest, AKilledWriterLosesNothingAcknowledged) {
    store_.reset();
    int pipe_ends[2];
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        auto store = open_sqlite(file_);
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

    store_ = MUST(open_sqlite(file_));
    auto first = get("t", "first");
    ASSERT_TRUE(first);
    EXPECT_EQ(first, get("t", "second"));  // no transaction by halves
    EXPECT_GE(std::stoul(*first), acknowledged);
}

}  // namespace
}  // namespace vouchsafe::store
