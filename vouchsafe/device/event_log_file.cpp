#include "vouchsafe/device/event_log_file.h"

#include "vouchsafe/evidence/boot/event_log.h"

namespace vouchsafe::device {

Result<std::optional<Bytes>> read_event_log(const Path& path) {
    Result<Bytes> bytes = read_file(path, evidence::kMaxEventLogSize);
    if (!bytes && bytes.error().code == Code::not_found) return std::optional<Bytes>();
    Bytes log = TRY(std::move(bytes));
    if (log.empty()) return std::optional<Bytes>();
    return std::optional<Bytes>(std::move(log));
}

}  // namespace vouchsafe::device
