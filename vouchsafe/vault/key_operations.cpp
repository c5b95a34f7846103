#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/keys/rotation.h"
#include "vouchsafe/vault/keys/versions.h"
#include "vouchsafe/vault/operations.h"

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
Result<Json> make_version(Core& core, Call& call, const KeyBody& body,
                          const KeyMaterial& material) {
    std::optional<Key> made;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        auto existing = TRY(read_key_record(tx, call.vault->name, call.key));
        KeyPlan plan =
            TRY(plan_create(*call.vault, call.key, existing, body, material.spec, *call.version));
        made = TRY(store_version(core, tx, call.vault->name, std::move(plan), material));
        note_key(call.details, *made);
        return append_success(core, tx, call);
    }));
    return encode_bundle(call.address.base, *made, *call.version, core.config.retention_days);
}

// read_page reads one record more than fits on the page, to know whether there is a next one.
struct RecordPage {
    std::vector<store::Record> records;
    bool more = false;
};
Result<RecordPage> read_page(store::View& view, std::string_view table, const std::string& prefix,
                             const Page& page) {
    const std::string after = page.after.empty() ? "" : prefix + page.after;
    RecordPage out;
    out.records = TRY(view.scan(table, prefix, after, page.limit + 1));
    out.more = out.records.size() > page.limit;
    if (out.more) out.records.pop_back();
    return out;
}

Json list_answer(Json items, const Call& call, std::string_view path, const Page& page,
                 const RecordPage& read, size_t prefix_size) {
    Json next(nullptr);
    if (read.more) {
        next = next_link(call.address.base, path, *call.version, page,
                         std::string_view(read.records.back().key).substr(prefix_size));
    }
    return {{"value", std::move(items)}, {"nextLink", std::move(next)}};
}

}  // namespace

Result<Json> create_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::create));
    const KeySpec spec = TRY(requested_spec(body));
    // Here so that no key is generated for nothing.
    auto before = TRY(existing_record(core, call));
    TRY(plan_create(*call.vault, call.key, before, body, spec, *call.version));
    return make_version(core, call, body, TRY(generate_material(spec)));
}

Result<Json> import_key(Core& core, Call& call) {
    const KeyBody body = TRY(parse_key_body(call.request.body, KeyBodyKind::import));
    call.details["imported"] = true;
    return make_version(core, call, body, *body.material);
}

Result<Json> get_key(Core& core, Call& call) {
    const Key key = TRY(load_key(core, call));
    return encode_bundle(call.address.base, key, *call.version, core.config.retention_days);
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
        TRY(schedule_rotation(tx, vault, *updated));
        note_key(call.details, *updated);
        return append_success(core, tx, call);
    }));
    return encode_bundle(call.address.base, *updated, *call.version, core.config.retention_days);
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
            items.push_back(encode_item(call.address.base, key, false, *call.version,
                                        core.config.retention_days));
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
            items.push_back(encode_item(call.address.base, key, true, *call.version,
                                        core.config.retention_days));
        }
        return {};
    }));
    const std::string path = fmt::format("/keys/{}/versions", call.key);
    return list_answer(std::move(items), call, path, page, read, prefix.size());
}

}  // namespace vouchsafe::vault
