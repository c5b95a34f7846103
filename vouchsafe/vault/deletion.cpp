#include "vouchsafe/vault/deletion.h"

#include "vouchsafe/access/access_policies.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/paging.h"

namespace vouchsafe::vault {

namespace {

constexpr int64_t kSecondsOfDay = 86400;
constexpr size_t kSweepPage = 100;                    // due objects read at a time
constexpr std::string_view kRetention = "retention";  // who purges, in the audit log

std::string deleted_prefix(const ObjectKind& kind, std::string_view vault) {
    return fmt::format("{}/{}", kind.collection, key_record_key(vault, ""));
}
std::string deleted_key(const ObjectKind& kind, std::string_view vault, std::string_view name) {
    return deleted_prefix(kind, vault) + to_lower(name);
}
std::string due_key(const Deletion& deletion, std::string_view key) {
    return fmt::format("{:016x}/{}", deletion.purge, key);
}

bool is_due(const Deletion& deletion, Time now) {
    return deletion.purge <= to_unix(now);
}

Result<Deletion> parse_deletion(ByteView bytes) {
    const auto damaged = [] { return fail(Code::io, "a record of {} is damaged", kDeletedTable); };
    const Result<Json> json = parse_json_object(as_text(bytes));
    if (!json) return damaged();
    const Result<const Json*> record = json_object(*json, "record");
    const Result<int64_t> deleted = json_integer(*json, "deleted");
    const Result<int64_t> purge = json_integer(*json, "purge");
    if (!record || !deleted || !purge) return damaged();
    return Deletion{to_bytes(dump_json(**record)), *deleted, *purge};
}

Result<std::optional<Deletion>> read_deletion(store::View& view, const ObjectKind& kind,
                                              std::string_view vault, std::string_view name) {
    auto bytes = TRY(view.get(kDeletedTable, deleted_key(kind, vault, name)));
    if (!bytes) return std::optional<Deletion>();
    return std::optional(TRY(parse_deletion(*bytes)));
}

tl::unexpected<Error> not_deleted(const ObjectKind& kind, const Call& call) {
    return fail(Code::not_found, "A deleted {} with (name/id) {} was not found in this key vault.",
                kind.noun, call.key);
}

// live_deletion fails with Code::not_found for what is not deleted, or due.
Result<Deletion> live_deletion(const Core& core, store::View& view, const ObjectKind& kind,
                               const Call& call) {
    auto deletion = TRY(read_deletion(view, kind, call.vault->name, call.key));
    if (!deletion || is_due(*deletion, core.clock.now())) return not_deleted(kind, call);
    return std::move(*deletion);
}

Json add_deletion(Json bundle, const ObjectKind& kind, const Call& call, const Deletion& deletion) {
    const std::string name = text_or_empty(MUST(parse_json(as_text(deletion.record))), "name");
    bundle["recoveryId"] = object_id(call.address.base, kind.deleted_collection, name);
    bundle["deletedDate"] = deletion.deleted;
    bundle["scheduledPurgeDate"] = deletion.purge;
    return bundle;
}

// forget takes an object out of the deleted ones.
Result<void> forget(store::Transaction& tx, const std::string& key, const Deletion& deletion) {
    TRY(tx.erase(kDeletedTable, key));
    TRY(tx.erase(kPurgeDueTable, due_key(deletion, key)));
    return {};
}

// erase_object leaves nothing of a deleted object.
Result<void> erase_object(const Core& core, store::Transaction& tx, const ObjectKind& kind,
                          std::string_view vault, std::string_view name, const Deletion& deletion,
                          Json& details) {
    if (kind.purged != nullptr) TRY(kind.purged(core, tx, vault, name, details));
    const std::string versions = version_record_key(vault, name, "");
    TRY(store::erase_below(tx, kind.version_table, versions));
    TRY(store::erase_below(tx, kind.material_table, versions));
    return forget(tx, deleted_key(kind, vault, name), deletion);
}

// purge_if_due purges an object whose retention has passed, and records it.
Result<bool> purge_if_due(Core& core, store::Transaction& tx, const ObjectKind& kind,
                          std::string_view vault, std::string_view name) {
    const auto deletion = TRY(read_deletion(tx, kind, vault, name));
    if (!deletion || !is_due(*deletion, core.clock.now())) return false;
    Json details = {{"deleted", deletion->deleted}, {"scheduled_purge", deletion->purge}};
    TRY(erase_object(core, tx, kind, vault, name, *deletion, details));
    const auto info = TRY(read_vault(tx, vault));
    audit::Entry entry;
    entry.time = core.clock.now();
    entry.actor = kRetention;
    entry.action = fmt::format("{}/purge", kind.deleted_collection);
    entry.resource = fmt::format("{}/{}/{}", info ? info->resource_id : std::string(vault),
                                 kind.collection, name);
    entry.request_id = crypto::random_uuid();
    entry.details = std::move(details);
    TRY(core.log.append(tx, entry));
    return true;
}

// purge_on_access is how an object that is due and asked for goes.
Result<void> purge_on_access(Core& core, const ObjectKind& kind, const Call& call) {
    bool due = false;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const auto deletion = TRY(read_deletion(view, kind, call.vault->name, call.key));
        due = deletion && is_due(*deletion, core.clock.now());
        return {};
    }));
    if (!due) return {};
    return core.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(purge_if_due(core, tx, kind, call.vault->name, call.key));
        return {};
    });
}

// DueObject is a key of kPurgeDueTable.
struct DueObject {
    const ObjectKind* kind;
    std::string vault;
    std::string name;
};

Result<DueObject> parse_due(std::string_view key) {
    std::vector<std::string> parts;
    while (parts.size() < 3 && !key.empty()) {
        const size_t end = std::min(key.find('/'), key.size());
        parts.emplace_back(key.substr(0, end));
        key.remove_prefix(std::min(end + 1, key.size()));
    }
    if (parts.size() != 3 || key.empty()) {
        return fail(Code::io, "a record of {} is damaged", kPurgeDueTable);
    }
    const ObjectKind& kind = parts[1] == kSecrets.collection ? kSecrets : kKeys;
    return DueObject{&kind, parts[2], std::string(key)};
}

// purge_listed purges one object that kPurgeDueTable lists.
Result<bool> purge_listed(Core& core, std::string_view key) {
    const DueObject due = TRY(parse_due(key));
    bool purged = false;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        purged = TRY(purge_if_due(core, tx, *due.kind, due.vault, due.name));
        return {};
    }));
    return purged;
}

// erase_objects leaves nothing of the objects of one kind in a vault, deleted or not, and returns
// how many they were.
Result<size_t> erase_objects(const Core& core, store::Transaction& tx, const ObjectKind& kind,
                             const std::string& vault, size_t& left_in_hsm) {
    const auto purge = [&](std::string_view name) -> Result<void> {
        Json told = Json::object();
        if (kind.purged != nullptr) TRY(kind.purged(core, tx, vault, name, told));
        left_in_hsm += told.value("left_in_hsm", size_t{0});
        return {};
    };
    size_t erased = 0;
    const std::string here = key_record_key(vault, "");
    while (true) {
        const auto page = TRY(tx.scan(kind.table, here, "", store::kMaxScan));
        for (const store::Record& record : page) {
            TRY(purge(std::string_view(record.key).substr(here.size())));
            TRY(tx.erase(kind.table, record.key));
        }
        erased += page.size();
        if (page.size() < store::kMaxScan) break;
    }
    const std::string gone = deleted_prefix(kind, vault);
    while (true) {
        const auto page = TRY(tx.scan(kDeletedTable, gone, "", store::kMaxScan));
        for (const store::Record& record : page) {
            TRY(purge(std::string_view(record.key).substr(gone.size())));
            TRY(forget(tx, record.key, TRY(parse_deletion(record.value))));
        }
        erased += page.size();
        if (page.size() < store::kMaxScan) break;
    }
    TRY(store::erase_below(tx, kind.version_table, here));
    TRY(store::erase_below(tx, kind.material_table, here));
    return erased;
}

// check_purgeable: see purge_vault.
Result<void> check_purgeable(const VaultInfo& vault, Time now) {
    if (!vault.deleted) {
        return fail(Code::conflict, "the vault {} is not deleted", vault.name);
    }
    const int64_t end = vault.deleted_at + vault.retention_days * kSecondsOfDay;
    const bool over = vault.deleted_at > 0 && end <= to_unix(now);
    if (!vault.purge_protection || over) return {};
    return fail(Code::forbidden, "the vault {} is protected from purge until {}", vault.name,
                vault.deleted_at > 0 ? format_rfc3339(from_unix(end)) : "its retention has passed");
}

}  // namespace

Result<void> purge_vault(Core& core, std::string_view name, std::string_view actor) {
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        const auto info = TRY(read_vault(tx, name));
        if (!info) return fail(Code::not_found, "there is no vault of this name");
        TRY(check_purgeable(*info, core.clock.now()));
        size_t left = 0;
        const size_t keys = TRY(erase_objects(core, tx, kKeys, info->name, left));
        const size_t secrets = TRY(erase_objects(core, tx, kSecrets, info->name, left));
        for (const access::AccessPolicy& policy :
             TRY(access::read_access_policies(tx, info->name))) {
            TRY(access::remove_access_policy(tx, info->name, policy.object_id,
                                             policy.application_id));
        }
        const auto roles = TRY(access::remove_roles_below(tx, info->resource_id));
        TRY(tx.erase(kVaultTable, to_lower(info->name)));
        audit::Entry entry;
        entry.time = core.clock.now();
        entry.actor = actor;
        entry.action = "vaults/purge";
        entry.resource = info->resource_id;
        entry.request_id = crypto::random_uuid();
        entry.details = {{"keys", keys}, {"secrets", secrets}, {"roles", roles.size()}};
        if (left > 0) entry.details["left_in_hsm"] = left;
        TRY(core.log.append(tx, entry));
        return {};
    }));
    // What stood in an HSM goes now if it can, or with the next sweep.
    const auto swept = sweep_hsm(core);
    if (!swept) {
        log_event(LogLevel::warn, "keys of a purged vault are still in the HSM",
                  {{"vault", name}, {"problem", swept.error().message}});
    }
    return {};
}

Result<void> check_name_free(Core& core, store::Transaction& transaction, Call& call,
                             const ObjectKind& kind) {
    const std::string& vault = call.vault->name;
    TRY(purge_if_due(core, transaction, kind, vault, call.key));
    const auto deletion = TRY(read_deletion(transaction, kind, vault, call.key));
    return call.checks.require(
        !deletion, "VAULT-NAME-FREE", "name",
        fmt::format("no deleted {} {} that can be recovered", kind.noun, call.key),
        deletion ? fmt::format("one, until {}", format_rfc3339(from_unix(deletion->purge)))
                 : "none");
}

Result<size_t> purge_due_objects(Core& core) {
    const std::string end = fmt::format("{:016x}/", to_unix(core.clock.now()) + 1);
    size_t purged = 0;
    std::string after;
    std::optional<Error> first_error;
    for (;;) {
        std::vector<store::Record> records;
        TRY(core.store.read([&](store::View& view) -> Result<void> {
            records = TRY(view.scan(kPurgeDueTable, "", after, kSweepPage));
            return {};
        }));
        std::erase_if(records, [&](const store::Record& record) { return record.key >= end; });
        for (const store::Record& record : records) {
            const Result<bool> done = purge_listed(core, record.key);
            if (done && *done) ++purged;
            // The others are due all the same.
            if (!done && !first_error) first_error = done.error();
        }
        if (records.size() < kSweepPage) break;
        after = records.back().key;
    }
    if (first_error) return fail(std::move(*first_error));
    return purged;
}

Result<Json> delete_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    const std::string& vault = call.vault->name;
    Json answer;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const StoredObject object = TRY(read_object(tx, kind, call));
        const Json record = TRY(parse_json_object(as_text(object.record)));
        const int64_t now = to_unix(core.clock.now());
        const Deletion deletion{object.record, now,
                                now + call.vault->retention_days * kSecondsOfDay};
        const std::string key = deleted_key(kind, vault, call.key);
        const std::string stored = dump_json(
            {{"record", record}, {"deleted", deletion.deleted}, {"purge", deletion.purge}});
        TRY(tx.insert(kDeletedTable, key, as_bytes(stored)));
        TRY(tx.put(kPurgeDueTable, due_key(deletion, key), as_bytes(call.key)));
        TRY(tx.erase(kind.table, key_record_key(vault, call.key)));
        answer = add_deletion(TRY(kind.bundle(call, object)), kind, call, deletion);
        call.details["scheduled_purge"] = deletion.purge;
        return append_success(core, tx, call);
    }));
    return answer;
}

Result<Json> get_deleted_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    TRY(purge_on_access(core, kind, call));
    Json answer;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const Deletion deletion = TRY(live_deletion(core, view, kind, call));
        const StoredObject object =
            TRY(read_current(view, kind, call.vault->name, deletion.record));
        answer = add_deletion(TRY(kind.bundle(call, object)), kind, call, deletion);
        return {};
    }));
    return answer;
}

Result<Json> list_deleted_objects(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    const Page page = TRY(parse_page(call.request));
    const std::string prefix = deleted_prefix(kind, call.vault->name);
    Json items = Json::array();
    RecordPage read;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        read = TRY(read_page(view, kDeletedTable, prefix, page));
        for (const store::Record& record : read.records) {
            const Deletion deletion = TRY(parse_deletion(record.value));
            if (is_due(deletion, core.clock.now())) continue;
            const StoredObject object =
                TRY(read_current(view, kind, call.vault->name, deletion.record));
            items.push_back(add_deletion(TRY(kind.item(call, object)), kind, call, deletion));
        }
        return {};
    }));
    const std::string path = fmt::format("/{}", kind.deleted_collection);
    return list_answer(std::move(items), call, path, page, read, prefix.size());
}

Result<Json> recover_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    const std::string& vault = call.vault->name;
    TRY(purge_on_access(core, kind, call));
    Json answer;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const Deletion deletion = TRY(live_deletion(core, tx, kind, call));
        const StoredObject object = TRY(read_current(tx, kind, vault, deletion.record));
        TRY(tx.insert(kind.table, key_record_key(vault, call.key), deletion.record));
        TRY(forget(tx, deleted_key(kind, vault, call.key), deletion));
        if (kind.returned != nullptr) TRY(kind.returned(tx, call, object));
        answer = TRY(kind.bundle(call, object));
        return append_success(core, tx, call);
    }));
    return answer;
}

Result<Json> purge_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    const std::string& vault = call.vault->name;
    TRY(purge_on_access(core, kind, call));
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const Deletion deletion = TRY(live_deletion(core, tx, kind, call));
        // Read again: the protection may have been turned on since the call began.
        const auto info = TRY(read_vault(tx, vault));
        const bool allowed = info && !info->purge_protection;
        TRY(call.checks.require(allowed, "VAULT-PURGE-PROTECTION", "purge protection", "off",
                                allowed ? "off" : "on"));
        TRY(erase_object(core, tx, kind, vault, call.key, deletion, call.details));
        call.details["deleted"] = deletion.deleted;
        return append_success(core, tx, call);
    }));
    // What this does not do is done by the next sweep.
    if (const auto swept = sweep_hsm(core); !swept) {
        log_event(LogLevel::warn, "purged keys are still in the HSM",
                  {{"problem", swept.error().message}});
    }
    return Json(nullptr);
}

}  // namespace vouchsafe::vault
