// A local stand-in for a confidential VM: a software TPM (swtpm) provisioned as Azure's paravisor
// does it, with a simulated processor and a recorded real boot in its registers (local-cvm 2).
// It shows the protocol; it protects nothing from the owner of this computer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/lab/simulated_root.h"

namespace vouchsafe::lab {

struct MachineSpec {
    std::string name = "vm";      // letters, digits, '-'; at most 64
    std::string vm_id;            // GUID; "": a fresh one
    std::string principal_id;     // of its managed identity (GUID); "": a fresh one
    bool secure_boot = true;      // the recorded boot, and what the report's claims say
    bool allow_debug = false;     // the SNP policy's debug bit
    uint32_t report_version = 2;  // 2 or 3
    // A register that is extended once more after the boot, at every start: the machine no longer
    // is in the state its event log tells.
    std::optional<uint32_t> extend_after_boot;
};

// MachineIdentity is what the host knows of a machine: for its metadata service.
struct MachineIdentity {
    MachineSpec spec;           // vm_id and principal_id filled in
    std::string vcek_pem;       // THIM's `vcekCert`
    std::string chain_pem;      // THIM's `certificateChain`: ASK, then ARK
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
    // running afterwards. Code::conflict if `dir` exists, Code::unavailable without swtpm. Nothing
    // is left behind on failure.
    static Result<Machine> create(const MachineSpec& spec, const Path& dir,
                                  const SimulatedRoot& root, Time now);
    // open reads a machine that create made. Code::not_found if there is none.
    static Result<Machine> open(const Path& dir);
    ~Machine();  // stops it
    Machine(Machine&&) noexcept;
    Machine& operator=(Machine&&) noexcept;

    // start boots: starts the TPM and extends the recorded event log into its registers, all
    // banks. Code::conflict if it is running, here or in another process.
    Result<void> start();
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
