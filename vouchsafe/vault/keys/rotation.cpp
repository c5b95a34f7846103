#include "vouchsafe/vault/keys/rotation.h"

#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/versions.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kDigits = 20;
constexpr size_t kMaxPerSweep = 256;
constexpr Seconds kAgain{24 * 3600};           // when what could not be rotated is tried again
constexpr Seconds kForgotten{91 * 24 * 3600};  // deleted keys can be recovered for 90 days at most

std::string due_key(Time due, std::string_view vault, std::string_view key) {
    return fmt::format("{:020}/{}", std::max<int64_t>(to_unix(due), 0), key_record_key(vault, key));
}

// Due is one record of the index.
struct Due {
    std::string record;
    Time time;
    std::string vault, key;
    std::string missing_since;  // "" or seconds since 1970
};

Result<Due> parse_due(const store::Record& record) {
    const std::string& text = record.key;
    const size_t slash = text.find('/', kDigits + 1);
    int64_t seconds = 0;
    const bool good =
        text.size() > kDigits && text[kDigits] == '/' && slash != std::string::npos &&
        std::from_chars(text.data(), text.data() + kDigits, seconds).ec == std::errc();
    if (!good) return fail(Code::io, "record {} of {} is damaged", text, kRotationTable);
    return Due{text, from_unix(seconds), text.substr(kDigits + 1, slash - kDigits - 1),
               text.substr(slash + 1), to_text(record.value)};
}

std::optional<Time> due_of(const Key& key) {
    if (!key.record.rotation) return std::nullopt;
    std::optional<Time> expires;
    if (key.version.expires) expires = from_unix(*key.version.expires);
    return rotation_due(*key.record.rotation, from_unix(key.version.created), expires);
}

Result<void> postpone(store::Transaction& tx, const Due& due, Time now,
                      std::string_view missing_since = "") {
    TRY(tx.erase(kRotationTable, due.record));
    return tx.put(kRotationTable, due_key(now + kAgain, due.vault, due.key),
                  as_bytes(missing_since));
}

// missing keeps looking for a deleted key as long as it may be recovered.
Result<void> missing(store::Transaction& tx, const Due& due, Time now) {
    int64_t since = to_unix(now);
    const std::string& text = due.missing_since;
    if (!text.empty()) std::from_chars(text.data(), text.data() + text.size(), since);
    if (now - from_unix(since) > kForgotten) {
        TRY(tx.erase(kRotationTable, due.record));
        return {};
    }
    return postpone(tx, due, now, std::to_string(since));
}

// find_due returns the key of a record if it is to be rotated now. If not, it puts the index right.
Result<std::optional<Key>> find_due(store::Transaction& tx, const Due& due, Time now) {
    Result<Key> key = read_key(tx, due.vault, due.key, "");
    if (!key && key.error().code == Code::not_found) {
        TRY(missing(tx, due, now));
        return std::optional<Key>();
    }
    const Key found = TRY(std::move(key));
    const std::optional<Time> truly = due_of(found);
    if (!truly || *truly > now) {
        TRY(tx.erase(kRotationTable, due.record));
        TRY(schedule_rotation(tx, due.vault, found));
        return std::optional<Key>();
    }
    // Somebody disabled it on purpose: an enabled version must not appear by itself.
    if (!found.version.enabled) {
        TRY(postpone(tx, due, now));
        return std::optional<Key>();
    }
    return std::optional(found);
}

audit::Entry sweep_entry(const VaultInfo& vault, const Key& key, Time now) {
    audit::Entry entry;
    entry.time = now;
    entry.actor = "vault";
    entry.action = "keys/rotate";
    entry.resource = key_scope(vault, key.record.name);
    entry.request_id = crypto::random_uuid();
    entry.details["cause"] = "rotation policy";
    note_key(entry.details, key);
    return entry;
}

// rotate_one returns whether it did. The key is generated outside of the transaction and judged
// again in it: another replica may have been faster.
Result<bool> rotate_one(Core& core, const Due& due) {
    const Time now = core.clock.now();
    std::optional<Key> key;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        key = TRY(find_due(tx, due, now));
        return {};
    }));
    if (!key) return false;
    const KeyOrder order{due.vault, key->record.name, key->version.kty, key->record.exportable};
    const KeyMaterial material = TRY(make_material(core, order, TRY(spec_of(key->version))));
    bool done = false;
    const auto stored = core.store.run([&](store::Transaction& tx) -> Result<void> {
        done = false;
        const auto vault = TRY(read_vault(tx, due.vault));
        const auto still = TRY(find_due(tx, due, now));
        if (!vault || !still || !(*still == *key)) return {};
        const Key made =
            TRY(store_version(core, tx, vault->name, TRY(plan_rotation(*still, now)), material));
        TRY(tx.erase(kRotationTable, due.record));
        TRY(core.log.append(tx, sweep_entry(*vault, made, now)));
        done = true;
        return {};
    });
    if (!stored || !done) abandon(core, material);
    TRY(stored);
    return done;
}

// give_up_for_today is for a key that cannot be rotated, so that the others are.
void give_up_for_today(Core& core, const Due& due, const Error& error) {
    log_event(LogLevel::error, "a key could not be rotated",
              {{"vault", due.vault}, {"key", due.key}, {"problem", error.message}});
    auto postponed =
        core.store.run([&](store::Transaction& tx) { return postpone(tx, due, core.clock.now()); });
    if (!postponed) {
        log_event(LogLevel::error, "the rotation of a key could not be postponed",
                  {{"key", due.key}, {"problem", postponed.error().message}});
    }
}

}  // namespace

Result<void> schedule_rotation(store::Transaction& tx, std::string_view vault, const Key& key) {
    const std::optional<Time> due = due_of(key);
    if (!due) return {};
    return tx.put(kRotationTable, due_key(*due, vault, key.record.name), {});
}

Result<size_t> rotate_due_keys(Core& core) {
    std::vector<store::Record> records;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        records = TRY(view.scan(kRotationTable, "", "", kMaxPerSweep));
        return {};
    }));
    size_t rotated = 0;
    for (const store::Record& record : records) {
        const Due due = TRY(parse_due(record));
        if (due.time > core.clock.now()) break;  // in order of time
        const Result<bool> done = rotate_one(core, due);
        if (!done) give_up_for_today(core, due, done.error());
        if (done && *done) ++rotated;
    }
    return rotated;
}

}  // namespace vouchsafe::vault
