#include "vouchsafe/audit/tree.h"

#include <algorithm>
#include <bit>

#include "vouchsafe/store/numbered.h"

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kHashTable = store::kNumberedTables[1];  // leaf -> its hashes
constexpr std::string_view kOldNodeTable = "audit_node";            // level / index -> one hash
constexpr size_t kHashSize = TreeHash().size();

std::string old_key(unsigned level, uint64_t index) {
    return fmt::format("{:02x}/{:016x}", level, index);
}

// last_leaf is the leaf that completes a node.
uint64_t last_leaf(unsigned level, uint64_t index) {
    return ((index + 1) << level) - 1;
}

// completed is how many nodes a leaf completes, itself being the first.
unsigned completed(uint64_t leaf) {
    return 1 + static_cast<unsigned>(std::countr_one(leaf));
}

// split_point is RFC 6962's k: the largest power of two smaller than `count`, which is over 1.
uint64_t split_point(uint64_t count) {
    return std::bit_floor(count - 1);
}

}  // namespace

Result<std::optional<TreeHash>> Nodes::find(unsigned level, uint64_t index) {
    const uint64_t leaf = last_leaf(level, index);
    auto bytes = TRY(view_.get(kHashTable, store::number_key(leaf)));
    size_t at = level * kHashSize;
    size_t size = completed(leaf) * kHashSize;
    if (!bytes) {
        bytes = TRY(view_.get(kOldNodeTable, old_key(level, index)));
        at = 0;
        size = kHashSize;
    }
    if (!bytes || bytes->size() != size) return std::nullopt;
    TreeHash out;
    std::copy_n(bytes->begin() + static_cast<ptrdiff_t>(at), kHashSize, out.begin());
    return out;
}

Result<TreeHash> Nodes::stored(unsigned level, uint64_t index) {
    const auto hash = TRY(find(level, index));
    if (!hash) {
        return fail(Code::io, "the audit log's tree lacks node {} of level {}", index, level);
    }
    return *hash;
}

// Each bit of the size is a complete subtree, the last and smallest one the lowest.
Result<std::optional<TreeHash>> Nodes::find_root(uint64_t size) {
    std::optional<TreeHash> hash;
    for (unsigned level = 0; size >> level != 0; ++level) {
        if ((size >> level) % 2 == 0) continue;
        const auto subtree = TRY(find(level, (size >> level) - 1));
        if (!subtree) return std::nullopt;
        hash = hash ? node_hash(*subtree, *hash) : *subtree;
    }
    return hash ? *hash : empty_root();
}

Result<TreeHash> Nodes::range(uint64_t begin, uint64_t end) {
    const uint64_t count = end - begin;
    if (count == 0) return empty_root();
    if (std::has_single_bit(count) && begin % count == 0) {
        const auto level = static_cast<unsigned>(std::countr_zero(count));
        return stored(level, begin >> level);
    }
    const uint64_t split = split_point(count);
    TreeHash left = TRY(range(begin, begin + split));
    return node_hash(left, TRY(range(begin + split, end)));
}

// RFC 6962, 2.1.1, from the root down; the path is told from the leaf up.
Result<std::vector<TreeHash>> Nodes::inclusion_path(uint64_t index, uint64_t size) {
    std::vector<TreeHash> path;
    uint64_t begin = 0;
    uint64_t end = size;
    while (end - begin > 1) {
        const uint64_t middle = begin + split_point(end - begin);
        if (index < middle) {
            path.push_back(TRY(range(middle, end)));
            end = middle;
        } else {
            path.push_back(TRY(range(begin, middle)));
            begin = middle;
        }
    }
    std::reverse(path.begin(), path.end());
    return path;
}

// RFC 6962, 2.1.2: SUBPROOF(m, D[n], b), from the root down.
Result<std::vector<TreeHash>> Nodes::consistency_path(uint64_t old_size, uint64_t new_size) {
    std::vector<TreeHash> path;
    if (old_size == 0) return path;
    uint64_t begin = 0;
    uint64_t end = new_size;
    bool whole = true;  // b: the old tree is still a whole subtree whose root the verifier knows
    while (old_size != end) {
        const uint64_t middle = begin + split_point(end - begin);
        if (old_size <= middle) {
            path.push_back(TRY(range(middle, end)));
            end = middle;
        } else {
            path.push_back(TRY(range(begin, middle)));
            begin = middle;
            whole = false;
        }
    }
    if (!whole) path.push_back(TRY(range(begin, end)));
    std::reverse(path.begin(), path.end());
    return path;
}

Result<void> add_leaf(store::Transaction& transaction, uint64_t index, const TreeHash& leaf) {
    Nodes nodes(transaction);
    TreeHash hash = leaf;
    Writer hashes;
    hashes.bytes(hash);
    for (unsigned level = 0; level + 1 < completed(index); ++level) {
        hash = node_hash(TRY(nodes.stored(level, (index >> level) - 1)), hash);
        hashes.bytes(hash);
    }
    return transaction.insert(kHashTable, store::number_key(index), hashes.view());
}

void RootBuilder::add(const TreeHash& leaf) {
    TreeHash hash = leaf;
    // Each trailing one bit of the old size is a complete subtree that this leaf's subtree joins.
    for (uint64_t rest = size_; rest % 2 == 1; rest >>= 1) {
        hash = node_hash(subtrees_.back(), hash);
        subtrees_.pop_back();
    }
    subtrees_.push_back(hash);
    ++size_;
}

TreeHash RootBuilder::root() const {
    if (subtrees_.empty()) return empty_root();
    TreeHash hash = subtrees_.back();
    for (size_t i = subtrees_.size() - 1; i > 0; --i) hash = node_hash(subtrees_[i - 1], hash);
    return hash;
}

}  // namespace vouchsafe::audit
