#include "vouchsafe/audit/filter.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::audit {

namespace {

// part_before tells what stands at the beginning of `text`, up to one of the letters in `ends`.
std::string_view part_before(std::string_view text, std::string_view ends) {
    return text.substr(0, text.find_first_of(ends));
}

// vault_of finds the vault in the forms that resources have: "https://NAME.suffix/...", the
// resource manager's ".../vaults/NAME/...", and the bare name.
std::string_view vault_of(std::string_view resource) {
    constexpr std::string_view kScheme = "https://";
    constexpr std::string_view kVaults = "/vaults/";
    if (resource.starts_with(kScheme)) {
        return part_before(resource.substr(kScheme.size()), "./:");
    }
    const size_t at = resource.find(kVaults);
    if (at != std::string_view::npos) return part_before(resource.substr(at + kVaults.size()), "/");
    return part_before(resource, "/ ");
}

bool action_fits(std::string_view action, std::string_view wanted) {
    return action == wanted || (action.starts_with(wanted) && action[wanted.size()] == '/');
}

}  // namespace

bool EntryFilter::matches(const Entry& entry) const {
    if (!vault.empty() && !equal_ignore_case(vault_of(entry.resource), vault)) return false;
    if (!actor.empty() && entry.actor != actor) return false;
    if (!action.empty() && !action_fits(entry.action, action)) return false;
    if (since && entry.time < *since) return false;
    if (until && entry.time > *until) return false;
    if (!request_id.empty() && entry.request_id != request_id) return false;
    if (outcome && entry.outcome != *outcome) return false;
    return !not_allowed || entry.outcome != Outcome::allowed;
}

}  // namespace vouchsafe::audit
