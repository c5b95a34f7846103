// The Merkle tree of RFC 6962, section 2, with SHA-256: hashing, and verifying its two proofs. Pure
// functions; audit/log.h keeps a tree in a store.
#pragma once

#include <array>
#include <vector>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::audit {

using TreeHash = std::array<uint8_t, 32>;

// TreeHead is a tree's size in leaves and its root hash. The empty tree's is the hash of nothing.
struct TreeHead {
    uint64_t size = 0;
    TreeHash root{};

    bool operator==(const TreeHead&) const = default;
};

TreeHash empty_root();
TreeHash leaf_hash(ByteView entry);                               // SHA-256(0x00 || entry)
TreeHash node_hash(const TreeHash& left, const TreeHash& right);  // SHA-256(0x01 || left || right)

// InclusionProof shows that a leaf is at `index` of the tree of `size` (RFC 6962, 2.1.1).
struct InclusionProof {
    uint64_t index = 0;
    uint64_t size = 0;
    std::vector<TreeHash> path;  // from the leaf up
};

// ConsistencyProof shows that the tree of `old_size` is the beginning of that of `new_size`
// (RFC 6962, 2.1.2).
struct ConsistencyProof {
    uint64_t old_size = 0;
    uint64_t new_size = 0;
    std::vector<TreeHash> path;
};

// These fail with Code::bad_evidence unless the proof holds (RFC 9162, 2.1.3.2 and 2.1.4.2).
Result<void> verify_inclusion(const InclusionProof& proof, ByteView entry, const TreeHash& root);
// verify_leaf_inclusion is verify_inclusion for who has the entry's leaf hash and not the entry.
Result<void> verify_leaf_inclusion(const InclusionProof& proof, const TreeHash& leaf,
                                   const TreeHash& root);
Result<void> verify_consistency(const ConsistencyProof& proof, const TreeHash& old_root,
                                const TreeHash& new_root);

}  // namespace vouchsafe::audit
