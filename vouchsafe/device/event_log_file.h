// The firmware's event log as the kernel offers it (guest-protocol 1.4).
#pragma once

#include <optional>

#include "vouchsafe/base/file.h"

namespace vouchsafe::device {

inline constexpr std::string_view kEventLogPath =
    "/sys/kernel/security/tpm0/binary_bios_measurements";

// read_event_log returns the log's bytes; nullopt if there is no such file or it has no bytes (both
// occur on real machines, and mean that the kernel was given no log). Any other failure is an
// error: Code::forbidden without the right to read it, Code::invalid above 4 MiB.
Result<std::optional<Bytes>> read_event_log(const Path& path = Path(kEventLogPath));

}  // namespace vouchsafe::device
