// What a verification leaves out for want of collateral, and only if its caller named it
// (docs/decisions/0010-not-checked.md).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::evidence {

class Unchecked {
  public:
    // `code` is the check that refuses what is not in `allowed`; a literal.
    Unchecked(std::string_view code, std::set<std::string, std::less<>> allowed)
        : code_(code), allowed_(std::move(allowed)) {}

    // leave_out records that `name` was not checked, or refuses.
    Result<void> leave_out(std::string_view name, Checks& checks);

    // list names what was left out, in order.
    const std::vector<std::string>& list() const { return list_; }

  private:
    std::string_view code_;
    std::set<std::string, std::less<>> allowed_;
    std::vector<std::string> list_;
};

}  // namespace vouchsafe::evidence
