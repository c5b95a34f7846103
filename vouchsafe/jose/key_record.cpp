#include "vouchsafe/jose/key_record.h"

namespace vouchsafe::jose {

Result<SigningKey> load_or_create(store::Store& store, const KeyRecord& place, Time now) {
    auto root = TRY(crypto::RootKey::load_or_create(place.root_file));
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
