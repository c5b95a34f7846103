// The virtual machines of a running lab, as a file that other processes read: DIR/up/machines.json.
// It tells them where each machine's inside is, so that they can enter it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/lab/running_lab.h"

namespace vouchsafe::lab {

struct ListedMachine {
    std::string name;
    std::string group;  // its resource group
    std::string resource_id;
    std::string vm_id;     // GUID; its folder is DIR/vms/{vm_id}
    std::string user;      // who it belongs to, inside
    std::string power;     // "running", "stopped", "deallocated", "starting", "failed"
    std::string security;  // "ConfidentialVM", "TrustedLaunch", "Standard"
    std::string tier;      // "light", "qemu"
    std::string private_address;
    std::string public_address;        // "": none
    std::string reason;                // why it failed
    std::optional<ProcessMark> first;  // the first process of a light machine's inside
};

// write_machine_list replaces the file as a whole.
Result<void> write_machine_list(const Path& lab, const std::vector<ListedMachine>& machines);
// read_machine_list is empty if no lab ever ran in `lab`. Machines whose first process is gone are
// "stopped". Code::invalid for a file that is none of ours.
Result<std::vector<ListedMachine>> read_machine_list(const Path& lab);

// find_machine finds one by its name, by its name in a group, or by its public address. Code::
// not_found with the names there are; Code::conflict if several groups have the name.
Result<ListedMachine> find_machine(const Path& lab, const std::string& name,
                                   const std::string& group);

}  // namespace vouchsafe::lab
