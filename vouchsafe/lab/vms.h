// The virtual machines of a running lab, made and ended by the resource manager: each has a folder,
// a software TPM if its kind has one, a metadata service of its own with its identities, and an
// inside in which programs run. That of a machine with the tag vouchsafe.tier=qemu is a virtual
// machine in earnest (heavy_machine.h), which takes a while to boot: it is "starting" meanwhile,
// and nobody waits for it.
//
//     DIR/vms/ID/         one machine; ID is its vmId
//       machine/          its software TPM (machine.h); heavy/ in it is QEMU's (heavy_machine.h)
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

// HeavyPlan is what QEMU boots.
struct HeavyPlan {
    Path machine;                          // folder of its software TPM, which does not run
    std::optional<SecretBytes> state_key;  // of that TPM's state
};

// InsideSpec is what the inside of one machine is made of.
struct InsideSpec {
    GuestSpec guest;                 // without ca_pem and names: who makes it knows them
    net::Handler metadata;           // the machine's own; owns what it needs
    std::optional<Path> tpm;         // socket of its software TPM
    std::optional<HeavyPlan> heavy;  // QEMU boots it, and starts its TPM
};

// VmInside is the inside of one machine, from the beginning of its boot; destroying it ends all in
// it. Thread-safe.
class VmInside {
  public:
    virtual ~VmInside() = default;
    virtual int pid() const = 0;  // of its first process; 0 before it has booted
    virtual bool booted() const = 0;
    // ended says why it does not run any more, or did not boot; "" otherwise.
    virtual std::string ended() const = 0;
    // names_changed: the hosts that it finds are others now. Does not wait.
    virtual void names_changed() = 0;
};

// MakeInside does not wait for a boot. It fails with Code::unsupported where this computer has no
// insides of the kind: light machines run without one then, and nobody can enter them; those for
// QEMU are refused.
using MakeInside = std::function<Result<std::unique_ptr<VmInside>>(InsideSpec)>;

// Vms is thread-safe. put, remove and act are effects (cloud/effects.h): repeating one finds what
// it did. One of them waits while its machine is made or ended; others go on.
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
