// Which entries of a log somebody wants to see.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/audit/log.h"

namespace vouchsafe::audit {

// EntryFilter lets through what fits everything that is set.
struct EntryFilter {
    std::string vault;  // name of the vault that the entry concerns, any case
    std::string actor;  // exactly
    // An action, or the first words of several: "keys" is "keys/release" and "keys/create".
    std::string action;
    std::optional<Time> since, until;  // both included
    std::string request_id;
    std::optional<Outcome> outcome;
    bool not_allowed = false;  // refused or failed

    bool matches(const Entry& entry) const;
};

}  // namespace vouchsafe::audit
