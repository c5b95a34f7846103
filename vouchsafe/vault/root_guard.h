// The store as a vault writes to it while somebody may replace the root key (root_rotation.h):
// nothing is committed that was sealed under a key which is no longer the newest. Private to
// vault/.
#pragma once

#include <atomic>

#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::vault {

// The generation of the root key under which everything new must be sealed; in vault_meta.
inline constexpr std::string_view kRootGeneration = "root_generation";

// read_root_generation returns 1 if none was written.
Result<uint64_t> read_root_generation(store::View& view);
Result<void> put_root_generation(store::Transaction& tx, uint64_t generation);

// holds_sealed tells the tables in which something is sealed under the root key.
bool holds_sealed(std::string_view table);

// RootGuard borrows both. Thread-safe.
class RootGuard final : public store::Store {
  public:
    RootGuard(store::Store& inner, const crypto::RootRing& root) : inner_(inner), root_(root) {}

    // run changes nothing if `work` wrote something sealed and the ring is older than the store
    // demands, or not the store's: then it reads the ring again and calls `work` once more, and so
    // on as long as each time there is a newer one (a few times at most). So `work` seals what it
    // writes itself, and anew each time. Code::unavailable if the ring cannot be read or is another
    // one still.
    Result<void> run(const std::function<Result<void>(store::Transaction&)>& work) override;
    // run_later is for work that writes nothing sealed: Code::internal if it does.
    void run_later(Work work, Then then) override;
    void expect(bool more) override { inner_.expect(more); }
    Result<void> read(const std::function<Result<void>(store::View&)>& work) override {
        return inner_.read(work);
    }
    Result<void> recall(const std::function<Result<void>(store::View&)>& work,
                        store::Basis& basis) override {
        return inner_.recall(work, basis);
    }
    store::Statistics statistics() const override { return inner_.statistics(); }

  private:
    Result<bool> is_stores(store::View& view, uint64_t generation);

    store::Store& inner_;
    const crypto::RootRing& root_;
    std::atomic<uint64_t> proven_ = 0;  // the generation of which the newest key is the store's
};

}  // namespace vouchsafe::vault
