// The lab's services behind one front door, under Azure's own host names: what `vouchsafe up` runs.
// Unmodified clients need nothing but proxy variables and the lab's authority (client_variables).
#pragma once

#include "vouchsafe/lab/services.h"
#include "vouchsafe/net/front_door.h"

namespace vouchsafe::lab {

struct LabDoorOptions {
    uint16_t port = 0;  // 0: any free port
    bool pass_through = false;
    std::function<void(const net::DoorEvent&)> on_event = nullptr;
};

// LabDoor runs until it is destroyed. Thread-safe.
class LabDoor {
  public:
    // start listens before it returns. Errors as for net::Server::start. Borrows everything.
    static Result<std::unique_ptr<LabDoor>> start(const DataDirectory& directory,
                                                  Services& services, const Clock& clock,
                                                  LabDoorOptions options);

    uint16_t port() const { return door_->port(); }
    // hosts are the names that are served now, as HostTable::names.
    std::vector<std::string> hosts() const { return door_->hosts(); }

    // These are net::FrontDoor's. A host that is set answers before the lab's own patterns.
    Result<uint64_t> add_entrance(net::Entrance entrance) {
        return door_->add_entrance(std::move(entrance));
    }
    void remove_entrance(uint64_t id) { door_->remove_entrance(id); }
    void set_host(const std::string& name, net::HostTable::Host host) {
        door_->set_host(name, std::move(host));
    }
    void remove_host(const std::string& name) { door_->remove_host(name); }

    ~LabDoor();  // ends the machines

    // run_machines is Services' one, with insides that find the lab's hosts by this door
    // (vm_inside.h).
    Result<void> run_machines(Vms::Tell tell);

  private:
    LabDoor() = default;
    Services* services_ = nullptr;
    bool runs_machines_ = false;
    std::string ca_pem_;
    std::unique_ptr<identity::Metadata> no_machine_;
    std::unique_ptr<net::FrontDoor> door_;  // last: stops before what it serves goes away
};

// client_variables are the environment in which az, Azure's SDKs, curl and this program use the lab
// of the directory `lab`, through its door on `port`. The real service cannot be reached by
// accident with them: clients trust the lab's authority alone, unless the door passes through.
std::vector<std::pair<std::string, std::string>> client_variables(const Path& lab, uint16_t port);

// write_client_files writes what client_variables point to: the authority, with the system's own
// beside it if the door passes through, and a site file.
Result<void> write_client_files(const DataDirectory& directory, bool pass_through);

}  // namespace vouchsafe::lab
