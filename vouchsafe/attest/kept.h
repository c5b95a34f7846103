// Telling again the checks of what is kept verified (base/kept.h).
#pragma once

#include "vouchsafe/base/check.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/kept.h"

namespace vouchsafe::attest {

// made_again lists checks that were made before, at `now`, which is within all their dates.
inline std::vector<Check> made_again(std::vector<Check> checks, Time now) {
    const std::string time = format_rfc3339(now);
    for (Check& check : checks) {
        if (check.code.ends_with("-DATES")) check.found = time;
    }
    return checks;
}

// made_since lists the checks behind the first `before`.
inline std::vector<Check> made_since(const Checks& checks, size_t before) {
    return {checks.list().begin() + static_cast<ptrdiff_t>(before), checks.list().end()};
}

}  // namespace vouchsafe::attest
