// Soft delete (azure-api A.10): a deleted key or secret leaves the active collection at once,
// whole, and can be recovered until its retention has passed or somebody purges it. Until then its
// name is taken. Private to vault/.
//
// What is deleted is a record that moved. Nobody who reads the active tables can find it, and its
// versions and their sealed material stay where they are until it is purged.
//
//   table            key                                       value
//   vault_deleted    {collection}/{vault}/{name}               Deletion
//   vault_purge_due  {purge, 16 hex digits}/{collection}/{vault}/{name}    the name
#pragma once

#include "vouchsafe/vault/object_kind.h"

namespace vouchsafe::vault {

inline constexpr std::string_view kDeletedTable = "vault_deleted";
inline constexpr std::string_view kPurgeDueTable = "vault_purge_due";

struct Deletion {
    Bytes record;         // as it was in the active table
    int64_t deleted = 0;  // seconds since 1970
    int64_t purge = 0;    // from then on it counts as purged
};

// check_name_free fails with VAULT-NAME-FREE if a deleted object has the name of `call.key`. One
// whose retention has passed is purged on the way. Whoever makes an object, in whatever way, calls
// it in the transaction that makes it.
Result<void> check_name_free(Core& core, store::Transaction& transaction, Call& call,
                             const ObjectKind& kind);

// purge_due_objects purges what is due in all vaults (Service::purge_due). What cannot be purged
// does not keep it from the rest; then it returns the first such error.
Result<size_t> purge_due_objects(Core& core);

// purge_vault is Service::purge_vault.
Result<void> purge_vault(Core& core, std::string_view name, std::string_view actor);

// The operations, of keys and secrets alike.
Result<Json> delete_object(Core& core, Call& call);
Result<Json> get_deleted_object(Core& core, Call& call);
Result<Json> list_deleted_objects(Core& core, Call& call);
Result<Json> recover_object(Core& core, Call& call);
Result<Json> purge_object(Core& core, Call& call);

}  // namespace vouchsafe::vault
