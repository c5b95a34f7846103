// Proofs about a log as text, each with the checkpoint it leads to, so that who has the log's key
// needs nothing else: that an entry is in the log (C2SP tlog-proof, version 1), and that the log
// only grew since an earlier checkpoint (the body of C2SP tlog-witness's add-checkpoint request).
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/audit/checkpoint.h"

namespace vouchsafe::audit {

inline constexpr size_t kMaxProof = 32 << 10;  // bytes

struct EntryProof {
    uint64_t index = 0;
    std::vector<TreeHash> path;
    std::string checkpoint;  // the note

    std::string encode() const;
    static Result<EntryProof> parse(std::string_view text);  // Code::invalid
};

struct GrowthProof {
    uint64_t old_size = 0;
    std::vector<TreeHash> path;
    std::string checkpoint;  // the note of the larger log

    std::string encode() const;
    static Result<GrowthProof> parse(std::string_view text);  // Code::invalid
};

// Both verify the checkpoint (verify_checkpoint) and then the proof (AUDIT-PROOF), and return the
// checkpoint. `entry` is what the log hashed: an export's or Log::encoded's bytes.
Result<VerifiedCheckpoint> verify_entry_proof(const EntryProof& proof, ByteView entry,
                                              const CheckpointKey& key, Checks& checks);
Result<VerifiedCheckpoint> verify_growth_proof(const GrowthProof& proof,
                                               const VerifiedCheckpoint& before,
                                               const CheckpointKey& key, Checks& checks);

}  // namespace vouchsafe::audit
