// For tests: damage to a log's stored tree.
#pragma once

#include "vouchsafe/audit/tree.h"
#include "vouchsafe/store/numbered.h"

namespace vouchsafe::audit {

// change_node changes one stored hash of the tree, as tree.h names it, and no other.
inline void change_node(store::Store& store, unsigned level, uint64_t index) {
    MUST(store.run([&](store::Transaction& tx) -> Result<void> {
        const std::string key = store::number_key(((index + 1) << level) - 1);
        Bytes hashes = TRY(tx.get("audit_hash", key)).value();
        hashes.at(level * TreeHash().size()) ^= 1;
        return tx.put("audit_hash", key, hashes);
    }));
}

}  // namespace vouchsafe::audit
