// The virtual machines of a running lab, made and ended by the resource manager: each has a folder,
// a software TPM if its kind has one, a metadata service of its own with its identities, and an
// inside in which programs run.
//
//     DIR/vms/ID/         one machine; ID is its vmId
//       machine/          its software TPM (machine.h)
//       state.key*        the key of the TPM's state (vm_keys.h)
//       disk/             its inside's files (guest.h)
//
// The resource manager's records are the one truth about which machines there are and which of them
// shall run. A folder without a record is removed, and a record without a folder gets one: a lab
// that was killed at any moment goes on with what it says it has. See decision 41.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/cloud/effects.h"
#include "vouchsafe/lab/guest.h"
#include "vouchsafe/lab/simulated_root.h"
#include "vouchsafe/lab/vm_keys.h"
#include "vouchsafe/lab/vm_list.h"

namespace vouchsafe::lab {

// InsideSpec is what the inside of one machine is made of.
struct InsideSpec {
    GuestSpec guest;          // without ca_pem and names: who makes it knows them
    net::Handler metadata;    // the machine's own; owns what it needs
    std::optional<Path> tpm;  // socket of its software TPM
};

// VmInside is the running inside of one machine; destroying it ends all in it.
class VmInside {
  public:
    virtual ~VmInside() = default;
    virtual int pid() const = 0;  // of its first process
    virtual bool running() const = 0;
    // names_changed: the hosts that it finds are others now.
    virtual void names_changed() = 0;
};

// MakeInside fails with Code::unsupported where this computer has no insides: machines run without
// one then, and nobody can enter them.
using MakeInside = std::function<Result<std::unique_ptr<VmInside>>(InsideSpec)>;

// Vms is thread-safe. put, remove and act are effects (cloud/effects.h): repeating one finds what
// it did. One of them waits while its machine is on its way; others go on.
class Vms {
  public:
    struct World {
        Path lab;  // the data directory
        const SimulatedRoot& root;
        const Clock& clock;
        identity::Service& identity;
        net::Handler vault;  // of all vaults
        FindResource find;   // what the resource manager has
    };
    // Tell gets, as a sentence, what happens to a machine without having been asked for. By any
    // thread.
    using Tell = std::function<void(const std::string& machine, const std::string& what)>;
    explicit Vms(World world);
    ~Vms();  // ends all

    // begin runs machines from now on, with such insides: those of `machines`, all there are, that
    // shall run are started by threads of their own, and folders of others are removed. Until then
    // put makes machines and starts none.
    Result<void> begin(const std::vector<cloud::Resource>& machines, MakeInside make_inside,
                       Tell tell = nullptr);
    // end stops all machines, and starts none any more. Idempotent.
    void end();

    // put makes a machine and runs it, or tells the one there is what changed: its identities, its
    // size, its addresses.
    cloud::Outcome<void> put(const cloud::Resource& machine);
    cloud::Outcome<void> remove(const cloud::Resource& machine);
    // "start", "powerOff", "deallocate", "restart", "redeploy"
    cloud::Outcome<void> act(const cloud::Resource& machine, std::string_view action);

    // is_free tells that no machine of 'vouchsafe vm create' has this id, and an identity by it.
    bool is_free(const cloud::Resource& machine) const;

    std::optional<cloud::Effects::Condition> condition(const cloud::Resource& machine) const;
    std::vector<ListedVm> list() const;  // by name
    // find: Code::not_found, Code::conflict as find_vm.
    Result<ListedVm> find(std::string_view name, std::string_view group = "") const;
    // names_changed has all insides told, a moment later.
    void names_changed();

    struct Impl;  // vms.cpp

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::lab
