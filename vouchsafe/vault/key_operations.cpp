#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/paging.h"

namespace vouchsafe::vault {

namespace {

Result<crypto::PrivateKey> generate(const KeySpec& spec) {
    if (spec.type == crypto::KeyType::rsa) return crypto::PrivateKey::generate_rsa(spec.bits);
    return crypto::PrivateKey::generate_ec(spec.curve);
}

Result<std::optional<KeyRecord>> existing_record(Core& core, const Call& call) {
    std::optional<KeyRecord> record;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        record = TRY(read_key_record(view, call.vault->name, call.key));
        return {};
    }));
    return record;
}

// finish completes a plan with what every new version gets.
Key finish(KeyPlan plan, const crypto::PrivateKey& material, Time now) {
    plan.version.version = crypto::random_hex(16);
    plan.version.created = plan.version.updated = to_unix(now);
    plan.version.spki = material.public_key().spki();
    plan.record.current = plan.version.version;
    plan.record.versions += 1;
    return {std::move(plan.record), std::move(plan.version)};
}

void note_key(Call& call, const Key& key) {
    call.details["version"] = key.version.version;
    call.details["kty"] = key.version.kty;
    call.details["enabled"] = key.version.enabled;
    call.details["exportable"] = key.record.exportable;
    call.details["release_policy"] = key.record.policy;
    call.details["release_policy_immutable"] = key.record.policy_immutable;
}

}  // namespace

Result<Json> create_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::create));
    const std::string& vault = call.vault->name;
    // Judged twice: here so that no key is generated for nothing, and again where it is stored.
    auto before = TRY(existing_record(core, call));
    const KeyPlan plan = TRY(plan_create(*call.vault, call.key, before, body, *call.version));
    const crypto::PrivateKey material = TRY(generate(plan.spec));
    const SecretBytes pkcs8 = material.to_pkcs8();

    std::optional<Key> made;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(check_name_free(core, tx, call, kKeys));
        auto existing = TRY(read_key_record(tx, vault, call.key));
        KeyPlan now = TRY(plan_create(*call.vault, call.key, existing, body, *call.version));
        made = finish(std::move(now), material, core.clock.now());
        const std::string& name = made->record.name;
        const Bytes sealed = seal_private(core, vault, name, made->version, pkcs8.expose());
        TRY(tx.insert(kSecretTable, version_record_key(vault, name, made->version.version),
                      sealed));
        TRY(put_key_version(tx, vault, name, made->version));
        TRY(put_key_record(tx, vault, made->record));
        note_key(call, *made);
        return append_success(core, tx, call);
    }));
    return encode_bundle(call.address.base, *made, *call.version, *call.vault);
}

Result<Json> get_key(Core& core, Call& call) {
    const Key key = TRY(load_key(core, call));
    return encode_bundle(call.address.base, key, *call.version, *call.vault);
}

Result<Json> update_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::update));
    const std::string& vault = call.vault->name;
    std::optional<Key> updated;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        Key key = TRY(read_key(tx, vault, call.key, call.key_version));
        updated =
            TRY(plan_update(std::move(key), body, !call.key_version.empty(), core.clock.now()));
        TRY(put_key_version(tx, vault, updated->record.name, updated->version));
        TRY(put_key_record(tx, vault, updated->record));
        note_key(call, *updated);
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
