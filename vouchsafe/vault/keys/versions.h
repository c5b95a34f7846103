// Storing new versions of keys: what create, import and rotation share. Private to vault/.
#pragma once

#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

// store_version completes a plan by id, times and public half, seals the secret, writes all of it,
// and sees to the key's rotation. The caller appends the audit entry in the same transaction.
Result<Key> store_version(Core& core, store::Transaction& tx, std::string_view vault, KeyPlan plan,
                          const KeyMaterial& material);

// note_key puts into an audit entry's details what a version is.
void note_key(Json& details, const Key& key);

}  // namespace vouchsafe::vault
