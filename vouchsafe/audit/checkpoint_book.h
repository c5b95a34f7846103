// The checkpoints of the log in a store: the key that signs them, and all that were signed. Any
// number of processes may share one store; they sign one line of checkpoints together.
//
// Before a checkpoint is signed it is proved to continue the one before, so that no two of one log
// contradict each other as long as the store was not set back.
#pragma once

#include <functional>
#include <optional>

#include "vouchsafe/audit/checkpoint.h"
#include "vouchsafe/audit/log.h"

namespace vouchsafe::audit {

// A checkpoint every so often, unless the log stood still: what is lost unseen to somebody who
// rewrites the log is what came in that time.
inline constexpr Seconds kCheckpointEvery{300};

// KeySeal is how a service seals what it keeps: under its root key, bound to a context.
struct KeySeal {
    std::function<Bytes(std::string_view context, ByteView plaintext)> seal;
    std::function<Result<SecretBytes>(std::string_view context, ByteView sealed)> open;
};

// Where the sealed key lies: a service that replaces its root key seals that record anew.
struct CheckpointKeyPlace {
    std::string table;
    std::string key;
    std::string context;
};

struct StoredCheckpoint {
    Time written;  // not signed: as the service's clock had it
    TreeHead head;
    std::string note;
};

// CheckpointWriter borrows store and clock. Thread-safe.
class CheckpointWriter {
  public:
    // `service` ("vault") begins the origin of a log that has no key yet: "vouchsafe/vault/" and a
    // random UUID.
    CheckpointWriter(store::Store& store, const Clock& clock, std::string_view service,
                     CheckpointKeyPlace place, KeySeal seal)
        : store_(store),
          clock_(clock),
          service_(service),
          place_(std::move(place)),
          seal_(std::move(seal)) {}

    // write signs the log as it is and keeps the checkpoint, if the log grew and the newest is at
    // least `every` old; nullopt if not. The first call of all makes the key, and an entry that
    // tells of it ("checkpoints/key"). AUDIT-HEAD if the log does not continue the newest
    // checkpoint: then nothing is signed. Code::bad_evidence if the key does not open.
    Result<std::optional<StoredCheckpoint>> write(Seconds every);

  private:
    Result<crypto::Ed25519Key> open_key(store::View& view, const CheckpointKey& known) const;
    Result<void> make_key(store::Transaction& tx) const;
    Result<std::optional<StoredCheckpoint>> write_in(store::Transaction& tx, Seconds every) const;

    store::Store& store_;
    const Clock& clock_;
    const std::string service_;
    const CheckpointKeyPlace place_;
    const KeySeal seal_;
};

// What anybody with the store can read. The key is what the store says: an auditor compares it with
// the one he kept. nullopt as long as nothing was signed.
Result<std::optional<CheckpointKey>> read_checkpoint_key(store::Store& store);
Result<std::optional<StoredCheckpoint>> newest_checkpoint(store::Store& store);
// checkpoints returns up to `count` (at most store::kMaxScan) with more than `after` entries, the
// smallest first. Code::io if a record is none.
Result<std::vector<StoredCheckpoint>> checkpoints(store::Store& store, uint64_t after,
                                                  size_t count);

}  // namespace vouchsafe::audit
