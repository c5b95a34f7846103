#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/store/numbered.h"
#include "vouchsafe/store/sqlite_connection.h"

namespace vouchsafe::store {
namespace {

// Shared is memory that a forked child shares.
template <typename T>
class Shared {
  public:
    Shared()
        : at_(new(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                       0)) T()) {}
    ~Shared() { munmap(at_, sizeof(T)); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    T& operator*() { return *at_; }

  private:
    T* at_;
};

class SqliteStoreTest : public testing::Test {
  protected:
    SqliteStoreTest() : dir_(MUST(TemporaryDir::create("store-test"))) {
        file_ = dir_.path() / "test.db";
        store_ = MUST(open_sqlite(file_));
    }

    std::optional<std::string> get(std::string_view table, std::string_view key) {
        std::optional<std::string> out;
        MUST(store_->read([&](View& view) -> Result<void> {
            if (auto value = TRY(view.get(table, key))) out = to_text(*value);
            return {};
        }));
        return out;
    }
    Result<void> put(Store& store, std::string_view key, std::string_view value) {
        return store.run([&](Transaction& tx) { return tx.put("t", key, as_bytes(value)); });
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

TEST_F(SqliteStoreTest, FileIsReadableByItsOwnerAlone) {
    MUST(put(*store_, "k", "v"));
    for (const char* suffix : {"", "-wal", "-shm"}) {
        struct stat info {};
        ASSERT_EQ(stat((file_.string() + suffix).c_str(), &info), 0) << suffix;
        EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
    }
}

TEST_F(SqliteStoreTest, RefusesAnotherSchemaVersion) {
    store_.reset();
    sql("PRAGMA user_version = 4");
    auto opened = open_sqlite(file_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::unsupported);
    EXPECT_THAT(opened.error().message, testing::HasSubstr("schema version 4"));
}

// A file as the first program wrote it.
constexpr const char* kVersion1 =
    "PRAGMA journal_mode = WAL; CREATE TABLE record (collection BLOB NOT NULL, key BLOB NOT NULL, "
    "value BLOB NOT NULL, PRIMARY KEY (collection, key)) STRICT, WITHOUT ROWID; "
    "PRAGMA application_id = 1448298067; PRAGMA user_version = 1; "
    "INSERT INTO record VALUES (x'74', x'6b', x'76')";

TEST_F(SqliteStoreTest, TakesOverAStoreOfVersion1) {
    file_ = dir_.path() / "version1.db";
    sql(kVersion1);
    store_ = MUST(open_sqlite(file_));
    EXPECT_EQ(get("t", "k"), "v");
    MUST(put(*store_, "k2", "v"));
}

TEST_F(SqliteStoreTest, MovesTheNumberedRecordsOfAStoreOfVersion1) {
    const std::vector<uint64_t> numbers = {0, 1, 2, 4, 15, 16, 0x123456789abcdef, kMaxNumber};
    std::string records;
    for (uint64_t number : numbers) {
        records += fmt::format("INSERT INTO record VALUES (x'{0}', CAST('{1}' AS BLOB), x'{0}');",
                               encode_hex(as_bytes("audit_entry")), number_key(number));
    }
    // Such keys the program of version 1 never wrote there.
    for (const char* key : {"ffffffffffffffff", "000000000000000A", "1", "0000000000000000/1"}) {
        records += fmt::format("INSERT INTO record VALUES (x'{}', CAST('{}' AS BLOB), x'00');",
                               encode_hex(as_bytes("audit_entry")), key);
    }
    file_ = dir_.path() / "version1.db";
    sql(kVersion1);
    sql(records.c_str());
    store_ = MUST(open_sqlite(file_));
    MUST(store_->read([&](View& view) -> Result<void> {
        std::vector<uint64_t> found;
        for (const Record& record : TRY(view.scan("audit_entry", "", "", kMaxScan))) {
            found.push_back(parse_number(record.key).value());
            EXPECT_EQ(to_text(record.value), "audit_entry");
        }
        EXPECT_EQ(found, numbers);
        EXPECT_EQ(TRY(view.next_table("")), "audit_entry");
        EXPECT_EQ(TRY(view.next_table("audit_entry")), "t");
        return {};
    }));
}

TEST_F(SqliteStoreTest, StopsAProgramOfVersion1ThatHasTheFileOpen) {
    file_ = dir_.path() / "version1.db";
    sql(kVersion1);
    sqlite3* old = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &old), SQLITE_OK);
    sqlite3_stmt* insert = nullptr;
    ASSERT_EQ(sqlite3_prepare_v3(old, "INSERT INTO record VALUES (x'74', x'6b6b', x'76')", -1,
                                 SQLITE_PREPARE_PERSISTENT, &insert, nullptr),
              SQLITE_OK);
    store_ = MUST(open_sqlite(file_));
    EXPECT_EQ(sqlite3_step(insert), SQLITE_ERROR);
    EXPECT_STREQ(sqlite3_errmsg(old), "no such table: record");
    sqlite3_finalize(insert);
    sqlite3_close(old);
    EXPECT_EQ(get("t", "kk"), std::nullopt);
}

TEST_F(SqliteStoreTest, MigratesWhollyOrNotAtAll) {
    file_ = dir_.path() / "version1.db";
    sql(kVersion1);
    const SqliteSchema& now = sqlite_schema();
    std::vector<const char*> longer(now.migrations.begin(), now.migrations.end());
    longer.push_back("CREATE TABLE note (x BLOB) STRICT");
    const SqliteSchema next{longer, now.result + ";CREATE TABLE note (x BLOB) STRICT"};
    std::vector<const char*> broken = longer;
    broken.push_back("nonsense");
    const SqliteSchema next_broken{broken, ""};
    ASSERT_FALSE(Connection::open(file_, &next_broken));
    store_ = MUST(open_sqlite(file_));  // as it was
    store_.reset();

    longer.push_back("INSERT INTO note SELECT value FROM keyed");
    const SqliteSchema after_next{longer, next.result};
    MUST(Connection::open(file_, &after_next));
    auto migrated = MUST(Connection::open(file_, &after_next));
    EXPECT_EQ(to_text(MUST(migrated->get("t", "k")).value_or(Bytes{})), "v");
    migrated.reset();
    auto older = open_sqlite(file_);
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().code, Code::unsupported);
    EXPECT_THAT(older.error().message, testing::HasSubstr("schema version 5"));

    // A new file goes through all of them.
    file_ = dir_.path() / "new.db";
    sql("VACUUM");
    MUST(Connection::open(file_, &after_next));
    MUST(Connection::open(file_, &after_next));
}

TEST_F(SqliteStoreTest, RefusesAChangedSchema) {
    store_.reset();
    sql("CREATE TRIGGER t AFTER INSERT ON keyed BEGIN DELETE FROM keyed; END");
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

// Counted in the transactions that the other one makes meanwhile, not in time.
TEST_F(SqliteStoreTest, GetsItsTurnBesideABusyProcess) {
    constexpr int kTurns = 20, kMostMeanwhile = 30;  // on average
    const auto others = MUST(open_sqlite(file_));
    std::atomic<bool> done = false;
    std::atomic<int> meanwhile = 0;
    std::thread busy([&] {
        while (!done) {
            EXPECT_TRUE(others->run([&](Transaction& tx) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                return tx.put("t", "theirs", as_bytes("x"));
            }));
            ++meanwhile;
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    });
    while (meanwhile < 10) std::this_thread::yield();
    meanwhile = 0;
    for (int i = 0; i < kTurns; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        EXPECT_TRUE(put(*store_, "ours", "x"));
    }
    const int made = meanwhile;
    done = true;
    busy.join();
    EXPECT_LT(made, kTurns * kMostMeanwhile);
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

TEST_F(SqliteStoreTest, OnAFullDiskAGroupIsToldTheTruth) {
    store_.reset();
    Shared<std::array<std::atomic<bool>, 60>> acknowledged;
    int status = in_child([&]() -> int {
        std::signal(SIGXFSZ, SIG_IGN);
        auto store = open_sqlite(file_);
        rlimit limit{300 << 10, 300 << 10};
        if (!store || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        std::vector<std::thread> threads;
        for (size_t i = 0; i < 6; ++i) {
            threads.emplace_back([&, i] {
                for (size_t n = i; n < 60; n += 6) {
                    // One of them writes what cannot fit and spills from the cache.
                    Bytes value(i == 0 ? 3 << 20 : 10);
                    (*acknowledged)[n] = (*store)
                                             ->run([&](Transaction& tx) {
                                                 return tx.put("t", std::to_string(n), value);
                                             })
                                             .has_value();
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        return 0;
    });
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 0);
    store_ = MUST(open_sqlite(file_));
    size_t there = 0;
    for (size_t n = 0; n < 60; ++n) {
        EXPECT_EQ(get("t", std::to_string(n)).has_value(), (*acknowledged)[n]) << n;
        if ((*acknowledged)[n]) ++there;
    }
    EXPECT_GT(there, 0u);
    EXPECT_LE(there, 50u);
}

}  // namespace
}  // namespace vouchsafe::store
