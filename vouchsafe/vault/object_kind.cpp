#include "vouchsafe/vault/object_kind.h"

#include "vouchsafe/vault/kept_rules.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/rotation.h"
#include "vouchsafe/vault/proposals.h"

namespace vouchsafe::vault {

namespace {

tl::unexpected<Error> no_object(const ObjectKind& kind, std::string_view name,
                                std::string_view version) {
    return fail(Code::not_found, "A {} with (name/id) {}{}{} was not found in this key vault.",
                kind.noun, name, version.empty() ? "" : "/", version);
}

Result<Key> parse_stored_key(const StoredObject& object) {
    KeyRecord record = TRY(parse_key_record(object.record));
    KeyVersion version = TRY(parse_key_version(object.version));
    return Key{std::move(record), std::move(version)};
}

Result<Json> key_bundle(const Call& call, const StoredObject& object) {
    const Key key = TRY(parse_stored_key(object));
    return encode_bundle(call.address.base, key, *call.version, *call.vault);
}

Result<Json> key_item(const Call& call, const StoredObject& object) {
    const Key key = TRY(parse_stored_key(object));
    return encode_item(call.address.base, key, false, *call.version, *call.vault);
}

Result<SecretBytes> open_key_material(const Core& core, const Call& call,
                                      const StoredObject& object, ByteView sealed) {
    const Key key = TRY(parse_stored_key(object));
    if (key.version.in_hsm) {
        return fail(Code::invalid,
                    "A key in an HSM has no backup here, as its secret half stays in the token: "
                    "back up the token by its maker's means.");
    }
    return open_sealed_private(core, call.vault->name, key.record.name, key.version, sealed);
}

Result<Bytes> admit_key(const Core& core, const Call& call, const StoredObject& object,
                        ByteView material) {
    const Key key = TRY(parse_stored_key(object));
    TRY(check_sku(*call.vault, key.version.kty));
    return seal_private(core, call.vault->name, key.record.name, key.version, material);
}

Result<void> key_returned(store::Transaction& tx, const Call& call, const StoredObject& object) {
    return schedule_rotation(tx, call.vault->name, TRY(parse_stored_key(object)));
}

Result<void> key_purged(const Core& core, store::Transaction& tx, std::string_view vault,
                        std::string_view name, Json& details) {
    const size_t left = TRY(doom_hsm_keys(core, tx, vault, name));
    if (left > 0) details["left_in_hsm"] = left;
    return erase_proposals(tx, vault, name);
}

}  // namespace

const ObjectKind kKeys{
    "keys",       "deletedkeys", "key",           kKeyTable,         kVersionTable,
    kSecretTable, key_bundle,    key_item,        open_key_material, admit_key,
    key_returned, key_purged,    take_kept_rules,
};

const ObjectKind& kind_of(const Call& call) {
    return call.operation.collection == kSecrets.collection ? kSecrets : kKeys;
}

Result<StoredObject> read_object(store::View& view, const ObjectKind& kind, const Call& call) {
    auto record = TRY(view.get(kind.table, key_record_key(call.vault->name, call.key)));
    if (!record) return no_object(kind, call.key, "");
    return read_current(view, kind, call.vault->name, std::move(*record));
}

Result<StoredObject> read_current(store::View& view, const ObjectKind& kind, std::string_view vault,
                                  Bytes record) {
    const auto damaged = [&] { return fail(Code::io, "a record of {} is damaged", kind.table); };
    const Result<Json> json = parse_json_object(as_text(record));
    if (!json) return damaged();
    const std::string key =
        version_record_key(vault, text_or_empty(*json, "name"), text_or_empty(*json, "current"));
    auto version = TRY(view.get(kind.version_table, key));
    if (!version) return damaged();
    return StoredObject{std::move(record), std::move(*version)};
}

Result<LoadedObject> load_object(store::View& view, Remembered& remembered, const ObjectKind& kind,
                                 const Call& call) {
    const std::string& vault = call.vault->name;
    auto record = TRY(view.get(kind.table, key_record_key(vault, call.key)));
    if (!record) return no_object(kind, call.key, call.key_version);
    LoadedObject out{{std::move(*record), {}}, call.key_version};
    if (out.version.empty()) {
        const auto current = remembered.current_version(out.stored.record);
        if (!current) return fail(Code::io, "a record of {} is damaged", kind.table);
        out.version = **current;
    }
    const std::string place = version_record_key(vault, call.key, out.version);
    auto version = TRY(view.get(kind.version_table, place));
    if (!version) return no_object(kind, call.key, call.key_version);
    out.stored.version = std::move(*version);
    if (call.operation.needs == Needs::object_and_material) {
        out.material = TRY(view.get(kind.material_table, place));
    }
    return out;
}

Result<Key> key_of(const StoredObject& object) {
    Result<Key> key = parse_stored_key(object);
    if (!key) return fail(Code::io, "a record of a key is damaged: {}", key.error().message);
    return key;
}

Result<StoredObject> read_as_stored(store::View& view, const ObjectKind& kind, const Call& call,
                                    std::string_view version) {
    const std::string& vault = call.vault->name;
    auto record = TRY(view.get(kind.table, key_record_key(vault, call.key)));
    auto found = TRY(view.get(kind.version_table, version_record_key(vault, call.key, version)));
    return StoredObject{std::move(record).value_or(Bytes()), std::move(found).value_or(Bytes())};
}

}  // namespace vouchsafe::vault
