// The inside of a machine, connected: namespaces (guest.h), the lab's hosts and the machine's own
// metadata service at its two sockets, by entrances of the front door, and its TPM at /dev/tpmrm0.
// Those of machines that QEMU boots are in vm_heavy.h.
#pragma once

#include "vouchsafe/lab/vms.h"
#include "vouchsafe/net/front_door.h"

namespace vouchsafe::lab {

struct InsideWorld {
    net::FrontDoor& door;
    std::string ca_pem;  // that programs inside trust
    // The hosts that they find.
    std::function<std::vector<std::string>()> names;
};

// insides_behind makes insides of both kinds. They must end before the door does.
MakeInside insides_behind(InsideWorld world);

}  // namespace vouchsafe::lab
