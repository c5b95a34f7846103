// DIR/up/machines.json: the virtual machines of a running lab, for other processes that enter or
// show them. Written whole at each change; gone when the lab has ended. After a lab was killed it
// may be left: whether a machine runs says is_running() of its process.
//
//     {"machines": [{"name", "group", "id", "vm_id", "user", "power", "reason", "security_type",
//                    "private_ip", "public_ip", "tier", "pid", "start", "boot"}]}
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/lab/running_lab.h"

namespace vouchsafe::lab {

// A machine's tier is "light" (guest.h) or this one: QEMU boots it (heavy_machine.h).
inline constexpr std::string_view kHeavyTier = "qemu";

struct ListedVm {
    std::string name;
    std::string group;
    std::string id;  // resource id
    std::string vm_id;
    std::string user;
    std::string power;          // starting, running, stopped, deallocated
    std::string reason;         // why it does not run though it should; ""
    std::string security_type;  // ConfidentialVM, TrustedLaunch, Standard
    std::string private_ip;     // "" without
    std::string public_ip;
    std::string tier;
    // The first process of its inside, or QEMU's; pid 0: nobody can enter it.
    ProcessMark process;

    bool heavy() const { return tier == kHeavyTier; }
    bool operator==(const ListedVm&) const = default;
};

Result<void> write_vm_list(const Path& lab, const std::vector<ListedVm>& machines);
// read_vm_list is empty if there is no file. Code::invalid for one that is none of ours.
Result<std::vector<ListedVm>> read_vm_list(const Path& lab);
void remove_vm_list(const Path& lab);

// find_vm takes a machine's name in any letter case, or its public address, and its group where the
// name alone is not enough. Code::not_found; Code::conflict if several have the name.
Result<ListedVm> find_vm(const std::vector<ListedVm>& machines, std::string_view name,
                         std::string_view group = "");

}  // namespace vouchsafe::lab
