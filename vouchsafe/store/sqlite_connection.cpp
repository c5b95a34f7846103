#include "vouchsafe/store/sqlite_connection.h"

#include <charconv>
#include <chrono>
#include <thread>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/store/numbered.h"

namespace vouchsafe::store {

namespace {

constexpr int kApplicationId = 0x56534653;     // "VSFS": tells our files from other SQLite files
constexpr std::chrono::seconds kBusyTime{10};  // how long to wait for another process's transaction

// Names and keys are bytes so that their order is the order of memcmp. A record of a numbered table
// is at the place 2 * number + the table's place in kNumberedTables. Version 2 gave the table of
// all records another name too: a program of version 1 that has the file open is stopped by that.
// Version 3 has the same tables: audit entries are compressed since then, which a program of
// version 2 cannot read.
constexpr const char* kMigrations[] = {
    "CREATE TABLE record (collection BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (collection, key)) STRICT, WITHOUT ROWID",
    "ALTER TABLE record RENAME TO keyed; "
    "CREATE TABLE numbered (place INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT; "
    "INSERT INTO numbered SELECT 2 * number, value FROM (SELECT value, key, (WITH RECURSIVE "
    "digits(n, number) AS (SELECT 1, 0 UNION ALL SELECT n + 1, 16 * number + "
    "instr('123456789abcdef', substr(CAST(key AS TEXT), n, 1)) FROM digits WHERE n <= 16) "
    "SELECT number FROM digits WHERE n = 17) AS number FROM keyed "
    "WHERE collection = CAST('audit_entry' AS BLOB)) "
    "WHERE number >> 61 = 0 AND key = CAST(printf('%016x', number) AS BLOB); "
    "DELETE FROM keyed WHERE collection = CAST('audit_entry' AS BLOB)",
    "SELECT 1",
};
// What they lead to. SQLite writes the name it changed within quotes.
constexpr const char* kResult =
    "CREATE TABLE \"keyed\" (collection BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (collection, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE numbered (place INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT";

constexpr std::array<const char*, kSqlCount> kSql{
    "BEGIN DEFERRED",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT one",
    "RELEASE one",
    "ROLLBACK TO one",
    "SELECT collection FROM keyed WHERE collection > ?1 ORDER BY collection LIMIT 1",
    "SELECT value FROM keyed WHERE collection = ?1 AND key = ?2",
    "SELECT key, value FROM keyed WHERE collection = ?1 AND key >= ?2 ORDER BY key LIMIT ?3",
    "INSERT INTO keyed VALUES (?1, ?2, ?3) "
    "ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value",
    "INSERT INTO keyed VALUES (?1, ?2, ?3) ON CONFLICT (collection, key) DO NOTHING",
    "DELETE FROM keyed WHERE collection = ?1 AND key = ?2",
    // The same for numbered tables: ?1 is the table's place in kNumberedTables, ?2 the record's.
    "SELECT value FROM numbered WHERE place = ?2",
    "SELECT place, value FROM numbered WHERE place & 1 = ?1 AND place >= ?2 ORDER BY place "
    "LIMIT ?3",
    "INSERT INTO numbered VALUES (?2, ?3) ON CONFLICT (place) DO UPDATE SET value = excluded.value",
    "INSERT INTO numbered VALUES (?2, ?3) ON CONFLICT (place) DO NOTHING",
    "DELETE FROM numbered WHERE place = ?2",
    "PRAGMA data_version",
};

// configure_sqlite sets what SQLite has for the whole process. It fails, and everything still
// works, if something else in the process began to use SQLite before.
void configure_sqlite() {
    static const bool configured = [] {
        // Nobody asks how much memory SQLite has, and counting takes a lock for every piece of it.
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        // What savepoints take back stays in memory: the default is a temporary file from 64 KiB
        // on.
        sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
        return true;
    }();
    (void)configured;
}

int bind_bytes(sqlite3_stmt* statement, int index, ByteView bytes) {
    // A null pointer would bind NULL, which is not the empty value.
    if (bytes.empty()) return sqlite3_bind_zeroblob(statement, index, 0);
    return sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(), SQLITE_STATIC);
}

ByteView column_bytes(sqlite3_stmt* statement, int column) {
    auto* data = static_cast<const uint8_t*>(sqlite3_column_blob(statement, column));
    return {data, static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

uint64_t column_number(sqlite3_stmt* statement, int column) {
    return static_cast<uint64_t>(sqlite3_column_int64(statement, column)) / 2;
}

// lowest_number is the first number in a scan from `lower` on: Records::scan.
uint64_t lowest_number(std::string_view lower) {
    if (lower.empty()) return 0;
    return parse_number(lower.substr(0, lower.size() - 1)).value() + 1;
}

Code code_of(int status) {
    switch (status & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Code::unavailable;
        case SQLITE_CONSTRAINT:
            return Code::conflict;
        case SQLITE_NOTADB:
            return Code::invalid;
        case SQLITE_MISUSE:
        case SQLITE_ERROR:
            return Code::internal;
        default:
            return Code::io;  // full, I/O, read-only, corrupt, cannot open, permission
    }
}

}  // namespace

tl::unexpected<Error> Connection::error(int status, std::string_view doing) const {
    return fail(code_of(status), "the database failed while {}: {} ({})", doing,
                sqlite3_errstr(status), db_ ? sqlite3_errmsg(db_.get()) : "not open");
}

Result<void> Connection::run_text(const char* sql) {
    int status = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    if (status != SQLITE_OK) return error(status, sql);
    return {};
}

Result<std::string> Connection::single_value(const char* sql) {
    sqlite3_stmt* raw = nullptr;
    int status = sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr);
    std::unique_ptr<sqlite3_stmt, Finalizer> statement(raw);
    if (status != SQLITE_OK) return error(status, sql);
    status = sqlite3_step(raw);
    if (status == SQLITE_DONE) return std::string();
    if (status != SQLITE_ROW) return error(status, sql);
    return to_text(column_bytes(raw, 0));
}

// A busy process leaves the store alone for a tenth of a millisecond between two transactions.
// SQLite's own handler, which soon sleeps for 100 ms at a time, meets such a moment by luck.
int Connection::wait_for_others(void* connection, int tried) {
    using std::chrono::microseconds;
    auto& self = *static_cast<Connection*>(connection);
    const auto now = std::chrono::steady_clock::now();
    if (tried == 0) self.busy_since_ = now;
    if (now - self.busy_since_ > kBusyTime) return 0;
    // Not in step with who writes at even times.
    const Blocking blocking;
    std::this_thread::sleep_for(microseconds(200 + 37 * tried % 800));
    return 1;
}

Result<void> Connection::configure() {
    sqlite3_extended_result_codes(db_.get(), 1);
    sqlite3_busy_handler(db_.get(), &Connection::wait_for_others, this);
    sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    std::string mode = TRY(single_value("PRAGMA journal_mode = WAL"));
    if (mode != "wal") {
        return fail(Code::io, "the database cannot use a write-ahead log here (mode {})", mode);
    }
    TRY(run_text("PRAGMA synchronous = FULL"));  // a commit that returned survives a power cut
    return {};
}

const SqliteSchema& sqlite_schema() {
    static const SqliteSchema schema{kMigrations, kResult};
    return schema;
}

Result<uint64_t> Connection::schema_version() {
    std::string id = TRY(single_value("PRAGMA application_id"));
    std::string tables = TRY(single_value("SELECT count(*) FROM sqlite_schema"));
    if (id == "0" && tables == "0") return uint64_t{0};
    if (id != std::to_string(kApplicationId)) {
        return fail(Code::invalid, "it is an SQLite file of another program");
    }
    std::string version = TRY(single_value("PRAGMA user_version"));
    // It is a 32-bit number with a sign; we write from 1 on.
    uint64_t out = 0;
    auto [end, problem] = std::from_chars(version.data(), version.data() + version.size(), out);
    if (problem != std::errc() || end != version.data() + version.size() || out == 0) {
        return fail(Code::invalid, "its schema was changed");
    }
    return out;
}

Result<void> Connection::set_schema_version(uint64_t version) {
    TRY(run_text(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str()));
    return run_text(fmt::format("PRAGMA user_version = {}", version).c_str());
}

Result<void> Connection::change_schema(const char* sql) {
    return run_text(sql);
}

Result<void> Connection::make_or_check_schema(const SqliteSchema& schema) {
    // IMMEDIATE: of two processes that find a new file one makes the schema, the other sees it.
    TRY(run_text("BEGIN IMMEDIATE"));
    TRY(migrate(*this, schema.migrations));
    std::string found = TRY(single_value(
        "SELECT group_concat(coalesce(sql, name), ';') FROM (SELECT sql, name FROM sqlite_schema "
        "ORDER BY rowid)"));
    if (found != schema.result) return fail(Code::invalid, "its schema was changed");
    return run_text("COMMIT");
}

Result<std::unique_ptr<Connection>> Connection::open(const Path& file, const SqliteSchema* schema) {
    configure_sqlite();
    std::unique_ptr<Connection> out(new Connection);
    sqlite3* raw = nullptr;
    int status =
        sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    out->db_.reset(raw);
    if (status != SQLITE_OK) return out->error(status, "opening");
    TRY(out->configure());
    if (schema != nullptr) TRY(out->make_or_check_schema(*schema));
    for (size_t i = 0; i < kSqlCount; ++i) {
        sqlite3_stmt* statement = nullptr;
        status =
            sqlite3_prepare_v3(raw, kSql[i], -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        out->statements_[i].reset(statement);
        if (status != SQLITE_OK) return out->error(status, "preparing statements");
    }
    return out;
}

Result<Connection::Using> Connection::bind(Sql which, std::string_view table,
                                           std::string_view key) {
    if (auto numbered = numbered_table(table)) {
        return bind_number(which, *numbered, parse_number(key).value());
    }
    Using statement(statements_[static_cast<size_t>(which)].get());
    if (!table.empty()) {
        int status = bind_bytes(statement.get(), 1, as_bytes(table));
        if (status == SQLITE_OK) status = bind_bytes(statement.get(), 2, as_bytes(key));
        if (status != SQLITE_OK) return error(status, "binding a key");
    }
    return statement;
}

Result<Connection::Using> Connection::bind_number(Sql which, size_t table, uint64_t number) {
    Using statement(statements_[static_cast<size_t>(which) + kToNumbered].get());
    const auto place = static_cast<sqlite3_int64>(2 * number + table);
    int status = sqlite3_bind_int64(statement.get(), 1, static_cast<sqlite3_int64>(table));
    if (status == SQLITE_OK) status = sqlite3_bind_int64(statement.get(), 2, place);
    if (status != SQLITE_OK) return error(status, "binding a number");
    return statement;
}

Result<int> Connection::execute(Sql which, std::string_view table, std::string_view key,
                                ByteView value) {
    Using statement = TRY(bind(which, table, key));
    if (which == Sql::put || which == Sql::insert) {
        int status = bind_bytes(statement.get(), 3, value);
        if (status != SQLITE_OK) return error(status, "binding a value");
    }
    int status = sqlite3_step(statement.get());
    if (status != SQLITE_DONE) return error(status, sqlite3_sql(statement.get()));
    return sqlite3_changes(db_.get());
}

Result<std::optional<Bytes>> Connection::get(std::string_view table, std::string_view key) {
    Using statement = TRY(bind(Sql::get, table, key));
    int status = sqlite3_step(statement.get());
    if (status == SQLITE_DONE) return std::optional<Bytes>();
    if (status != SQLITE_ROW) return error(status, "reading a record");
    return std::optional<Bytes>(to_bytes(column_bytes(statement.get(), 0)));
}

Result<std::vector<Record>> Connection::scan(std::string_view table, std::string_view prefix,
                                             std::string_view lower, size_t limit) {
    const auto numbered = numbered_table(table);
    Using statement = TRY(numbered ? bind_number(Sql::scan, *numbered, lowest_number(lower))
                                   : bind(Sql::scan, table, lower));
    int status = sqlite3_bind_int64(statement.get(), 3, static_cast<sqlite3_int64>(limit));
    if (status != SQLITE_OK) return error(status, "binding a limit");
    std::vector<Record> out;
    while ((status = sqlite3_step(statement.get())) == SQLITE_ROW) {
        std::string key = numbered ? number_key(column_number(statement.get(), 0))
                                   : to_text(column_bytes(statement.get(), 0));
        if (!key.starts_with(prefix)) return out;
        out.push_back({std::move(key), to_bytes(column_bytes(statement.get(), 1))});
    }
    if (status != SQLITE_DONE) return error(status, "reading records");
    return out;
}

Result<std::optional<std::string>> Connection::next_table(std::string_view after) {
    Using statement(statements_[static_cast<size_t>(Sql::next_table)].get());
    int status = bind_bytes(statement.get(), 1, as_bytes(after));
    if (status != SQLITE_OK) return error(status, "binding a table");
    status = sqlite3_step(statement.get());
    if (status != SQLITE_ROW && status != SQLITE_DONE) return error(status, "looking for a table");
    std::optional<std::string> out;
    if (status == SQLITE_ROW) out = to_text(column_bytes(statement.get(), 0));
    for (std::string_view name : kNumberedTables) {
        if (name <= after || (out && name >= *out)) continue;
        if (!TRY(scan(name, "", "", 1)).empty()) out = std::string(name);
    }
    return out;
}

Result<void> Connection::put(std::string_view table, std::string_view key, ByteView value) {
    TRY(check_open());
    TRY(execute(Sql::put, table, key, value));
    return {};
}

Result<bool> Connection::insert(std::string_view table, std::string_view key, ByteView value) {
    TRY(check_open());
    return TRY(execute(Sql::insert, table, key, value)) > 0;
}

Result<bool> Connection::erase(std::string_view table, std::string_view key) {
    TRY(check_open());
    return TRY(execute(Sql::erase, table, key)) > 0;
}

Result<uint64_t> Connection::data_version() {
    Using statement = TRY(bind(Sql::data_version, {}, {}));
    const int status = sqlite3_step(statement.get());
    if (status != SQLITE_ROW) return error(status, "looking for others' changes");
    return static_cast<uint64_t>(sqlite3_column_int64(statement.get(), 0));
}

Result<void> Connection::check_open() const {
    if (sqlite3_get_autocommit(db_.get()) == 0) return {};
    return fail(Code::io, "the database gave up the transaction after an error");
}

void Connection::roll_back() {
    if (sqlite3_get_autocommit(db_.get()) != 0) return;
    (void)execute(Sql::rollback);
}

}  // namespace vouchsafe::store
