#include "vouchsafe/vault/secrets/secret_operations.h"

#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/paging.h"

namespace vouchsafe::vault::secrets {

namespace {

constexpr uint32_t kMaxSecretVersions = 10000;  // of one secret

// next_version is the version a set request makes.
Result<Secret> next_version(std::optional<SecretRecord> existing, const Call& call,
                            const SecretBody& body, Time now) {
    Secret out;
    if (existing) {
        out.record = std::move(*existing);
    } else {
        out.record.name = call.key;
    }
    if (out.record.versions >= kMaxSecretVersions) {
        return fail(Code::conflict, "a secret has at most {} versions", kMaxSecretVersions);
    }
    out.version.version = crypto::random_hex(16);
    out.version.previous = out.record.current;
    out.version.created = out.version.updated = to_unix(now);
    TRY(apply(out.version, body));
    out.record.current = out.version.version;
    out.record.versions += 1;
    return out;
}

void note_secret(Call& call, const Secret& secret) {
    call.details["version"] = secret.version.version;
    call.details["enabled"] = secret.version.enabled;
}

// Dates inform and forbid nothing (A.4).
Result<void> check_enabled(Call& call, const Secret& secret) {
    const bool enabled = secret.version.enabled;
    return call.checks.require(enabled, "VAULT-SECRET-ENABLED", "attributes.enabled", "true",
                               enabled ? "true" : "false");
}

Json with_value(Json bundle, const SecretBytes& value) {
    bundle["value"] = value.expose_text();
    return bundle;
}

Result<Secret> parse_stored_secret(const StoredObject& object) {
    SecretRecord record = TRY(parse_record(object.record));
    SecretVersion version = TRY(parse_version(object.version));
    return Secret{std::move(record), std::move(version)};
}

Result<Json> secret_bundle(const Call& call, const StoredObject& object) {
    return encode_secret(call, TRY(parse_stored_secret(object)));
}

Result<Json> secret_item(const Call& call, const StoredObject& object) {
    return encode_secret_item(call, TRY(parse_stored_secret(object)), false);
}

Result<SecretBytes> open_secret_material(const Core& core, const Call& call,
                                         const StoredObject& object, ByteView sealed) {
    const Secret secret = TRY(parse_stored_secret(object));
    return open_value(core, call.vault->name, secret.record.name, secret.version.version, sealed);
}

Result<Bytes> admit_secret(const Core& core, const Call& call, const StoredObject& object,
                           ByteView material) {
    const Secret secret = TRY(parse_stored_secret(object));
    return seal_value(core, call.vault->name, secret.record.name, secret.version.version, material);
}

}  // namespace

Result<Json> set_secret(Core& core, Call& call) {
    const SecretBody body = TRY(parse_set_body(call.request.body));
    const std::string& vault = call.vault->name;
    std::optional<Secret> made;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        TRY(check_name_free(core, tx, call, kSecrets));
        auto existing = TRY(read_record(tx, vault, call.key));
        made = TRY(next_version(std::move(existing), call, body, core.clock.now()));
        const std::string& name = made->record.name;
        const std::string& version = made->version.version;
        TRY(tx.insert(kValues, version_record_key(vault, name, version),
                      seal_value(core, vault, name, version, body.value.expose())));
        TRY(put_version(tx, vault, name, made->version));
        TRY(put_record(tx, vault, made->record));
        note_secret(call, *made);
        return append_success(core, tx, call);
    }));
    return with_value(encode_secret(call, *made), body.value);
}

Result<Json> get_secret(Core& core, Call& call) {
    const std::string& vault = call.vault->name;
    const auto loaded = std::make_shared<const LoadedObject>(TRY(take_loaded(call)));
    const auto secret = TRY(core.remembered.secret(loaded->stored));
    if (!loaded->material) return fail(Code::io, "the value of {} is missing", call.key);
    note_secret(call, *secret);
    TRY(check_enabled(call, *secret));
    const auto value = std::make_shared<const SecretBytes>(
        TRY(open_value(core, vault, secret->record.name, loaded->version, *loaded->material)));
    const auto record = [&core, &call, loaded](store::Transaction& tx) -> Result<void> {
        const std::string& version = loaded->version;
        const bool same =
            call.unchanged || TRY(read_as_stored(tx, kSecrets, call, version)) == loaded->stored;
        if (!same) {
            TRY(check_enabled(call, TRY(read_secret(tx, call.vault->name, call.key, version))));
        }
        return append_success(core, tx, call);
    };
    call.recording = {record, [&call, secret, value] {
                          return with_value(encode_secret(call, *secret), *value);
                      }};
    return Json(nullptr);
}

Result<Json> update_secret(Core& core, Call& call) {
    const SecretBody body = TRY(parse_update_body(call.request.body));
    const std::string& vault = call.vault->name;
    std::optional<Secret> updated;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        updated = TRY(read_secret(tx, vault, call.key, call.key_version));
        TRY(apply(updated->version, body));
        updated->version.updated = to_unix(core.clock.now());
        TRY(put_version(tx, vault, updated->record.name, updated->version));
        note_secret(call, *updated);
        return append_success(core, tx, call);
    }));
    return encode_secret(call, *updated);
}

Result<Json> list_secrets(Core& core, Call& call) {
    const Page page = TRY(parse_page(call.request));
    const std::string prefix = key_record_key(call.vault->name, "");
    Json items = Json::array();
    RecordPage read;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        read = TRY(read_page(view, kRecords, prefix, page));
        for (const store::Record& record : read.records) {
            const Secret secret =
                TRY(read_secret(view, call.vault->name, record.key.substr(prefix.size()), ""));
            items.push_back(encode_secret_item(call, secret, false));
        }
        return {};
    }));
    return list_answer(std::move(items), call, "/secrets", page, read, prefix.size());
}

Result<Json> list_secret_versions(Core& core, Call& call) {
    const Page page = TRY(parse_page(call.request));
    const std::string prefix = version_record_key(call.vault->name, call.key, "");
    Json items = Json::array();
    RecordPage read;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const Secret current = TRY(read_secret(view, call.vault->name, call.key, ""));
        read = TRY(read_page(view, kVersions, prefix, page));
        for (const store::Record& record : read.records) {
            SecretVersion version = TRY(parse_version(record.value));
            const Secret secret{current.record, std::move(version)};
            items.push_back(encode_secret_item(call, secret, true));
        }
        return {};
    }));
    const std::string path = fmt::format("/secrets/{}/versions", call.key);
    return list_answer(std::move(items), call, path, page, read, prefix.size());
}

}  // namespace vouchsafe::vault::secrets

namespace vouchsafe::vault {

const ObjectKind kSecrets{
    "secrets",
    "deletedsecrets",
    "secret",
    secrets::kRecords,
    secrets::kVersions,
    secrets::kValues,
    secrets::secret_bundle,
    secrets::secret_item,
    secrets::open_secret_material,
    secrets::admit_secret,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace vouchsafe::vault
