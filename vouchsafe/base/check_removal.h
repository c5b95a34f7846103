// For tests alone: one check of the catalogue can be made to pass whatever it finds, to see that a
// test needs it. The hook exists only in test programs that link vs_removable (cmake/module.cmake),
// which is result.cpp with VS_CHECK_REMOVAL; the library of every build is without it, and refuses
// to be built with it.
#pragma once

#include <string_view>

namespace vouchsafe::testing {

// RemovedCheck removes the check of this code while it lives: `require` records it as passed.
// `refuse` still refuses: where it is called there is nothing to go on with. One at a time, and not
// while other threads verify. `code` is borrowed.
class RemovedCheck {
  public:
    explicit RemovedCheck(std::string_view code);
    ~RemovedCheck();
    RemovedCheck(const RemovedCheck&) = delete;
    RemovedCheck& operator=(const RemovedCheck&) = delete;
};

}  // namespace vouchsafe::testing
