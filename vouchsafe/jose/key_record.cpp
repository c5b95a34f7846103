#include "vouchsafe/jose/key_record.h"

namespace vouchsafe::jose {

// The records are looked for first: of two processes that start at once, the other makes the file
// before it writes a record.
Result<crypto::RootKey> open_root_key(store::Store& store, std::string_view table,
                                      const Path& root_file) {
    bool sealed = false;
    TRY(store.read([&](store::View& view) -> Result<void> {
        sealed = !TRY(view.scan(table, "", "", 1)).empty();
        return {};
    }));
    const Result<void> usable = crypto::check_private_file(root_file);
    if (sealed && !usable && usable.error().code == Code::not_found) {
        return fail(Code::not_found,
                    "{} is missing, and the signing keys in the store are sealed under the root "
                    "key in it: restore that file from its copy; without it only an empty store "
                    "can be started with",
                    root_file.string());
    }
    return crypto::RootKey::load_or_create(root_file);
}

Result<SigningKey> load_or_create(store::Store& store, const KeyRecord& place, Time now) {
    auto root = TRY(open_root_key(store, place.table, place.root_file));
    std::optional<Bytes> record;
    TRY(store.read([&](store::View& view) -> Result<void> {
        record = TRY(view.get(place.table, place.id));
        return {};
    }));
    if (!record) {
        auto fresh = TRY(SigningKey::generate(place.common_name, now, place.lifetime));
        TRY(store.run([&](store::Transaction& transaction) -> Result<void> {
            record = TRY(transaction.get(place.table, place.id));
            if (record) return {};
            record = fresh.to_record(root, place.context);
            return transaction.insert(place.table, place.id, *record);
        }));
    }
    return with_context(SigningKey::from_record(*record, root, place.context),
                        "the signing key of " + place.id);
}

}  // namespace vouchsafe::jose
