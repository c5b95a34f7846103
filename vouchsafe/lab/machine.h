// A local stand-in for a confidential VM: a software TPM (swtpm) provisioned as Azure's paravisor
// does it, with a simulated processor and a recorded real boot in its registers (local-cvm 2).
// It shows the protocol; it protects nothing from the owner of this computer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/lab/simulated_root.h"

namespace vouchsafe::lab {

// Held in its folder while a machine runs, light or heavy.
inline constexpr std::string_view kMachineLock = "lock";

// MachineKind is Azure's security type. A trusted_launch machine has a virtual TPM with an
// attestation key and its certificate, and no report of a processor: no HCL report, no VCEK.
enum class MachineKind { confidential, trusted_launch };
std::string_view machine_kind_name(MachineKind kind);  // "confidential", "trusted_launch"

struct MachineSpec {
    MachineKind kind = MachineKind::confidential;
    std::string name = "vm";      // letters, digits, '-'; at most 64
    std::string vm_id;            // GUID; "": a fresh one
    std::string principal_id;     // of its managed identity (GUID); "": a fresh one
    bool secure_boot = true;      // the recorded boot, and what the report's claims say
    bool allow_debug = false;     // the SNP policy's debug bit
    uint32_t report_version = 2;  // 2 or 3
    // A register that is extended once more after the boot, at every start: the machine no longer
    // is in the state its event log tells.
    std::optional<uint32_t> extend_after_boot;
    // What its metadata service tells about it and nobody else reads; "": what this lab's machines
    // have (identity::Machine).
    std::string location;
    std::string vm_size;
    std::string subscription_id;  // GUID
    std::string resource_group;
    std::string resource_id;  // "/subscriptions/.../virtualMachines/{name}"
};

inline constexpr size_t kStateKeySize = 32;

// MachineIdentity is what the host knows of a machine: for its metadata service.
struct MachineIdentity {
    MachineSpec spec;           // vm_id and principal_id filled in
    bool state_key = false;     // its TPM's state is encrypted
    std::string vcek_pem;       // THIM's `vcekCert`; "" for a trusted_launch machine
    std::string chain_pem;      // THIM's `certificateChain`: ASK, then ARK; "" likewise
    uint64_t reported_tcb = 0;  // THIM's `tcbm`
};

// The recorded boots are part of the program (lab/data): Debian 12 under OVMF, with Secure Boot on
// (shim, grub) and off (unified kernel image).
ByteView boot_recording(bool secure_boot);

// Machine is one machine and its folder. The software TPM is a child of this process and ends with
// it, however it ends; its state stays in the folder. Not thread-safe; different machines may be
// used in parallel.
class Machine {
  public:
    // create provisions a new machine in `dir` (made, mode 0700), bound to `root`; it is not
    // running afterwards. Code::conflict if `dir` exists, unless a process that was ended while it
    // made a machine left it; Code::unavailable without swtpm. Nothing is left behind on failure.
    // With `state_key` (kStateKeySize random bytes) the TPM's state is
    // encrypted where it is stored, AES-256-CBC with a MAC by swtpm; the folder does not have the
    // key.
    static Result<Machine> create(const MachineSpec& spec, const Path& dir,
                                  const SimulatedRoot& root, Time now,
                                  const SecretBytes* state_key = nullptr);
    // open reads a machine that create made. Code::not_found if there is none.
    static Result<Machine> open(const Path& dir);
    ~Machine();  // stops it
    Machine(Machine&&) noexcept;
    Machine& operator=(Machine&&) noexcept;

    // start boots: starts the TPM and extends the recorded event log into its registers, all
    // banks. Code::conflict if it is running, here or in another process. `state_key` is the one
    // that the machine was made with: Code::invalid without it, or if the machine was made without
    // one; Code::forbidden if the state does not open with it.
    Result<void> start(const SecretBytes* state_key = nullptr);
    // stop ends the TPM and removes its sockets. Idempotent.
    void stop();
    bool running() const;

    const Path& dir() const;
    const MachineIdentity& identity() const;
    // While it runs:
    std::string tcti() const;           // for device::Tpm::open
    std::vector<Path> sockets() const;  // the TPM's two sockets, for a sandbox
    Path event_log_path() const;        // the firmware's event log, as a file of the folder

  private:
    struct Impl;
    explicit Machine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::lab
