// Rotation that happens (azure-api A.6): which keys are due, found without looking at the others.
//
// Table vault_rotation has a record "{due}/{vault}/{key}" for each time at which a key may be due,
// the time as 20 digits of seconds since 1970. It is an index, no truth: a sweep asks the key
// itself, and corrects what it finds outdated. The value is when the key was first found missing,
// or empty: deleted keys may come back as long as they can be recovered. Private to vault/.
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

// schedule_rotation enters a key whose policy has it rotated. Call it with the current version
// whenever that, its expiry or the policy changed, and when a key comes back.
Result<void> schedule_rotation(store::Transaction& tx, std::string_view vault, const Key& key);

// rotate_due_keys is Service::rotate_due_keys.
Result<size_t> rotate_due_keys(Core& core);

}  // namespace vouchsafe::vault
