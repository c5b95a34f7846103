#include "vouchsafe/vault/secrets/secret_records.h"

#include "vouchsafe/vault/key_seal.h"

namespace vouchsafe::vault::secrets {

namespace {

template <typename T>
Result<std::optional<T>> read_parsed(store::View& view, std::string_view table,
                                     const std::string& key, Result<T> (*parse)(ByteView)) {
    auto bytes = TRY(view.get(table, key));
    if (!bytes) return std::optional<T>();
    Result<T> parsed = parse(*bytes);
    if (!parsed) {
        return fail(Code::io, "record {} of {} is damaged: {}", key, table, parsed.error().message);
    }
    return std::optional<T>(std::move(*parsed));
}

Json number_or_null(const std::optional<int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
}

tl::unexpected<Error> no_secret(std::string_view name, std::string_view version) {
    return fail(Code::not_found, "A secret with (name/id) {}{}{} was not found in this key vault.",
                name, version.empty() ? "" : "/", version);
}

std::string value_context(const Core& core, std::string_view vault, std::string_view name,
                          std::string_view version) {
    // No private key's context begins so: the second word of those has a slash.
    return fmt::format("{} secret {}", core.config.allow_simulated ? "simulated" : "hardware",
                       version_record_key(vault, name, version));
}

}  // namespace

Result<SecretRecord> parse_record(ByteView bytes) {
    const Json json = TRY(parse_json_object(as_text(bytes)));
    SecretRecord out;
    out.name = TRY(json_string(json, "name"));
    out.current = TRY(json_string(json, "current"));
    out.versions = static_cast<uint32_t>(TRY(json_integer(json, "versions")));
    return out;
}

Result<SecretVersion> parse_version(ByteView bytes) {
    const Json json = TRY(parse_json_object(as_text(bytes)));
    SecretVersion out;
    out.version = TRY(json_string(json, "version"));
    out.previous = TRY(json_string(json, "previous"));
    out.content_type = TRY(json_string(json, "content_type"));
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
    return out;
}

Result<Secret> secret_of(const StoredObject& object) {
    Result<SecretRecord> record = parse_record(object.record);
    Result<SecretVersion> version = parse_version(object.version);
    if (!record || !version) return fail(Code::io, "a record of a secret is damaged");
    return Secret{std::move(*record), std::move(*version)};
}

Result<std::optional<SecretRecord>> read_record(store::View& view, std::string_view vault,
                                                std::string_view name) {
    return read_parsed(view, kRecords, key_record_key(vault, name), parse_record);
}

Result<Secret> read_secret(store::View& view, std::string_view vault, std::string_view name,
                           std::string_view version) {
    auto record = TRY(read_record(view, vault, name));
    if (!record) return no_secret(name, version);
    const std::string wanted(version.empty() ? std::string_view(record->current) : version);
    auto found =
        TRY(read_parsed(view, kVersions, version_record_key(vault, name, wanted), parse_version));
    if (!found) return no_secret(name, version);
    return Secret{std::move(*record), std::move(*found)};
}

Result<void> put_record(store::Transaction& tx, std::string_view vault,
                        const SecretRecord& record) {
    const std::string json = dump_json(
        {{"name", record.name}, {"current", record.current}, {"versions", record.versions}});
    return tx.put(kRecords, key_record_key(vault, record.name), as_bytes(json));
}

Result<void> put_version(store::Transaction& tx, std::string_view vault, std::string_view name,
                         const SecretVersion& version) {
    const std::string json = dump_json({{"version", version.version},
                                        {"previous", version.previous},
                                        {"content_type", version.content_type},
                                        {"enabled", version.enabled},
                                        {"nbf", number_or_null(version.not_before)},
                                        {"exp", number_or_null(version.expires)},
                                        {"created", version.created},
                                        {"updated", version.updated},
                                        {"tags", Json(version.tags)}});
    return tx.put(kVersions, version_record_key(vault, name, version.version), as_bytes(json));
}

Bytes seal_value(const Core& core, std::string_view vault, std::string_view name,
                 std::string_view version, ByteView value) {
    return seal_key(*core.root, value_context(core, vault, name, version), value);
}

Result<SecretBytes> open_value(const Core& core, std::string_view vault, std::string_view name,
                               std::string_view version, ByteView sealed) {
    Result<SecretBytes> opened =
        open_key(*core.root, value_context(core, vault, name, version), sealed);
    if (!opened) return fail(Code::io, "the value of {} does not open", name);
    return opened;
}

}  // namespace vouchsafe::vault::secrets
