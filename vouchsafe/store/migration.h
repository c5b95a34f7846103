// Schema migrations: how a store of an older program becomes one of this program. Private to
// store/.
#pragma once

#include <span>

#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

// SchemaAccess is an engine's schema, within a transaction that the caller commits or rolls back.
class SchemaAccess {
  public:
    virtual ~SchemaAccess() = default;
    virtual Result<uint64_t> schema_version() = 0;  // 0: there is nothing yet
    virtual Result<void> set_schema_version(uint64_t version) = 0;
    virtual Result<void> change_schema(const char* sql) = 0;
};

// migrate brings the schema up to version migrations.size(): the n-th, counted from 1, makes
// version n of version n - 1. Code::unsupported if the version is higher than that.
Result<void> migrate(SchemaAccess& schema, std::span<const char* const> migrations);

}  // namespace vouchsafe::store
