#include "vouchsafe/lab/guest.h"

namespace vouchsafe::lab {

struct Guest::Impl {};
Guest::Guest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Guest::~Guest() = default;

Result<std::unique_ptr<Guest>> Guest::start(GuestSpec) {
    return fail(Code::unsupported, "the inside of machines is not built yet");
}
GuestSockets Guest::take_sockets() {
    return {};
}
int Guest::pid() const {
    return 0;
}
bool Guest::running() const {
    return false;
}
Result<void> Guest::set_names(const std::vector<std::string>&) {
    return {};
}

}  // namespace vouchsafe::lab
