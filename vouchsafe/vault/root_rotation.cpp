#include "vouchsafe/vault/root_rotation.h"

#include <algorithm>

#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/backup.h"
#include "vouchsafe/vault/key_seal.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/root_guard.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault {

namespace {

// Each record has a data key of its own (key_seal.h).
constexpr std::string_view kSealedTables[] = {kSecretTable, secrets::kValues, kHsmPendingTable};
constexpr size_t kBatch = 100;  // records a transaction: other writers wait meanwhile

Path root_file(const Config& config) {
    return config.directory / kRootKeyFile;
}

Result<void> record(store::Transaction& tx, const RootRotation& rotation, std::string_view action,
                    Json details) {
    audit::Entry entry;
    entry.time = rotation.clock.now();
    entry.actor = "operator";
    entry.action = std::string(action);
    entry.resource = "root key";
    entry.request_id = crypto::random_uuid();
    entry.details = std::move(details);
    TRY(audit::Log(rotation.store).append(tx, entry));
    return {};
}

// The context of a key that was sealed in version 1.
Result<std::string> context_of(store::View& view, const Config& config, const std::string& place) {
    auto bytes = TRY(view.get(kVersionTable, place));
    if (!bytes) return fail(Code::io, "{} has no version record", place);
    const KeyVersion version = TRY(parse_key_version(*bytes));
    return key_seal_context(config, place, version);
}

// Rewrapper holds both keys.
class Rewrapper {
  public:
    Rewrapper(const RootRotation& rotation, const crypto::RootRing& root)
        : rotation_(rotation), root_(root) {}

    // begin demands the new key of all writers, and seals what vault_meta has anew.
    Result<void> begin() {
        return rotation_.store.run([&](store::Transaction& tx) -> Result<void> {
            TRY(put_root_generation(tx, root_.generation()));
            TRY(reseal_meta(tx, kRootKey, kRootContext));
            TRY(reseal_meta(tx, kBackupKey, kBackupKeyContext));
            TRY(reseal_meta(tx, kCheckpointKey, kCheckpointKeyContext));
            return record(tx, rotation_, "root/rewrap",
                          {{"generation", root_.generation()},
                           {"keeper", std::string(rotation_.next->name())}});
        });
    }

    // rewrap_table goes over a table in batches. It returns how many were wrapped anew.
    Result<size_t> rewrap_table(std::string_view table) {
        size_t count = 0;
        std::string after;
        for (bool more = true; more;) {
            TRY(rotation_.store.run([&](store::Transaction& tx) -> Result<void> {
                const auto records = TRY(tx.scan(table, "", after, kBatch));
                size_t changed = 0;
                for (const store::Record& one : records) changed += TRY(rewrap(tx, table, one));
                more = records.size() == kBatch;
                if (!records.empty()) after = records.back().key;
                looked_at_ += records.size();
                count += changed;
                return {};
            }));
            if (rotation_.progress) rotation_.progress(looked_at_);
        }
        return count;
    }

    Result<void> end(size_t count) {
        return rotation_.store.run([&](store::Transaction& tx) {
            return record(tx, rotation_, "root/rewrapped",
                          {{"generation", root_.generation()}, {"data_keys", count}});
        });
    }

  private:
    Result<void> reseal_meta(store::Transaction& tx, std::string_view name,
                             std::string_view context) {
        auto sealed = TRY(tx.get(kMetaTable, name));
        if (!sealed) return {};
        auto opened = TRY(with_context(root_.open(context, *sealed), name));
        return tx.put(kMetaTable, name, root_.seal(context, opened.expose()));
    }

    Result<size_t> rewrap(store::Transaction& tx, std::string_view table,
                          const store::Record& one) {
        const auto context = [&] { return context_of(tx, rotation_.config, one.key); };
        auto sealed = with_context(rewrap_key(root_, context, one.value), one.key);
        // Anybody may have put it there, and it counts for nothing (keys/hsm_keys.h).
        if (!sealed && table == kHsmPendingTable) return size_t{0};
        if (!sealed) return fail(std::move(sealed.error()));
        if (!*sealed) return size_t{0};
        TRY(tx.put(table, one.key, **sealed));
        return size_t{1};
    }

    const RootRotation& rotation_;
    const crypto::RootRing& root_;
    size_t looked_at_ = 0;
};

// check_file: an older copy of the key file must not get a key of its own.
Result<void> check_file(const RootRotation& rotation, const Path& file) {
    const auto state = TRY(crypto::inspect_root_file(file));
    // It is not the ring's: it lives as long as the rotation.
    const std::shared_ptr<crypto::RootKeeper> now(std::shared_ptr<void>(), &rotation.now);
    const auto ring =
        TRY(crypto::RootRing::load_or_create(file, state.replacing ? rotation.next : now));
    return rotation.store.read([&](store::View& view) -> Result<void> {
        const auto proof = TRY(view.get(kMetaTable, kRootKey));
        if (!proof || ring->open(kRootContext, *proof)) return {};
        return fail(Code::conflict,
                    "nothing was changed: the store is under another root key than {}, which may "
                    "be an older copy: bring the newest one there",
                    file.string());
    });
}

}  // namespace

Result<Rewrapped> rewrap_root(const RootRotation& rotation) {
    const Path file = root_file(rotation.config);
    FileLock lock = TRY(FileLock::take(rotation.config.directory / "root.lock"));
    TRY(check_file(rotation, file));
    TRY(crypto::add_root_key(file, rotation.now, *rotation.next));
    auto root = TRY(crypto::RootRing::load_or_create(file, rotation.next));
    Rewrapper rewrapper(rotation, *root);
    TRY(rewrapper.begin());
    Rewrapped out{root->generation(), 0};
    for (std::string_view table : kSealedTables) {
        out.count += TRY(rewrapper.rewrap_table(table));
    }
    // Once more, over what was written meanwhile: nothing may be left before the old key goes.
    size_t left = 0;
    for (std::string_view table : kSealedTables) {
        left += TRY(rewrapper.rewrap_table(table));
    }
    out.count += left;
    TRY(rewrapper.end(out.count));
    TRY(crypto::drop_older_root_keys(file, *rotation.next));
    return out;
}

}  // namespace vouchsafe::vault
