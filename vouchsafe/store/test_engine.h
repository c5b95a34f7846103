// For tests: the engines of the store, each with an empty database of its own per test.
#pragma once

#include <gtest/gtest.h>

#include "vouchsafe/store/store.h"

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

enum class EngineKind { sqlite };
inline constexpr EngineKind kEngines[] = {EngineKind::sqlite};

inline std::unique_ptr<TestEngine> make_engine(EngineKind) {
    return std::make_unique<SqliteEngine>();
}

inline std::string engine_name(const testing::TestParamInfo<EngineKind>&) {
    return "Sqlite";
}

}  // namespace vouchsafe::store
