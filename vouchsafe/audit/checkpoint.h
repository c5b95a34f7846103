// Checkpoints: a log's signed word of how many entries it has and what they hash to, in the form
// that witnesses and monitors of other logs read (C2SP tlog-checkpoint and signed-note, version 1;
// docs/formats/checkpoint.md). Pure functions; checkpoint_book.h keeps them in a store.
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/audit/merkle.h"
#include "vouchsafe/crypto/ed25519.h"

namespace vouchsafe::audit {

inline constexpr size_t kMaxNote = 16 << 10;   // bytes of a checkpoint with its signatures
inline constexpr size_t kMaxOrigin = 128;      // bytes
inline constexpr size_t kMaxSignatures = 100;  // lines: others may sign too

// CheckpointKey says who signs a log's checkpoints: what an auditor keeps.
struct CheckpointKey {
    std::string origin;  // the log's name, also the key's: no white space, no "+"
    crypto::Ed25519PublicKey key{};

    // text is the form of signed-note's verifier keys: "origin+0123abcd+base64".
    std::string text() const;
    // parse fails with Code::invalid, also for the key of another algorithm.
    static Result<CheckpointKey> parse(std::string_view text);

    bool operator==(const CheckpointKey&) const = default;
};

// sign_checkpoint gives the whole note, its last newline included.
std::string sign_checkpoint(std::string_view origin, const TreeHead& head,
                            const crypto::Ed25519Key& key);

// VerifiedCheckpoint can be made by verify_checkpoint alone.
class VerifiedCheckpoint {
  public:
    const TreeHead& head() const { return head_; }
    const std::string& origin() const { return origin_; }

  private:
    friend struct VerifiedCheckpointMaker;  // defined in checkpoint.cpp alone
    VerifiedCheckpoint(std::string origin, TreeHead head)
        : origin_(std::move(origin)), head_(head) {}
    std::string origin_;
    TreeHead head_;
};

// verify_checkpoint checks the form (AUDIT-CHECKPOINT-FORM), and that `key` signed it for the log
// that it names (AUDIT-CHECKPOINT-SIGNATURE). Signatures of other keys are passed over, as the
// note's rules have it; lines behind the root hash are under the signature and otherwise ignored.
Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const CheckpointKey& key,
                                             Checks& checks);

// peek_checkpoint reads the head without any verification, to find a checkpoint among others.
// Code::invalid if there is none.
Result<TreeHead> peek_checkpoint(std::string_view note);

}  // namespace vouchsafe::audit
