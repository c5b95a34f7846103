#include "vouchsafe/audit/tree.h"

#include <algorithm>
#include <bit>

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kNodeTable = "audit_node";

std::string node_key(unsigned level, uint64_t index) {
    return fmt::format("{:02x}/{:016x}", level, index);
}

// split_point is RFC 6962's k: the largest power of two smaller than `count`, which is over 1.
uint64_t split_point(uint64_t count) {
    return std::bit_floor(count - 1);
}

}  // namespace

Result<TreeHash> Nodes::stored(unsigned level, uint64_t index) {
    auto bytes = TRY(view_.get(kNodeTable, node_key(level, index)));
    if (!bytes || bytes->size() != TreeHash().size()) {
        return fail(Code::io, "the audit log's tree lacks node {}", node_key(level, index));
    }
    TreeHash out;
    std::copy(bytes->begin(), bytes->end(), out.begin());
    return out;
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
    TreeHash hash = leaf;
    unsigned level = 0;
    TRY(transaction.insert(kNodeTable, node_key(level, index), hash));
    for (; index % 2 == 1; index >>= 1, ++level) {
        auto left = TRY(transaction.get(kNodeTable, node_key(level, index - 1)));
        if (!left || left->size() != hash.size()) {
            return fail(Code::io, "the audit log's tree lacks node {}", node_key(level, index - 1));
        }
        TreeHash left_hash;
        std::copy(left->begin(), left->end(), left_hash.begin());
        hash = node_hash(left_hash, hash);
        TRY(transaction.insert(kNodeTable, node_key(level + 1, index >> 1), hash));
    }
    return {};
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
