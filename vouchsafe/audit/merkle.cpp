#include "vouchsafe/audit/merkle.h"

#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::audit {

TreeHash empty_root() {
    return crypto::sha256({});
}

TreeHash leaf_hash(ByteView entry) {
    Writer input;
    input.u8(0x00).bytes(entry);
    return crypto::sha256(input.view());
}

TreeHash node_hash(const TreeHash& left, const TreeHash& right) {
    Writer input;
    input.u8(0x01).bytes(left).bytes(right);
    return crypto::sha256(input.view());
}

Result<void> verify_inclusion(const InclusionProof& proof, ByteView entry, const TreeHash& root) {
    return verify_leaf_inclusion(proof, leaf_hash(entry), root);
}

// RFC 9162, 2.1.3.2.
Result<void> verify_leaf_inclusion(const InclusionProof& proof, const TreeHash& leaf,
                                   const TreeHash& root) {
    const auto no = [] { return fail(Code::bad_evidence, "the inclusion proof does not hold"); };
    if (proof.index >= proof.size) return no();
    uint64_t node = proof.index;
    uint64_t last = proof.size - 1;
    TreeHash hash = leaf;
    for (const TreeHash& step : proof.path) {
        if (last == 0) return no();
        if (node % 2 == 1 || node == last) {
            hash = node_hash(step, hash);
            while (node % 2 == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if (last != 0 || hash != root) return no();
    return {};
}

// RFC 9162, 2.1.4.2.
Result<void> verify_consistency(const ConsistencyProof& proof, const TreeHash& old_root,
                                const TreeHash& new_root) {
    const auto no = [] { return fail(Code::bad_evidence, "the consistency proof does not hold"); };
    if (proof.old_size > proof.new_size) return no();
    if (proof.old_size == proof.new_size) {
        if (!proof.path.empty() || old_root != new_root) return no();
        return {};
    }
    if (proof.old_size == 0) {  // the empty tree begins every tree
        if (!proof.path.empty() || old_root != empty_root()) return no();
        return {};
    }
    std::vector<TreeHash> path = proof.path;
    // If the old tree is a whole subtree of the new one, its root is the first step.
    if ((proof.old_size & (proof.old_size - 1)) == 0) path.insert(path.begin(), old_root);
    if (path.empty()) return no();

    uint64_t node = proof.old_size - 1;
    uint64_t last = proof.new_size - 1;
    while (node % 2 == 1) {
        node >>= 1;
        last >>= 1;
    }
    TreeHash from_old = path.front();
    TreeHash from_new = path.front();
    for (size_t i = 1; i < path.size(); ++i) {
        if (last == 0) return no();
        if (node % 2 == 1 || node == last) {
            from_old = node_hash(path[i], from_old);
            from_new = node_hash(path[i], from_new);
            while (node % 2 == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(from_new, path[i]);
        }
        node >>= 1;
        last >>= 1;
    }
    if (last != 0 || from_old != old_root || from_new != new_root) return no();
    return {};
}

}  // namespace vouchsafe::audit
