// For tests: the engines of the store, each with an empty database of its own per test.
#pragma once

#include <gtest/gtest.h>

#include "vouchsafe/store/test_postgres.h"

namespace vouchsafe::store {

// TestEngine is one empty database; every try_open opens it again.
class TestEngine {
  public:
    virtual ~TestEngine() = default;
    virtual Result<std::unique_ptr<Store>> try_open() = 0;
};

class SqliteEngine : public TestEngine {
  public:
    SqliteEngine() : dir_(MUST(TemporaryDir::create("store-test"))) {}
    Result<std::unique_ptr<Store>> try_open() override {
        return open_sqlite(dir_.path() / "test.db");
    }

  private:
    TemporaryDir dir_;
};

class PostgresEngine : public TestEngine {
  public:
    // The server starts here, not in a child that opens the store first.
    PostgresEngine()
        : server_(PostgresServer::server()), schema_(fmt::format("test_{}", ++made_)) {}
    Result<std::unique_ptr<Store>> try_open() override {
        return open_postgres(server_.url(), schema_);
    }

  private:
    inline static int made_ = 0;
    PostgresServer& server_;
    std::string schema_;
};

enum class EngineKind { sqlite, postgres };

// engines are those that are installed.
inline std::vector<EngineKind> engines() {
    if (!postgres_programs().empty()) return {EngineKind::sqlite, EngineKind::postgres};
    std::fprintf(stderr, "%s\n", kNoPostgres);
    return {EngineKind::sqlite};
}

inline std::unique_ptr<TestEngine> make_engine(EngineKind kind) {
    if (kind == EngineKind::postgres) return std::make_unique<PostgresEngine>();
    return std::make_unique<SqliteEngine>();
}

inline std::string engine_name(const testing::TestParamInfo<EngineKind>& info) {
    return info.param == EngineKind::postgres ? "Postgres" : "Sqlite";
}

}  // namespace vouchsafe::store
