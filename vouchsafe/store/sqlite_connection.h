// One SQLite connection with its prepared statements. Only sqlite*.cpp of this folder includes it.
// Not thread-safe: the store lends a connection to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <memory>

#include "vouchsafe/store/migration.h"
#include "vouchsafe/store/records.h"

namespace vouchsafe::store {

enum class Sql {
    begin_read,
    begin_write,
    commit,
    rollback,
    savepoint,
    release,
    go_back,
    next_table,
    get,
    scan,
    put,
    insert,
    erase,
    numbered_get,
    numbered_scan,
    numbered_put,
    numbered_insert,
    numbered_erase,
    data_version
};
inline constexpr size_t kSqlCount = 19;
// From a statement to the same for a numbered table.
inline constexpr size_t kToNumbered =
    static_cast<size_t>(Sql::numbered_get) - static_cast<size_t>(Sql::get);

// SqliteSchema is how a file's schema came about, and what it must be in the end: the text of every
// table, joined by ";".
struct SqliteSchema {
    std::span<const char* const> migrations;
    std::string result;
};
const SqliteSchema& sqlite_schema();

class Connection : public Records, private SchemaAccess {
  public:
    // open opens the file and prepares the statements. The first connection of a store gives the
    // schema to make, migrate to or check, which waits for writers; further ones give nullptr.
    static Result<std::unique_ptr<Connection>> open(const Path& file, const SqliteSchema* schema);

    // execute runs a statement that gives no rows. Returns how many records it changed.
    Result<int> execute(Sql which, std::string_view table = {}, std::string_view key = {},
                        ByteView value = {});

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override;
    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view lower, size_t limit) override;
    Result<std::optional<std::string>> next_table(std::string_view after) override;
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override;
    Result<bool> insert(std::string_view table, std::string_view key, ByteView value) override;
    Result<bool> erase(std::string_view table, std::string_view key) override;

    // data_version returns a number that changes when another connection changed the database, as
    // seen by the open transaction.
    Result<uint64_t> data_version();

    // check_open fails with Code::io if there is no transaction: a full disk can make SQLite roll
    // back by itself, and a write after that would be a transaction of its own.
    Result<void> check_open() const;
    // roll_back ends a transaction if one is open; whatever went wrong before is the error to tell.
    void roll_back();

  private:
    struct Closer {
        void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
    };
    struct Finalizer {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    // Resetter readies a statement for its next use: it ends the run and
    // forgets the bindings.
    struct Resetter {
        void operator()(sqlite3_stmt* statement) const {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
        }
    };
    using Using = std::unique_ptr<sqlite3_stmt, Resetter>;

    Connection() = default;
    // wait_for_others is SQLite's busy handler: it waits a moment, and tells whether to try again.
    static int wait_for_others(void* connection, int tried);
    Result<void> configure();
    Result<void> make_or_check_schema(const SqliteSchema& schema);
    Result<uint64_t> schema_version() override;
    Result<void> set_schema_version(uint64_t version) override;
    Result<void> change_schema(const char* sql) override;
    Result<void> run_text(const char* sql);
    Result<std::string> single_value(const char* sql);
    Result<Using> bind(Sql which, std::string_view table, std::string_view key);
    Result<Using> bind_number(Sql which, size_t table, uint64_t number);
    tl::unexpected<Error> error(int status, std::string_view doing) const;

    std::chrono::steady_clock::time_point busy_since_;  // of wait_for_others
    std::unique_ptr<sqlite3, Closer> db_;
    std::array<std::unique_ptr<sqlite3_stmt, Finalizer>, kSqlCount> statements_;
};

}  // namespace vouchsafe::store
