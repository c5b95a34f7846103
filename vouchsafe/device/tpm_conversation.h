// One conversation with a software TPM: connect to its socket, ask, hang up. swtpm serves one
// connection at a time, so whoever holds one keeps everybody else waiting.
#pragma once

#include <chrono>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/device/tpm_command.h"

namespace vouchsafe::device {

// TpmConversation is one connection. Not thread-safe.
class TpmConversation {
  public:
    using Clock = std::chrono::steady_clock;

    // begin connects and waits for its turn. It, and each ask, end with Code::unavailable when
    // `stop` (an eventfd, borrowed for as long as the conversation lasts; -1: none) becomes
    // readable or `deadline` has passed, with Code::io if nobody serves the socket.
    static Result<TpmConversation> begin(const Path& socket, int stop, Clock::time_point deadline);

    // ask sends a command and returns the whole answer. Code::io if the TPM goes away.
    Result<TpmAnswer> ask(ByteView command, bool brings_handle = false);

    // pause waits, and is ended as ask is.
    Result<void> pause(std::chrono::milliseconds time);

  private:
    TpmConversation(UniqueFd socket, int stop, Clock::time_point deadline)
        : socket_(std::move(socket)), stop_(stop), deadline_(deadline) {}
    Result<void> wait_for(short events);
    Result<void> send_all(ByteView bytes);
    Result<void> receive(Bytes& out, size_t size);

    UniqueFd socket_;
    int stop_;
    Clock::time_point deadline_;
};

}  // namespace vouchsafe::device
