// A resource manager for a software TPM, as Linux has one at /dev/tpmrm0 (drivers/char/tpm,
// tpm2-space.c; TCG's "TAB and Resource Manager"): everybody who opens it has a space, as if they
// were alone with the TPM. Objects and sessions of a space are in the TPM only while a command of
// that space needs them; in between they are contexts, encrypted by the TPM, that are kept here.
//
// It is connected to the TPM only while a command runs: whoever holds a space, idle, keeps nobody
// waiting, neither other spaces nor those who use the TPM's socket directly. These must leave no
// object behind: the TPM has room for three, and what the manager finds there at its start, or
// after a command that was cut off, it removes.
//
// Differences from Linux: only what a command names is loaded, so a space may have more than three
// objects; sessions of others can neither be listed nor flushed; a handle that is not of the space
// is answered by the TPM's code for it and not by EINVAL. Decision 38.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "vouchsafe/device/tpm_conversation.h"

namespace vouchsafe::device {

// What one guest can make its host keep. A full space is answered as a full TPM.
struct TpmSpaceLimits {
    size_t objects = 16;  // of one space
    size_t sessions = 8;  // of one space
    // Sessions whose context a client saved and took away; of more, the oldest is flushed. The TPM
    // has room for 64 in all.
    size_t taken_sessions = 24;
    // After so many saved sessions an older one is saved anew, because the TPM refuses contexts
    // that are too old (part 1, 30.5). 0: half of what the TPM says.
    uint32_t session_age = 0;
    std::chrono::milliseconds command = std::chrono::minutes(5);  // Linux' longest
};

class TpmSpace;

// TpmSpaces is the manager of one TPM. Thread-safe: commands run one after another.
class TpmSpaces {
  public:
    // open asks the TPM which commands it has. Code::io or Code::unavailable if it does not answer.
    static Result<std::unique_ptr<TpmSpaces>> open(const Path& socket,
                                                   const TpmSpaceLimits& limits = {});
    // All spaces must be gone. Flushes what stop() kept them from flushing, if the TPM answers at
    // once.
    ~TpmSpaces();

    // stop makes what runs, and all that comes, fail at once with Code::unavailable.
    void stop();

  private:
    friend class TpmSpace;
    class Turn;

    struct Session {
        uint32_t handle = 0;
        TpmSpace* holder = nullptr;  // none: its context was taken away
        TpmSpace* saver = nullptr;   // who took it, while that space is open
        Bytes context;
        uint64_t saved_at = 0;  // saves_ of then
    };

    TpmSpaces(Path socket, const TpmSpaceLimits& limits, UniqueFd stop);
    Result<void> ask_for_facts();
    Result<TpmConversation> converse(std::chrono::milliseconds limit, int stop) const;
    Result<Bytes> transmit(TpmSpace& space, ByteView command);
    Bytes answer_query(const TpmSpace& space, const TpmHandleQuery& query) const;
    Result<Bytes> flush(TpmSpace& space, uint32_t handle);
    void close(TpmSpace& space);
    void flush_closed(TpmConversation& tpm);
    Session* find_session(uint32_t handle);
    void forget_session(uint32_t handle);

    const Path socket_;
    TpmSpaceLimits limits_;
    const UniqueFd stop_;
    TpmCommandTable table_;

    std::mutex mutex_;              // of what follows, and of the TPM
    std::list<Session> sessions_;   // oldest save first
    std::vector<uint32_t> closed_;  // sessions of closed spaces, not yet flushed
    uint64_t saves_ = 0;
    bool clean_ = false;  // no object or session is in the TPM
};

// TpmSpace is what one open file of the device sees. Not longer than its manager.
class TpmSpace {
  public:
    explicit TpmSpace(TpmSpaces& manager) : manager_(manager) {}
    ~TpmSpace() { manager_.close(*this); }
    TpmSpace(const TpmSpace&) = delete;
    TpmSpace& operator=(const TpmSpace&) = delete;

    // transmit answers a command, whatever its bytes. Code::io if the TPM is gone,
    // Code::unavailable if it does not answer or the manager was stopped. Thread-safe.
    Result<Bytes> transmit(ByteView command) { return manager_.transmit(*this, command); }

  private:
    friend class TpmSpaces;
    TpmSpaces& manager_;
    std::map<uint32_t, Bytes> objects_;  // contexts by the names that this space knows
};

}  // namespace vouchsafe::device
