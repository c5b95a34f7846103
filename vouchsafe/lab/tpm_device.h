// A machine's /dev/tpmrm0: one regular file that is a FUSE file system of its own. Each open of it
// is a space of the machine's TPM (device/tpm_spaces.h); a write is one command, a read its answer,
// as Linux' driver has it (drivers/char/tpm/tpm-dev-common.c). Who holds it open and idle keeps
// nobody waiting. See decision 38.
#pragma once

#include <memory>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

// TpmDevice serves one mounted device by one thread. Thread-safe.
class TpmDevice {
  public:
    // start serves `fuse`, an open /dev/fuse that is mounted on a regular file with the options
    // "fd=N,rootmode=100600,user_id=U,group_id=G" ("allow_other" for users besides U), by a process
    // in whose user namespace the machine's programs are. Every copy of the descriptor in other
    // processes must be closed, or programs of the machine wait for ever once this ends. Code::io
    // or Code::unavailable if the TPM does not answer.
    //
    // Every user sees the file as their own: who may open it, the mount says. Where the namespace
    // has no user 0, nobody may write to it before somebody has looked at it (stat) once.
    static Result<std::unique_ptr<TpmDevice>> start(UniqueFd fuse, const Path& tpm_socket);

    // Ends what runs, at once: programs that wait for an answer get ECONNABORTED or EIO, all others
    // ENOTCONN. Their sessions are flushed, if the TPM answers.
    ~TpmDevice();

    // serving tells whether it still is mounted.
    bool serving() const;

    struct Impl;

  private:
    explicit TpmDevice(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::lab
