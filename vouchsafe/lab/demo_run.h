// What the steps of the demo share (demo.cpp, demo_refusals.cpp).
#pragma once

#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/lab/demo.h"

namespace vouchsafe::lab {

inline constexpr std::string_view kKeyName = "KeyEncryptionKey";

// DemoGuest is one machine with its metadata service, and the folder its guest process may write
// to.
struct DemoGuest {
    Machine machine;
    std::string metadata_address;
    std::string principal;  // object id of its identity
    Path out;
};

// GuestRun says how the guest process is started.
struct GuestRun {
    Path sealed;  // the data it is given
    std::string attestation_url{kAttestationUrl};
    std::string attestation_address;  // "": the lab's own service
};

struct GuestResult {
    Finished finished;
    SandboxReport sandbox;
    std::vector<Json> events;  // the guest's own account, from its stdout
    Json error;                // from its stderr, if it failed
};

// DemoRun holds the parts in the order they depend on each other.
struct DemoRun {
    const DemoOptions& options;
    const Clock& clock;
    const DemoObserver& observer;

    std::unique_ptr<TemporaryDir> temporary;
    Path work;
    std::unique_ptr<DataDirectory> directory;
    std::unique_ptr<Services> services;
    vault::VaultInfo vault;
    std::string key_id;  // with version
    Path sealed;         // native format
    Path pair;           // NAME.enc, NAME.key beside it

    // make_guest creates a machine of its own folder, starts it and its metadata service.
    Result<std::unique_ptr<DemoGuest>> make_guest(const MachineSpec& spec,
                                                  const SimulatedRoot& root);
    Result<void> allow_release(const DemoGuest& guest);
    // run_guest runs `train` on the sealed data in the machine, confined.
    Result<GuestResult> run_guest(DemoGuest& guest, const GuestRun& run);
};

// run_refusals is step 6.
Result<void> run_refusals(DemoRun& run);

}  // namespace vouchsafe::lab
