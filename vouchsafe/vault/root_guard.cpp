#include "vouchsafe/vault/root_guard.h"

#include "vouchsafe/base/log.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault {

namespace {

// Replacements may follow each other while a slow keeper gives this service its key.
constexpr int kMostAttempts = 8;

// Watched notes whether something sealed was written.
class Watched final : public store::Transaction {
  public:
    explicit Watched(store::Transaction& inner) : inner_(inner) {}
    bool wrote_sealed() const { return wrote_sealed_; }

    Result<bool> still_holds(const store::Basis& basis) override {
        return inner_.still_holds(basis);
    }
    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override {
        return inner_.get(table, key);
    }
    Result<std::vector<store::Record>> scan(std::string_view table, std::string_view prefix,
                                            std::string_view after, size_t limit) override {
        return inner_.scan(table, prefix, after, limit);
    }
    Result<std::optional<std::string>> next_table(std::string_view after) override {
        return inner_.next_table(after);
    }
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
        note(table);
        return inner_.put(table, key, value);
    }
    Result<void> insert(std::string_view table, std::string_view key, ByteView value) override {
        note(table);
        return inner_.insert(table, key, value);
    }
    Result<bool> erase(std::string_view table, std::string_view key) override {
        return inner_.erase(table, key);
    }

  private:
    void note(std::string_view table) { wrote_sealed_ = wrote_sealed_ || holds_sealed(table); }

    store::Transaction& inner_;
    bool wrote_sealed_ = false;
};

}  // namespace

bool holds_sealed(std::string_view table) {
    return table == kSecretTable || table == secrets::kValues || table == kMetaTable ||
           table == kHsmPendingTable;
}

Result<uint64_t> read_root_generation(store::View& view) {
    auto bytes = TRY(view.get(kMetaTable, kRootGeneration));
    if (!bytes) return uint64_t{1};
    Reader reader(*bytes, "root generation");
    const uint64_t out = TRY(reader.u64_be("generation"));
    TRY(reader.end());
    return out;
}

Result<void> put_root_generation(store::Transaction& tx, uint64_t generation) {
    return tx.put(kMetaTable, kRootGeneration, Writer().u64_be(generation).view());
}

// is_stores: two files can be of one generation and not of one key, if somebody replaced the key of
// an older copy. What opens the store's proof is remembered.
Result<bool> RootGuard::is_stores(store::View& view, uint64_t generation) {
    if (proven_ == generation) return true;
    const auto proof = TRY(view.get(kMetaTable, kRootKey));
    if (proof && !root_.newest()->open(kRootContext, *proof)) return false;
    proven_ = generation;
    return true;
}

Result<void> RootGuard::run(const std::function<Result<void>(store::Transaction&)>& work) {
    Result<void> done;
    uint64_t tried = 0;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        // Read before the work seals anything: another thread may replace the ring on the way.
        const uint64_t ours = root_.generation();
        if (attempt > 1 && ours == tried) break;  // reading it again brought nothing newer
        tried = ours;
        bool outdated = false;
        done = inner_.run([&](store::Transaction& tx) -> Result<void> {
            Watched watched(tx);
            TRY(work(watched));
            if (!watched.wrote_sealed()) return {};
            const uint64_t demanded = TRY(read_root_generation(tx));
            outdated = demanded > ours || (demanded == ours && !TRY(is_stores(tx, ours)));
            if (!outdated) return {};
            return fail(Code::unavailable, "the root key was replaced meanwhile: try again");
        });
        if (!outdated) return done;
        if (const auto read = root_.reload(); !read) {
            log_event(LogLevel::error, "the root key was replaced, and this service cannot read it",
                      {{"problem", read.error().message}});
            return done;
        }
    }
    log_event(LogLevel::error, "the root key file is not the one that the store is under",
              {{"generation", root_.generation()}});
    return done;
}

void RootGuard::run_later(Work work, Then then) {
    inner_.run_later(
        [work = std::move(work)](store::Transaction& tx) -> Result<void> {
            Watched watched(tx);
            TRY(work(watched));
            if (!watched.wrote_sealed()) return {};
            return fail(Code::internal, "something sealed was to be written later");
        },
        std::move(then));
}

}  // namespace vouchsafe::vault
