// Secrets in the store; names in record keys are in lower case, as of keys. Private to vault/.
//
//   table                 key                         value
//   vault_secret          {vault}/{name}              SecretRecord
//   vault_secret_version  {vault}/{name}/{version}    SecretVersion
//   vault_secret_value    {vault}/{name}/{version}    the value, sealed as private keys are
//                                                     (key_seal.h) and bound to its place
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault::secrets {

inline constexpr std::string_view kRecords = "vault_secret";
inline constexpr std::string_view kVersions = "vault_secret_version";
inline constexpr std::string_view kValues = "vault_secret_value";

// SecretRecord is what all versions of a secret share.
struct SecretRecord {
    std::string name;     // as first written
    std::string current;  // the version made last
    uint32_t versions = 0;
};

// SecretVersion is one version without its value.
struct SecretVersion {
    std::string version;
    std::string previous;  // the version before; "" of the first
    std::string content_type;
    bool enabled = true;
    std::optional<int64_t> not_before;  // seconds since 1970
    std::optional<int64_t> expires;
    int64_t created = 0;
    int64_t updated = 0;
    std::map<std::string, std::string> tags;
};

struct Secret {
    SecretRecord record;
    SecretVersion version;
};

// secret_of parses what was loaded of a secret; Code::io for damaged records.
Result<Secret> secret_of(const StoredObject& object);
// The parsers fail with Code::invalid.
Result<SecretRecord> parse_record(ByteView bytes);
Result<SecretVersion> parse_version(ByteView bytes);

Result<std::optional<SecretRecord>> read_record(store::View& view, std::string_view vault,
                                                std::string_view name);
// read_secret reads one version; an empty one means the current (azure-api A.2). Code::not_found,
// or Code::io for a damaged record.
Result<Secret> read_secret(store::View& view, std::string_view vault, std::string_view name,
                           std::string_view version);

Result<void> put_record(store::Transaction& tx, std::string_view vault, const SecretRecord& record);
Result<void> put_version(store::Transaction& tx, std::string_view vault, std::string_view name,
                         const SecretVersion& version);

Bytes seal_value(const Core& core, std::string_view vault, std::string_view name,
                 std::string_view version, ByteView value);
// open_value fails with Code::io if what is stored does not open.
Result<SecretBytes> open_value(const Core& core, std::string_view vault, std::string_view name,
                               std::string_view version, ByteView sealed);

}  // namespace vouchsafe::vault::secrets
