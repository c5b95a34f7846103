// What became of a key's release policy and rules outlives its backups: a key that ever had rules
// comes back from any backup with policy and rules as they were last. Else one person alone, with a
// backup of before, would undo a quota or what two persons decided. Private to vault/.
//
//   table                 key           value
//   vault_rules_version   {version}/{rules id}   rules id; of every version of a key with rules
//   vault_rules_state     {rules id}             policy and rules as they are, or were when the
//                                                key went
//
// A version can have been under several rules: a copy that was restored before there were any gets
// some of its own. What comes back is then under the strictest of all that any version of it has
// been under.
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

// keep_rules notes a record that is about to be written, if it changes policy or rules. Nothing to
// do for a key that never had rules. What two persons decided stays as it was kept when a copy
// changes that does not ask for two.
Result<void> keep_rules(store::Transaction& tx, std::string_view vault, const KeyRecord& record);

// mark_version notes a version that is made, mark_versions all that there are.
Result<void> mark_version(store::Transaction& tx, const KeyRecord& record,
                          std::string_view version);
Result<void> mark_versions(store::Transaction& tx, std::string_view vault, const KeyRecord& record);

// take_kept_rules gives the key that the call has just restored what was kept, and says so in the
// call's details.
Result<void> take_kept_rules(store::Transaction& tx, Call& call);

}  // namespace vouchsafe::vault
