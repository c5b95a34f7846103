// One PostgreSQL connection with its prepared statements. Only postgres*.cpp of this folder
// includes it. Not thread-safe: the store lends a connection to one thread at a time.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <span>

#include "vouchsafe/store/migration.h"
#include "vouchsafe/store/records.h"

namespace vouchsafe::store {

// PostgresPlace says which database and which schema in it. The URL may hold a password.
struct PostgresPlace {
    std::string url;
    std::string schema;
};

class PostgresConnection : public Records, private SchemaAccess {
  public:
    // open connects. Only a store's first connection makes, migrates or checks the schema.
    // Code::unavailable if the server cannot be reached or does not let us in; no error has the
    // URL's password in it.
    enum class Setup { make_or_check, known };
    static Result<std::unique_ptr<PostgresConnection>> open(const PostgresPlace& place,
                                                            Setup setup);

    // begin_write begins a transaction and waits until no other writer has one.
    Result<void> begin_write();
    Result<void> begin_read();
    // execute runs one of our own texts without parameters.
    Result<void> execute(const std::string& sql);
    // roll_back ends a transaction if one is open; whatever went wrong before is the error to tell.
    void roll_back();

    // alive is false if the connection broke; it cannot be mended.
    bool alive() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
    // check_open fails if there is no transaction, or one that can only be rolled back.
    Result<void> check_open() const;

    // commit notes `token` under the writer's name and commits. `certain` becomes false if it fails
    // and nobody knows whether it was committed.
    Result<void> commit(std::string_view writer, std::string_view token, bool& certain);
    // last_token tells what the writer's last commit noted, "" if there is none. It waits until no
    // other transaction writes, so that it is the last word.
    Result<std::string> last_token(std::string_view writer);

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override;
    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view lower, size_t limit) override;
    Result<std::optional<std::string>> next_table(std::string_view after) override;
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override;
    Result<bool> insert(std::string_view table, std::string_view key, ByteView value) override;
    Result<bool> erase(std::string_view table, std::string_view key) override;

  private:
    struct Finisher {
        void operator()(PGconn* connection) const { PQfinish(connection); }
    };
    struct Clearer {
        void operator()(PGresult* result) const { PQclear(result); }
    };
    using Rows = std::unique_ptr<PGresult, Clearer>;

    PostgresConnection() = default;
    Result<void> connect(const PostgresPlace& place);
    Result<void> configure(const PostgresPlace& place);
    Result<void> make_or_check_schema(const PostgresPlace& place);
    Result<void> prepare();
    Result<Rows> query(const std::string& sql);
    Result<Rows> run_prepared(const char* name, std::span<const ByteView> parameters);
    Result<Rows> checked(PGresult* result, std::string_view doing);
    Result<uint64_t> schema_version() override;
    Result<void> set_schema_version(uint64_t version) override;
    Result<void> change_schema(const char* sql) override;

    std::unique_ptr<PGconn, Finisher> connection_;
    std::string lock_;  // the number of the lock that writers of this schema take
};

}  // namespace vouchsafe::store
