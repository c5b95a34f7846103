// What lets `ssh` and `scp` find the machines of a running lab by their public addresses:
//
//     DIR/up/ssh_config   the machines, then the user's own settings
//     DIR/up/known_hosts  the machines' host keys
//     DIR/up/bin/         ssh, scp and sftp with that configuration, for the front of a PATH
#pragma once

#include "vouchsafe/lab/vm_list.h"

namespace vouchsafe::lab {

// write_ssh_files is repeated when the list has changed. Programs of OpenSSH that are not installed
// are left out.
Result<void> write_ssh_files(const Path& lab, const std::vector<ListedVm>& machines);

}  // namespace vouchsafe::lab
