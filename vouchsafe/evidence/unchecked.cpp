#include "vouchsafe/evidence/unchecked.h"

namespace vouchsafe::evidence {

Result<void> Unchecked::leave_out(std::string_view name, Checks& checks) {
    bool allowed = allowed_.contains(name);
    TRY(checks.require(allowed, code_, name, "checked, or allowed to be unchecked",
                       allowed ? "allowed to be unchecked" : "nothing to check it with"));
    list_.emplace_back(name);
    return {};
}

}  // namespace vouchsafe::evidence
