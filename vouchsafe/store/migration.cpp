#include "vouchsafe/store/migration.h"

namespace vouchsafe::store {

Result<void> migrate(SchemaAccess& schema, std::span<const char* const> migrations) {
    const uint64_t version = TRY(schema.schema_version());
    if (version > migrations.size()) {
        return fail(Code::unsupported,
                    "it has schema version {}, this program knows versions up to {}: use the "
                    "program that wrote it, or a newer one",
                    version, migrations.size());
    }
    if (version == migrations.size()) return {};
    for (const char* sql : migrations.subspan(version)) TRY(schema.change_schema(sql));
    return schema.set_schema_version(migrations.size());
}

}  // namespace vouchsafe::store
