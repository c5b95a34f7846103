// What the vault keeps, and how it lies in the store. Records are JSON; names in record keys are in
// lower case, so that they are found however a client writes them (azure-api 0.3).
//
//   table              key                          value
//   vault              {vault}                      VaultRecord
//   vault_key          {vault}/{key}                KeyRecord
//   vault_key_version  {vault}/{key}/{version}      KeyVersion
//   vault_key_secret   {vault}/{key}/{version}      sealed private key (key_seal.h)
//   vault_rotation     {due}/{vault}/{key}          see keys/rotation.h
//   vault_hsm_pending  {CKA_ID}                     see keys/hsm_keys.h
//   vault_meta         "tier", "root"               see service.cpp; "backup": backup.h
//
// Secrets: secrets/secret_records.h; what is deleted: deletion.h; release rules: rule_uses.h,
// proposals.h, kept_rules.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/store/store.h"
#include "vouchsafe/vault/keys/material.h"
#include "vouchsafe/vault/keys/rotation_policy.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::vault {

inline constexpr std::string_view kVaultTable = "vault";
inline constexpr std::string_view kKeyTable = "vault_key";
inline constexpr std::string_view kVersionTable = "vault_key_version";
inline constexpr std::string_view kSecretTable = "vault_key_secret";
inline constexpr std::string_view kRotationTable = "vault_rotation";
inline constexpr std::string_view kMetaTable = "vault_meta";

// In kMetaTable: a proof of the root key, and the key of backups, each with its context.
inline constexpr std::string_view kRootKey = "root";
inline constexpr std::string_view kRootContext = "vault root key check";
inline constexpr std::string_view kBackupKey = "backup";
inline constexpr std::string_view kBackupKeyContext = "vault backup key";
// The key that signs the audit log's checkpoints.
inline constexpr std::string_view kCheckpointKey = "checkpoint";
inline constexpr std::string_view kCheckpointKeyContext = "vault audit checkpoint key";
// In the vault's directory.
inline constexpr std::string_view kRootKeyFile = "root.key";

// family_of wants one of the kinds of KeyVersion::kty.
inline KeyFamily family_of(std::string_view kty) {
    return kty.starts_with("RSA")  ? KeyFamily::rsa
           : kty.starts_with("EC") ? KeyFamily::ec
                                   : KeyFamily::oct;
}

// KeyRecord is what all versions of a key share.
struct KeyRecord {
    std::string name;     // as first written
    std::string current;  // the version made last
    uint32_t versions = 0;
    bool exportable = false;
    std::string policy;  // canonical release policy, "" if none
    std::string policy_content_type;
    bool policy_immutable = false;
    std::string rules;     // ReleaseRules as JSON (release_rules.h), "" if none
    std::string rules_id;  // under which releases are counted; "" until there are rules
    std::optional<RotationPolicy> rotation;

    bool operator==(const KeyRecord&) const = default;
};

// KeyVersion is one version without its private half.
struct KeyVersion {
    std::string version;
    std::string kty;  // "RSA", "EC", "oct", or one of these with "-HSM"
    std::vector<std::string> key_ops;
    bool enabled = true;
    std::optional<int64_t> not_before;  // seconds since 1970
    std::optional<int64_t> expires;
    int64_t created = 0;
    int64_t updated = 0;
    std::map<std::string, std::string> tags;
    Bytes spki;           // the public half; empty for an oct key
    uint32_t bits = 0;    // of an oct key, which has no public half that would tell
    bool in_hsm = false;  // what is sealed says where (keys/hsm_keys.h)

    bool operator==(const KeyVersion&) const = default;
    KeyFamily family() const { return family_of(kty); }
};

struct Key {
    KeyRecord record;
    KeyVersion version;

    bool operator==(const Key&) const = default;
};

std::string key_record_key(std::string_view vault, std::string_view key);
std::string version_record_key(std::string_view vault, std::string_view key,
                               std::string_view version);

// StoredVault is a vault with its record as it lies in the store.
struct StoredVault {
    Bytes record;
    VaultInfo info;
};

// Readers return nullopt or Code::not_found for what is absent, Code::io for a damaged record.
Result<std::optional<VaultInfo>> read_vault(store::View& view, std::string_view name);
Result<std::optional<StoredVault>> read_stored_vault(store::View& view, std::string_view name);
// is_vault_as_stored tells whether the vault's record still is this one.
Result<bool> is_vault_as_stored(store::View& view, std::string_view name, const Bytes& record);
Result<std::vector<VaultInfo>> read_vaults(store::View& view);
Result<std::optional<KeyRecord>> read_key_record(store::View& view, std::string_view vault,
                                                 std::string_view key);
// read_key reads one version; an empty version means the current one (azure-api A.2).
Result<Key> read_key(store::View& view, std::string_view vault, std::string_view key,
                     std::string_view version);

// Members that earlier versions did not write may be missing.
Result<KeyRecord> parse_key_record(ByteView bytes);
Result<KeyVersion> parse_key_version(ByteView bytes);

// Writers. insert_vault fails with Code::conflict if the name is taken.
Result<void> insert_vault(store::Transaction& transaction, const VaultInfo& vault);
Result<void> put_vault(store::Transaction& transaction, const VaultInfo& vault);
Result<void> put_key_record(store::Transaction& transaction, std::string_view vault,
                            const KeyRecord& record);
Result<void> put_key_version(store::Transaction& transaction, std::string_view vault,
                             std::string_view key, const KeyVersion& version);

}  // namespace vouchsafe::vault
