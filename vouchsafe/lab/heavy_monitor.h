// Private to heavy_machine*.cpp: QEMU's monitor protocol (QMP), as far as a machine's life needs
// it.
#pragma once

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::lab {

// Monitor is one connection; QEMU serves one at a time, so keep it short. Not thread-safe.
class Monitor {
  public:
    // connect fails with Code::unavailable if QEMU does not answer within a second.
    static Result<Monitor> connect(const Path& socket);
    // ask runs a command without arguments and returns what it gives.
    Result<Json> ask(std::string_view command);

  private:
    explicit Monitor(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<std::string> line();
    UniqueFd fd_;
    std::string read_;
};

}  // namespace vouchsafe::lab
