// A heavy machine: a light machine's identity (its TPM with attestation key, report and
// certificate) booted for real. QEMU runs the firmware OVMF, which checks signatures (Secure Boot)
// and measures into the software TPM what it starts; the guest is a Linux kernel with ssh. Its
// event log, registers and quotes are those of this boot. See local-cvm 3 and decision 40.
//
//     DIR/heavy/vars.fd         the firmware's variables, with the keys of Secure Boot or empty
//     DIR/heavy/console.log     what the serial console printed at the last boot
//     DIR/heavy/id_ed25519      a key that may sign in, host_key the guest's own, known_hosts
//     DIR/heavy/ssh_config      for ssh -F, while it runs
//     DIR/heavy/state.json      process, port and sockets, while it runs
//
// The network is QEMU's own: the guest reaches the services it was given and nothing else, and of
// the host's side only its ssh port can be reached.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/lab/running_lab.h"

namespace vouchsafe::lab {

// HeavyService is something of the host's that the guest reaches. `target` is "127.0.0.1:PORT" or
// "unix:/path".
struct HeavyService {
    std::vector<std::string> names;  // hosts that the guest finds, at one address, port 443
    std::string target;
};

enum class Accelerator { automatic, emulation };

struct HeavySpec {
    Path folder;  // of the machine, as Machine::create made it; whether Secure Boot is on says it
    Path image;   // build_heavy_image
    // The key of its TPM's state, if it was made with one. Borrowed during start.
    const SecretBytes* state_key = nullptr;
    std::string user = "azureuser";            // its only user beside root
    std::vector<std::string> authorized_keys;  // lines as in ~/.ssh/authorized_keys
    std::vector<std::string> addresses;        // its IPv4 addresses in its virtual network
    std::string ca_pem;                        // the authorities that its programs trust
    std::string metadata;                      // target of its metadata service; "": none
    std::vector<HeavyService> services;
    uint16_t ssh_port = 0;  // on 127.0.0.1; 0: any free one
    unsigned memory_mib = 384;
    // KVM if it boots, else emulation.
    Accelerator accelerator = Accelerator::automatic;
    // The command that joins its standard input and output to a target, its last word: relay().
    std::vector<std::string> relay;
    std::chrono::seconds limit{180};  // for one boot
    // Asked again and again while start and set_names wait; true: give up.
    std::function<bool()> cancelled = [] { return false; };
    std::function<void(std::string_view)> progress = [](std::string_view) {};
};

// HeavyState is a running heavy machine, as other processes find it.
struct HeavyState {
    ProcessMark process;  // QEMU's
    ProcessMark owner;    // who started it
    uint16_t ssh_port = 0;
    Path console;  // unix socket of the serial console; one client at a time
    Path control;  // unix socket of QEMU's monitor protocol
};

// check_heavy_spec refuses with Code::invalid what would be something else inside: names with
// blanks, keys of several lines, addresses and users that are none.
Result<void> check_heavy_spec(const HeavySpec& spec);

// read_heavy_state is nullopt if the machine in `folder` does not run.
Result<std::optional<HeavyState>> read_heavy_state(const Path& folder);
// press_power asks the guest to end, as its power button does, and waits; after `grace` the machine
// is switched off. Code::conflict if it does not run.
Result<void> press_power(const Path& folder, std::chrono::milliseconds grace);

// The files of a heavy machine.
Path heavy_folder(const Path& machine);
Path heavy_ssh_config(const Path& machine);
Path heavy_console_log(const Path& machine);
// read_heavy_host_key is the guest's public host key, as in known_hosts but without the names.
// Code::not_found before its first boot.
Result<std::string> read_heavy_host_key(const Path& machine);
// heavy_ssh is the command that enters it as its user: "ssh ... NAME", without a command for
// inside. Code::not_found if there is no machine.
Result<std::vector<std::string>> heavy_ssh(const Path& machine);

// HeavyMachine is a running one. QEMU, software TPM and relays are children of this process and end
// with it, however it ends. Thread-safe but for stop and set_names.
class HeavyMachine {
  public:
    // start returns when the guest's ssh server is there. Code::conflict if the machine runs, here
    // or as a light one; Code::forbidden if the firmware refused the image (Secure Boot);
    // Code::unavailable with the end of the console if nothing came within the limit, a program
    // is missing, or it was cancelled; Code::invalid for a spec that is none. Nothing runs on after
    // a failure.
    static Result<std::unique_ptr<HeavyMachine>> start(HeavySpec spec);
    ~HeavyMachine();  // switches it off

    const HeavyState& state() const;
    bool secure_boot() const;
    bool accelerated() const;                     // by KVM
    std::chrono::milliseconds boot_time() const;  // until ssh was there
    bool running() const { return ended().empty(); }
    // ended says why it does not run any more: its guest ended it, or QEMU or its TPM died. ""
    // while it runs.
    std::string ended() const;
    // set_names has the guest find its service number `service` under these names instead of those
    // before, by a command over ssh. Code::unavailable if the guest does not take it.
    Result<void> set_names(size_t service, std::vector<std::string> names);
    // stop is press_power; idempotent.
    void stop(std::chrono::milliseconds grace = std::chrono::seconds(10));

    struct Impl;

  private:
    explicit HeavyMachine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// relay copies between the descriptors and what listens at `target`, until both sides ended. Errors
// are those of connecting.
Result<void> relay(int in, int out, const std::string& target);

}  // namespace vouchsafe::lab
