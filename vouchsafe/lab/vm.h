// One virtual machine of a running lab: what it is made of, and how it starts and ends (vms.h).
#pragma once

#include <optional>

#include "vouchsafe/identity/metadata.h"
#include "vouchsafe/lab/machine.h"
#include "vouchsafe/lab/vms.h"

namespace vouchsafe::lab {

// Vm is not thread-safe. It borrows the world.
class Vm {
  public:
    Vm(const Vms::World& world, VmSpec spec);

    // folder_of is where a machine's files are.
    static Path folder_of(const Path& lab, std::string_view vm_id);

    const VmSpec& spec() const { return spec_; }
    // change has it be told differently; what it is made of stays.
    void change(VmSpec spec) { spec_ = std::move(spec); }
    // tell has its metadata service tell what the record says now: who it is, which identities it
    // has. Before start, so that programs in it see nothing else.
    Result<void> tell(const cloud::Resource& record);

    // make makes its folder and its TPM, or finds them, and returns the key of the TPM's state.
    // Without a set of its own and without a TPM there is none.
    cloud::Outcome<std::optional<SecretBytes>> make();
    // start does that, boots, and makes its inside. What was left of an earlier run is ended first.
    // What QEMU boots goes on booting afterwards.
    cloud::Outcome<void> start(const MakeInside& make_inside);
    bool started() const { return started_; }
    // booted tells whether programs run in it.
    bool booted() const { return started_ && (!inside_ || inside_->booted()); }
    void stop();
    // erase stops it and removes its folder.
    Result<void> erase();

    // Why it does not run; "" while it does, or boots.
    std::string ended() const;
    // Why nobody can enter it; "" if somebody can.
    const std::string& closed() const { return closed_; }
    ProcessMark process() const;  // of its inside; pid 0 without one, or before it has booted
    VmInside* inside() { return inside_.get(); }

  private:
    void tell_metadata();
    InsideSpec inside_spec(std::optional<SecretBytes> state_key) const;

    const Vms::World& world_;
    VmSpec spec_;
    const Path folder_;
    identity::Machine told_;
    const std::shared_ptr<identity::Metadata> metadata_;
    std::optional<Machine> machine_;  // its TPM
    std::unique_ptr<VmInside> inside_;
    std::string closed_;
    bool started_ = false;
};

}  // namespace vouchsafe::lab
