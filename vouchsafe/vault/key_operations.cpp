#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/rotation.h"
#include "vouchsafe/vault/keys/versions.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/paging.h"

namespace vouchsafe::vault {

namespace {

Result<std::optional<KeyRecord>> existing_record(Core& core, const Call& call) {
    std::optional<KeyRecord> record;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        record = TRY(read_key_record(view, call.vault->name, call.key));
        return {};
    }));
    return record;
}

// make_version stores a new version and says so in the log. Judged again where it is stored: what
// was there may have changed while the key was made.
Result<Json> make_version(Core& core, Call& call, const KeyBody& body, const KeyOrder& order,
                          const KeyMaterial& material) {
    std::optional<Key> made;
    const auto stored = transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        TRY(check_name_free(core, tx, call, kKeys));
        auto existing = TRY(read_key_record(tx, call.vault->name, call.key));
        KeyPlan plan =
            TRY(plan_create(*call.vault, call.key, existing, body, material.spec, *call.version));
        // In an HSM it was made to leave it or to stay, and cannot be made otherwise any more.
        if (material.hsm && plan.record.exportable != order.exportable) {
            return fail(Code::conflict, "the key was changed at the same time");
        }
        made = TRY(store_version(core, tx, call.vault->name, std::move(plan), material));
        note_key(call.details, *made);
        return append_success(core, tx, call);
    });
    if (!stored) abandon(core, material);
    TRY(stored);
    return encode_bundle(call.address.base, *made, *call.version, *call.vault);
}

// plan_order judges the request before a key is made or goes into an HSM for nothing.
Result<KeyOrder> plan_order(Core& core, Call& call, const KeyBody& body, const KeySpec& spec) {
    const auto before = TRY(existing_record(core, call));
    const KeyPlan plan = TRY(plan_create(*call.vault, call.key, before, body, spec, *call.version));
    return KeyOrder{call.vault->name, plan.record.name, body.kty, plan.record.exportable};
}

}  // namespace

Result<Json> create_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::create));
    const KeySpec spec = TRY(requested_spec(body));
    const KeyOrder order = TRY(plan_order(core, call, body, spec));
    return make_version(core, call, body, order, TRY(make_material(core, order, spec)));
}

Result<Json> import_key(Core& core, Call& call) {
    KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::import));
    call.details["imported"] = true;
    const KeyOrder order = TRY(plan_order(core, call, body, body.material->spec));
    KeyMaterial material = std::move(*body.material);
    return make_version(core, call, body, order,
                        TRY(place_material(core, order, std::move(material))));
}

Result<Json> get_key(Core& core, Call& call) {
    const LoadedObject loaded = TRY(take_loaded(call));
    const auto key = TRY(core.remembered.key(loaded.stored));
    const auto jwk = TRY(core.remembered.public_jwk(key->version));
    return encode_bundle(call.address.base, *key, *jwk, *call.version, *call.vault);
}

Result<Json> update_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::update));
    const std::string& vault = call.vault->name;
    std::optional<Key> updated;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        Key key = TRY(read_key(tx, vault, call.key, call.key_version));
        updated =
            TRY(plan_update(std::move(key), body, !call.key_version.empty(), core.clock.now()));
        TRY(put_key_version(tx, vault, updated->record.name, updated->version));
        TRY(put_key_record(tx, vault, updated->record));
        TRY(schedule_rotation(tx, vault, *updated));
        note_key(call.details, *updated);
        return append_success(core, tx, call);
    }));
    return encode_bundle(call.address.base, *updated, *call.version, *call.vault);
}

Result<Json> list_keys(Core& core, Call& call) {
    const Page page = TRY(parse_page(call.request));
    const std::string prefix = key_record_key(call.vault->name, "");
    Json items = Json::array();
    RecordPage read;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        read = TRY(read_page(view, kKeyTable, prefix, page));
        for (const store::Record& record : read.records) {
            const Key key =
                TRY(read_key(view, call.vault->name, record.key.substr(prefix.size()), ""));
            items.push_back(encode_item(call.address.base, key, false, *call.version, *call.vault));
        }
        return {};
    }));
    return list_answer(std::move(items), call, "/keys", page, read, prefix.size());
}

Result<Json> list_key_versions(Core& core, Call& call) {
    const Page page = TRY(parse_page(call.request));
    const std::string prefix = version_record_key(call.vault->name, call.key, "");
    Json items = Json::array();
    RecordPage read;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const Key current = TRY(read_key(view, call.vault->name, call.key, ""));
        read = TRY(read_page(view, kVersionTable, prefix, page));
        for (const store::Record& record : read.records) {
            KeyVersion version = TRY(parse_key_version(record.value));
            const Key key{current.record, std::move(version)};
            items.push_back(encode_item(call.address.base, key, true, *call.version, *call.vault));
        }
        return {};
    }));
    const std::string path = fmt::format("/keys/{}/versions", call.key);
    return list_answer(std::move(items), call, path, page, read, prefix.size());
}

}  // namespace vouchsafe::vault
