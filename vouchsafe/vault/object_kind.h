// Keys and secrets are kept alike: a record that all versions share, one record for each version,
// and sealed material for each version. What works on both (deletion.h, backup.h) works on an
// ObjectKind. Private to vault/.
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

struct ObjectKind {
    std::string_view collection;          // "keys", in paths, identifiers and scopes
    std::string_view deleted_collection;  // "deletedkeys"
    std::string_view noun;                // "key"
    std::string_view table;               // records, JSON with `name` and `current`; {vault}/{name}
    std::string_view version_table;       // {vault}/{name}/{version}
    std::string_view material_table;      // sealed; {vault}/{name}/{version}

    // bundle gives the answer that shows a version without its material (KeyBundle, SecretBundle);
    // item gives its entry in a list of objects.
    Result<Json> (*bundle)(const Call& call, const StoredObject& object);
    Result<Json> (*item)(const Call& call, const StoredObject& object);

    // open_material opens what is sealed of one version; Code::io if it does not open.
    Result<SecretBytes> (*open_material)(const Core& core, const Call& call,
                                         const StoredObject& object, ByteView sealed);
    // admit seals the material of a version that a backup brings, for the call's vault. It fails if
    // that vault cannot have such an object, and with Code::invalid for a malformed record.
    Result<Bytes> (*admit)(const Core& core, const Call& call, const StoredObject& object,
                           ByteView material);
    // returned is called when an object comes back, recovered or restored; nullptr: nothing to do.
    Result<void> (*returned)(store::Transaction& tx, const Call& call, const StoredObject& object);
    // purged is called before an object is erased for good; nullptr: nothing to do. It adds to the
    // details of the audit entry.
    Result<void> (*purged)(const Core& core, store::Transaction& tx, std::string_view vault,
                           std::string_view name, Json& details);
    // restored is called when an object lies in the store as its backup had it; nullptr likewise.
    Result<void> (*restored)(store::Transaction& tx, Call& call);
};

extern const ObjectKind kKeys;
extern const ObjectKind kSecrets;

// kind_of returns the kind that the call's operation is about.
const ObjectKind& kind_of(const Call& call);

// read_object reads the object the path names with its current version. Code::not_found.
Result<StoredObject> read_object(store::View& view, const ObjectKind& kind, const Call& call);
// read_current completes a record with its current version. Code::io if that is missing.
Result<StoredObject> read_current(store::View& view, const ObjectKind& kind, std::string_view vault,
                                  Bytes record);

// load_object reads what the call's operation needs of the object that the path names, in the
// version that the path names or the current one. Errors as take_loaded.
Result<LoadedObject> load_object(store::View& view, Remembered& remembered, const ObjectKind& kind,
                                 const Call& call);

// key_of parses what was loaded of a key; Code::io for a damaged record.
Result<Key> key_of(const StoredObject& object);

// read_as_stored reads the object the path names with a version of it; what is not there is empty.
// A use of the object is judged, then done, then recorded: it compares this before and in the
// transaction that records it, and judges again if they differ.
Result<StoredObject> read_as_stored(store::View& view, const ObjectKind& kind, const Call& call,
                                    std::string_view version);

}  // namespace vouchsafe::vault
