#include "vouchsafe/store/postgres_connection.h"

#include <charconv>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::store {

namespace {

// bytea is ordered as memcmp orders it, whatever the database's collation. `writer` has one row for
// each process that writes: what its last commit was. Versions 2 and 3 have the tables of version
// 1: the audit log is kept in another form since 2 and compressed since 3, for which programs that
// do not know it are to be refused.
constexpr const char* kPostgresMigrations[] = {
    "CREATE TABLE record (collection bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, "
    "PRIMARY KEY (collection, key));"
    "CREATE TABLE writer (name bytea PRIMARY KEY, token bytea NOT NULL, "
    "at timestamptz NOT NULL DEFAULT now())",
    "SELECT 1",
    "SELECT 1",
};

// Locks are per database; the upper half tells ours from other programs'.
constexpr std::string_view kLockClass = "1448298067::bigint << 32";  // "VSFS"

struct Prepared {
    const char* name;
    const char* sql;
};
constexpr Prepared kGet{"get", "SELECT value FROM record WHERE collection = $1 AND key = $2"};
constexpr Prepared kScan{"scan",
                         "SELECT key, value FROM record WHERE collection = $1 AND key >= $2 AND "
                         "key < $3 ORDER BY key LIMIT $4::bigint"};
constexpr Prepared kNextTable{"next_table",
                              "SELECT collection FROM record WHERE collection > $1 "
                              "ORDER BY collection LIMIT 1"};
constexpr Prepared kPut{"put",
                        "INSERT INTO record VALUES ($1, $2, $3) "
                        "ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value"};
constexpr Prepared kInsert{"insert",
                           "INSERT INTO record VALUES ($1, $2, $3) "
                           "ON CONFLICT (collection, key) DO NOTHING"};
constexpr Prepared kErase{"erase", "DELETE FROM record WHERE collection = $1 AND key = $2"};
constexpr Prepared kPrepared[] = {kGet, kScan, kNextTable, kPut, kInsert, kErase};

// A commit that returned is on disk, also where the server's default is otherwise; a stricter
// default stays. The last two end what a frozen process would hold up for all others.
constexpr const char* kSettings =
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local');"
    "SET lock_timeout = '10s'; SET statement_timeout = '60s';"
    "SET idle_in_transaction_session_timeout = '60s'";

Code code_of_state(std::string_view state) {
    auto of_class = [&](std::string_view prefix) { return state.starts_with(prefix); };
    if (of_class("53100") || of_class("58") || of_class("XX")) return Code::io;
    if (of_class("08") || of_class("57") || of_class("53") || of_class("40") || of_class("28") ||
        of_class("25006") || of_class("25P03") || of_class("55P03") || of_class("3D")) {
        return Code::unavailable;
    }
    if (of_class("42501")) return Code::forbidden;
    if (of_class("23")) return Code::conflict;
    if (of_class("22") || of_class("42")) return Code::internal;
    return Code::io;
}

std::string trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return std::string(text.substr(0, text.find('\n')));
}

ByteView column(PGresult* rows, int row, int at) {
    return {reinterpret_cast<const uint8_t*>(PQgetvalue(rows, row, at)),
            static_cast<size_t>(PQgetlength(rows, row, at))};
}

std::string bytes_literal(std::string_view bytes) {
    return fmt::format("'\\x{}'::bytea", encode_hex(as_bytes(bytes)));
}

// after_prefix is a key that no key with this prefix reaches.
std::string after_prefix(std::string_view prefix) {
    std::string out(prefix);
    while (!out.empty() && static_cast<uint8_t>(out.back()) == 0xff) out.pop_back();
    if (out.empty()) return std::string(kMaxKeySize + 1, '\xff');
    out.back() = static_cast<char>(static_cast<uint8_t>(out.back()) + 1);
    return out;
}

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// find_option finds the first option that is set and for which `pred` holds.
const PQconninfoOption* find_option(const Options& options, auto pred) {
    for (const PQconninfoOption* one = options.get(); one != nullptr && one->keyword; ++one) {
        if (one->val != nullptr && *one->val != '\0' && pred(*one)) return one;
    }
    return nullptr;
}

// check_url fails if libpq does not understand the URL, or understands another one than was meant:
// a password with an "@" or "/" that is not written as %40 or %2F is in part taken for a host, port
// or database, which error texts name.
Result<void> check_url(const std::string& url) {
    const Options options(PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
    const auto* wrong = find_option(options, [](const PQconninfoOption& one) {
        const std::string_view name = one.keyword;
        const std::string_view value = one.val;
        if (name == "port") return value.find_first_not_of("0123456789,") != value.npos;
        return (name == "host" || name == "dbname") && value.find('@') != value.npos;
    });
    if (options != nullptr && wrong == nullptr) return {};
    return fail(
        Code::invalid,
        "the URL of the PostgreSQL store is malformed; special characters of a password are "
        "written as %40 for @, %2F for /, %25 for %");
}

}  // namespace

Result<void> PostgresConnection::connect(const PostgresPlace& place) {
    TRY(check_url(place.url));
    // What the URL says goes before what is ahead of it here.
    const char* names[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                           "keepalives_count", "tcp_user_timeout", "fallback_application_name",
                           "dbname",           "client_encoding",  nullptr};
    const char* values[] = {"5",    "10",   "5", "3", "20000", "vouchsafe", place.url.c_str(),
                            "UTF8", nullptr};
    connection_.reset(PQconnectdbParams(names, values, 1));
    if (connection_ == nullptr) throw std::bad_alloc();
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    if (alive()) return {};
    std::string why = trimmed(PQerrorMessage(connection_.get()));
    const Options used(PQconninfo(connection_.get()), PQconninfoFree);
    const PQconninfoOption* tells = find_option(used, [&](const PQconninfoOption& one) {
        return std::string_view(one.dispchar) == "*" && why.find(one.val) != std::string::npos;
    });
    if (tells != nullptr) why = "the reason is not shown, because a password occurs in it";
    return fail(Code::unavailable, "PostgreSQL cannot be reached: {}", why);
}

Result<void> PostgresConnection::configure(const PostgresPlace& place) {
    TRY(query(kSettings));
    TRY(query(fmt::format("SET search_path = \"{}\"", place.schema)));
    return {};
}

Result<void> PostgresConnection::prepare() {
    for (const Prepared& one : kPrepared) {
        TRY(checked(PQprepare(connection_.get(), one.name, one.sql, 0, nullptr), one.name));
    }
    Rows rows =
        TRY(query(fmt::format("SELECT ({}) | 'record'::regclass::oid::bigint", kLockClass)));
    lock_ = to_text(column(rows.get(), 0, 0));
    return {};
}

Result<void> PostgresConnection::make_or_check_schema(const PostgresPlace& place) {
    // Of two processes that find nothing one makes the schema, the other sees it.
    TRY(query(fmt::format("BEGIN; SELECT pg_advisory_xact_lock({})", kLockClass)));
    Rows there =
        TRY(query(fmt::format("SELECT 1 FROM pg_namespace WHERE nspname = '{}'", place.schema)));
    if (PQntuples(there.get()) == 0) TRY(query(fmt::format("CREATE SCHEMA \"{}\"", place.schema)));
    TRY(migrate(*this, kPostgresMigrations));
    TRY(query("DELETE FROM writer WHERE at < now() - interval '30 days'"));
    return execute("COMMIT");
}

Result<uint64_t> PostgresConnection::schema_version() {
    Rows there =
        TRY(query("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND "
                  "relnamespace = current_schema()::regnamespace"));
    if (as_text(column(there.get(), 0, 0)) == "0") return uint64_t{0};
    Rows ours = TRY(query("SELECT to_regclass('schema_version')"));
    if (PQgetisnull(ours.get(), 0, 0) == 1) {
        return fail(Code::invalid, "the schema has another program's tables");
    }
    Rows rows = TRY(query("SELECT version FROM schema_version"));
    uint64_t version = 0;
    if (PQntuples(rows.get()) == 1) {
        std::string_view text = as_text(column(rows.get(), 0, 0));
        std::from_chars(text.data(), text.data() + text.size(), version);
    }
    if (version == 0) return fail(Code::invalid, "its schema was changed");
    return version;
}

Result<void> PostgresConnection::set_schema_version(uint64_t version) {
    TRY(
        query("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL);"
              "DELETE FROM schema_version"));
    return execute(fmt::format("INSERT INTO schema_version VALUES ({})", version));
}

Result<void> PostgresConnection::change_schema(const char* sql) {
    return execute(sql);
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresPlace& place,
                                                                     Setup setup) {
    std::unique_ptr<PostgresConnection> out(new PostgresConnection);
    TRY(out->connect(place));
    TRY(out->configure(place));
    if (setup == Setup::make_or_check) TRY(out->make_or_check_schema(place));
    TRY(out->prepare());
    return out;
}

Result<PostgresConnection::Rows> PostgresConnection::checked(PGresult* result,
                                                             std::string_view doing) {
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return rows;
    // The primary message alone: details quote records.
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    if (state == nullptr || text == nullptr) {
        return fail(Code::unavailable, "the connection to PostgreSQL broke while {}", doing);
    }
    return fail(code_of_state(state), "PostgreSQL failed while {}: {} ({})", doing, trimmed(text),
                state);
}

Result<PostgresConnection::Rows> PostgresConnection::query(const std::string& sql) {
    const Blocking blocking;
    return checked(PQexec(connection_.get(), sql.c_str()),
                   std::string_view(sql).substr(0, sql.find_first_of(" ;")));
}

Result<void> PostgresConnection::execute(const std::string& sql) {
    TRY(query(sql));
    return {};
}

Result<PostgresConnection::Rows> PostgresConnection::run_prepared(
    const char* name, std::span<const ByteView> parameters) {
    constexpr size_t kMost = 4;
    const char* values[kMost];
    int lengths[kMost];
    int formats[kMost];
    for (size_t i = 0; i < parameters.size(); ++i) {
        // A null pointer would be NULL, which is not the empty value.
        values[i] =
            parameters[i].empty() ? "" : reinterpret_cast<const char*>(parameters[i].data());
        lengths[i] = static_cast<int>(parameters[i].size());
        formats[i] = 1;
    }
    const Blocking blocking;
    return checked(PQexecPrepared(connection_.get(), name, static_cast<int>(parameters.size()),
                                  values, lengths, formats, 1),
                   name);
}

Result<void> PostgresConnection::begin_write() {
    // Each statement sees what was committed before it (READ COMMITTED), so after the lock is ours
    // all that others wrote is seen, and nobody else writes.
    return execute(fmt::format(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({})",
        lock_));
}

Result<void> PostgresConnection::begin_read() {
    return execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

void PostgresConnection::roll_back() {
    if (alive() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
        (void)execute("ROLLBACK");
    }
}

Result<void> PostgresConnection::check_open() const {
    if (alive() && PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS) return {};
    return fail(Code::unavailable, "PostgreSQL gave up the transaction after an error");
}

Result<void> PostgresConnection::commit(std::string_view writer, std::string_view token,
                                        bool& certain) {
    const std::string sql = fmt::format(
        "INSERT INTO writer VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET "
        "token = excluded.token, at = now(); COMMIT",
        bytes_literal(writer), bytes_literal(token));
    certain = true;
    const Blocking blocking;
    PGresult* result = PQexec(connection_.get(), sql.c_str());
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    // The server went away, or says so: before the commit or after it.
    const bool gone = !alive() || (state != nullptr && (std::string_view(state).starts_with("57") ||
                                                        std::string_view(state).starts_with("08")));
    Result<Rows> done = checked(result, "committing");
    if (!done) {
        certain = !gone;
        return fail(std::move(done.error()));
    }
    // It answers "ROLLBACK" to the commit of a transaction that had failed.
    if (std::string_view(PQcmdStatus(done->get())) == "COMMIT") return {};
    return fail(Code::io, "PostgreSQL did not commit");
}

Result<std::string> PostgresConnection::last_token(std::string_view writer) {
    TRY(begin_write());
    Rows rows = TRY(query(fmt::format("SELECT encode(token, 'hex') FROM writer WHERE name = {}",
                                      bytes_literal(writer))));
    std::string token;
    if (PQntuples(rows.get()) == 1) {
        token = to_text(TRY(decode_hex(as_text(column(rows.get(), 0, 0)))));
    }
    roll_back();
    return token;
}

Result<std::optional<Bytes>> PostgresConnection::get(std::string_view table, std::string_view key) {
    const ByteView parameters[] = {as_bytes(table), as_bytes(key)};
    Rows rows = TRY(run_prepared(kGet.name, parameters));
    if (PQntuples(rows.get()) == 0) return std::optional<Bytes>();
    return std::optional<Bytes>(to_bytes(column(rows.get(), 0, 0)));
}

Result<std::vector<Record>> PostgresConnection::scan(std::string_view table,
                                                     std::string_view prefix,
                                                     std::string_view lower, size_t limit) {
    const std::string upper = after_prefix(prefix);
    const Bytes count = Writer().u64_be(limit).take();
    const ByteView parameters[] = {as_bytes(table), as_bytes(lower), as_bytes(upper), count};
    Rows rows = TRY(run_prepared(kScan.name, parameters));
    std::vector<Record> out;
    for (int i = 0; i < PQntuples(rows.get()); ++i) {
        out.push_back({to_text(column(rows.get(), i, 0)), to_bytes(column(rows.get(), i, 1))});
    }
    return out;
}

Result<std::optional<std::string>> PostgresConnection::next_table(std::string_view after) {
    const ByteView parameters[] = {as_bytes(after)};
    Rows rows = TRY(run_prepared(kNextTable.name, parameters));
    if (PQntuples(rows.get()) == 0) return std::optional<std::string>();
    return std::optional<std::string>(to_text(column(rows.get(), 0, 0)));
}

Result<void> PostgresConnection::put(std::string_view table, std::string_view key, ByteView value) {
    const ByteView parameters[] = {as_bytes(table), as_bytes(key), value};
    TRY(run_prepared(kPut.name, parameters));
    return {};
}

Result<bool> PostgresConnection::insert(std::string_view table, std::string_view key,
                                        ByteView value) {
    const ByteView parameters[] = {as_bytes(table), as_bytes(key), value};
    Rows rows = TRY(run_prepared(kInsert.name, parameters));
    return std::string_view(PQcmdTuples(rows.get())) == "1";
}

Result<bool> PostgresConnection::erase(std::string_view table, std::string_view key) {
    const ByteView parameters[] = {as_bytes(table), as_bytes(key)};
    Rows rows = TRY(run_prepared(kErase.name, parameters));
    return std::string_view(PQcmdTuples(rows.get())) == "1";
}

}  // namespace vouchsafe::store
