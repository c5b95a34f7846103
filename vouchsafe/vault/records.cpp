#include "vouchsafe/vault/records.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/kept_rules.h"

namespace vouchsafe::vault {

namespace {

// read parses a record of ours; one that does not parse is damage, not somebody's bad input.
template <typename T>
Result<std::optional<T>> read(store::View& view, std::string_view table, const std::string& key,
                              Result<T> (*parse)(ByteView)) {
    auto bytes = TRY(view.get(table, key));
    if (!bytes) return std::optional<T>();
    Result<T> parsed = parse(*bytes);
    if (!parsed) {
        return fail(Code::io, "record {} of {} is damaged: {}", key, table, parsed.error().message);
    }
    return std::optional<T>(std::move(*parsed));
}

Result<VaultInfo> parse_vault(ByteView bytes) {
    Json json = TRY(parse_json_object(as_text(bytes)));
    VaultInfo out;
    out.name = TRY(json_string(json, "name"));
    out.sku = TRY(json_string(json, "sku")) == "premium" ? Sku::premium : Sku::standard;
    out.tenant = TRY(json_string(json, "tenant"));
    out.resource_id = TRY(json_string(json, "resource_id"));
    // Vaults made before soft delete was built have neither.
    const auto days = TRY(json_optional_integer(json, "retention_days"));
    out.retention_days = static_cast<int>(days.value_or(kMaxRetentionDays));
    out.purge_protection = TRY(json_optional_bool(json, "purge_protection")).value_or(false);
    // Records of earlier versions have none of these.
    out.deleted = TRY(json_optional_bool(json, "deleted")).value_or(false);
    out.deleted_at = TRY(json_optional_integer(json, "deleted_at")).value_or(0);
    const std::string authorization = TRY(json_optional_string(json, "authorization")).value_or("");
    out.authorization = authorization == authorization_name(Authorization::access_policies)
                            ? Authorization::access_policies
                            : Authorization::roles;
    if (const Json* networks = find_member(json, "networks"); networks != nullptr) {
        if (!networks->is_array()) return fail(Code::invalid, "networks is no list");
        for (const Json& network : *networks) {
            if (!network.is_string()) return fail(Code::invalid, "networks is malformed");
            out.networks.push_back(network.get<std::string>());
        }
    }
    return out;
}

std::string encode_vault(const VaultInfo& vault) {
    return dump_json({{"name", vault.name},
                      {"sku", vault.sku == Sku::premium ? "premium" : "standard"},
                      {"tenant", vault.tenant},
                      {"resource_id", vault.resource_id},
                      {"retention_days", vault.retention_days},
                      {"purge_protection", vault.purge_protection},
                      {"authorization", authorization_name(vault.authorization)},
                      {"networks", vault.networks},
                      {"deleted", vault.deleted},
                      {"deleted_at", vault.deleted_at}});
}

Json optional_number(const std::optional<int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
}

tl::unexpected<Error> not_found(std::string_view key, std::string_view version) {
    if (version.empty()) {
        return fail(Code::not_found, "A key with (name/id) {} was not found in this key vault.",
                    key);
    }
    return fail(Code::not_found, "A key with (name/id) {}/{} was not found in this key vault.", key,
                version);
}

}  // namespace

std::string key_record_key(std::string_view vault, std::string_view key) {
    return to_lower(vault) + "/" + to_lower(key);
}

std::string version_record_key(std::string_view vault, std::string_view key,
                               std::string_view version) {
    return key_record_key(vault, key) + "/" + std::string(version);
}

Result<KeyRecord> parse_key_record(ByteView bytes) {
    Json json = TRY(parse_json_object(as_text(bytes)));
    KeyRecord out;
    out.name = TRY(json_string(json, "name"));
    out.current = TRY(json_string(json, "current"));
    out.versions = static_cast<uint32_t>(TRY(json_integer(json, "versions")));
    out.exportable = TRY(json_bool(json, "exportable"));
    out.policy = TRY(json_string(json, "policy"));
    out.policy_content_type = TRY(json_string(json, "policy_content_type"));
    out.policy_immutable = TRY(json_bool(json, "policy_immutable"));
    // Records of earlier versions have no rules.
    out.rules = TRY(json_optional_string(json, "rules")).value_or("");
    out.rules_id = TRY(json_optional_string(json, "rules_id")).value_or("");
    if (const Json* rotation = find_member(json, "rotation"); rotation && !rotation->is_null()) {
        out.rotation = TRY(parse_rotation_policy(*rotation));
    }
    return out;
}

Result<KeyVersion> parse_key_version(ByteView bytes) {
    Json json = TRY(parse_json_object(as_text(bytes)));
    KeyVersion out;
    out.version = TRY(json_string(json, "version"));
    out.kty = TRY(json_string(json, "kty"));
    const Json* key_ops = TRY(json_array(json, "key_ops"));
    for (const Json& op : *key_ops) {
        if (!op.is_string()) return fail(Code::invalid, "key_ops is malformed");
        out.key_ops.push_back(op.get<std::string>());
    }
    out.enabled = TRY(json_bool(json, "enabled"));
    out.not_before = TRY(json_optional_integer(json, "nbf"));
    out.expires = TRY(json_optional_integer(json, "exp"));
    out.created = TRY(json_integer(json, "created"));
    out.updated = TRY(json_integer(json, "updated"));
    const Json* tags = TRY(json_object(json, "tags"));
    for (const auto& [name, value] : tags->items()) {
        if (!value.is_string()) return fail(Code::invalid, "tags are malformed");
        out.tags[name] = value.get<std::string>();
    }
    out.spki = TRY(decode_base64(TRY(json_string(json, "spki"))));
    out.bits = static_cast<uint32_t>(TRY(json_optional_integer(json, "bits")).value_or(0));
    out.in_hsm = TRY(json_optional_bool(json, "in_hsm")).value_or(false);
    return out;
}

Result<std::optional<VaultInfo>> read_vault(store::View& view, std::string_view name) {
    return read(view, kVaultTable, to_lower(name), parse_vault);
}

Result<std::optional<StoredVault>> read_stored_vault(store::View& view, std::string_view name) {
    auto vault = TRY(read_vault(view, name));
    if (!vault) return std::optional<StoredVault>();
    auto record = TRY(view.get(kVaultTable, to_lower(name)));
    return std::optional(StoredVault{std::move(record).value_or(Bytes()), std::move(*vault)});
}

Result<bool> is_vault_as_stored(store::View& view, std::string_view name, const Bytes& record) {
    const auto now = TRY(view.get(kVaultTable, to_lower(name)));
    return now && *now == record;
}

Result<std::vector<VaultInfo>> read_vaults(store::View& view) {
    std::vector<VaultInfo> out;
    std::string after;
    for (;;) {
        auto records = TRY(view.scan(kVaultTable, "", after, store::kMaxScan));
        for (const store::Record& record : records) out.push_back(TRY(parse_vault(record.value)));
        if (records.size() < store::kMaxScan) return out;
        after = records.back().key;
    }
}

Result<std::optional<KeyRecord>> read_key_record(store::View& view, std::string_view vault,
                                                 std::string_view key) {
    return read(view, kKeyTable, key_record_key(vault, key), parse_key_record);
}

Result<Key> read_key(store::View& view, std::string_view vault, std::string_view key,
                     std::string_view version) {
    std::optional<KeyRecord> record = TRY(read_key_record(view, vault, key));
    if (!record) return not_found(key, version);
    const std::string wanted(version.empty() ? std::string_view(record->current) : version);
    auto found =
        TRY(read(view, kVersionTable, version_record_key(vault, key, wanted), parse_key_version));
    if (!found) return not_found(key, version);
    return Key{std::move(*record), std::move(*found)};
}

Result<void> insert_vault(store::Transaction& transaction, const VaultInfo& vault) {
    return transaction.insert(kVaultTable, to_lower(vault.name), as_bytes(encode_vault(vault)));
}

Result<void> put_vault(store::Transaction& transaction, const VaultInfo& vault) {
    return transaction.put(kVaultTable, to_lower(vault.name), as_bytes(encode_vault(vault)));
}

std::string_view authorization_name(Authorization authorization) {
    return authorization == Authorization::roles ? "roles" : "access-policies";
}

Result<void> put_key_record(store::Transaction& transaction, std::string_view vault,
                            const KeyRecord& record) {
    Json json = {{"name", record.name},
                 {"current", record.current},
                 {"versions", record.versions},
                 {"exportable", record.exportable},
                 {"policy", record.policy},
                 {"policy_content_type", record.policy_content_type},
                 {"policy_immutable", record.policy_immutable},
                 {"rules", record.rules},
                 {"rules_id", record.rules_id}};
    if (record.rotation) json["rotation"] = encode_rotation_policy(*record.rotation);
    TRY(keep_rules(transaction, vault, record));
    return transaction.put(kKeyTable, key_record_key(vault, record.name),
                           as_bytes(dump_json(json)));
}

Result<void> put_key_version(store::Transaction& transaction, std::string_view vault,
                             std::string_view key, const KeyVersion& version) {
    Json json = {{"version", version.version},
                 {"kty", version.kty},
                 {"key_ops", version.key_ops},
                 {"enabled", version.enabled},
                 {"nbf", optional_number(version.not_before)},
                 {"exp", optional_number(version.expires)},
                 {"created", version.created},
                 {"updated", version.updated},
                 {"tags", Json(version.tags)},
                 {"spki", encode_base64(version.spki)},
                 {"bits", version.bits}};
    if (version.in_hsm) json["in_hsm"] = true;
    return transaction.put(kVersionTable, version_record_key(vault, key, version.version),
                           as_bytes(dump_json(json)));
}

}  // namespace vouchsafe::vault
