// The tree's stored form: the hash of every complete subtree, so that a root or a proof reads only
// about log2(size) records. Private to audit/.
#pragma once

#include <optional>
#include <vector>

#include "vouchsafe/audit/merkle.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::audit {

// Nodes reads stored hashes. Node (level, index) is the complete subtree of 2^level leaves that
// begins at leaf index << level. A missing one is Code::io: the store is damaged.
class Nodes {
  public:
    explicit Nodes(store::View& view) : view_(view) {}

    // range returns RFC 6962's MTH of the leaves [begin, end). begin is a multiple of the largest
    // power of two that fits the range's left part, as it is in every call of section 2.1.
    Result<TreeHash> range(uint64_t begin, uint64_t end);
    Result<TreeHash> stored(unsigned level, uint64_t index);
    // find is stored, and find_root is range(0, size), for who judges a log: nothing where a node
    // is missing.
    Result<std::optional<TreeHash>> find(unsigned level, uint64_t index);
    Result<std::optional<TreeHash>> find_root(uint64_t size);
    Result<std::vector<TreeHash>> inclusion_path(uint64_t index, uint64_t size);
    Result<std::vector<TreeHash>> consistency_path(uint64_t old_size, uint64_t new_size);

  private:
    store::View& view_;
};

// add_leaf stores the hash of leaf number `index` and of every subtree it completes.
Result<void> add_leaf(store::Transaction& transaction, uint64_t index, const TreeHash& leaf);

// verify_tree is Log::verify_heads within a transaction.
Result<TreeHead> verify_tree(store::View& view, std::vector<TreeHead> kept, Checks& checks);

// The log's size, and one entry's bytes; read_log_entry fails with Code::io if it is not there.
Result<uint64_t> read_log_size(store::View& view);
Result<std::optional<Bytes>> find_log_entry(store::View& view, uint64_t index);
Result<Bytes> read_log_entry(store::View& view, uint64_t index);

// RootBuilder computes the root of leaves given one after another, without a store.
class RootBuilder {
  public:
    void add(const TreeHash& leaf);
    uint64_t size() const { return size_; }
    TreeHash root() const;

  private:
    uint64_t size_ = 0;
    std::vector<TreeHash> subtrees_;  // roots of complete subtrees, the largest first
};

// KeptHeads compares a tree, while it grows, with heads that were kept of it.
class KeptHeads {
  public:
    explicit KeptHeads(std::vector<TreeHead> kept);
    // note is called for the empty tree and after each leaf.
    void note(const RootBuilder& tree);
    // judge is called at the end, with the log's size: AUDIT-HEAD for the first head that is not
    // the tree's, with the entries of which one was changed. An empty head always holds.
    Result<void> judge(uint64_t size, Checks& checks) const;

  private:
    std::vector<TreeHead> kept_;   // the smallest first
    std::vector<TreeHash> roots_;  // at the sizes of kept_ that the tree had so far
};

}  // namespace vouchsafe::audit
