// Private to heavy_machine*.cpp: the files that a heavy machine is started with.
#pragma once

#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/machine.h"

namespace vouchsafe::lab {

// The guest's own address in QEMU's network, which is the link-local one, so that the metadata
// service is at its real address; and what QEMU itself takes there.
inline constexpr std::string_view kGuestAddress = "169.254.0.15";
inline constexpr std::string_view kHeavyNetwork = "169.254.0.0/16";
inline constexpr std::string_view kGatewayAddress = "169.254.0.2";
inline constexpr std::string_view kResolverAddress = "169.254.0.3";
inline constexpr size_t kMaxServices = 200;
// service_address is the guest's address of its service number `index`.
std::string service_address(size_t index);

// HeavyFiles names those of a machine. `run` is for sockets, whose paths must be short.
struct HeavyFiles {
    Path folder;
    Path run;

    Path variables() const { return folder / "vars.fd"; }
    Path console_log() const { return folder / "console.log"; }
    Path settings() const { return folder / "settings.cpio"; }
    Path sign_in_key() const { return folder / "id_ed25519"; }
    Path host_key() const { return folder / "host_key"; }
    Path known_hosts() const { return folder / "known_hosts"; }
    Path ssh_config() const { return folder / "ssh_config"; }
    Path state() const { return folder / "state.json"; }
    Path tpm() const { return run / "tpm.ctrl"; }
    Path console() const { return run / "console"; }
    Path control() const { return run / "control"; }
};

// hosts_file is the guest's /etc/hosts.
std::string hosts_file(const HeavySpec& spec, std::string_view machine);

// prepare_files makes what is made once (variables, keys), and the settings of this boot.
Result<void> prepare_files(const HeavySpec& spec, const MachineIdentity& machine,
                           const HeavyFiles& files);
Result<void> write_ssh_config(const HeavyFiles& files, std::string_view machine,
                              std::string_view user, uint16_t port);
Result<void> write_heavy_state(const HeavyFiles& files, const HeavyState& state);

}  // namespace vouchsafe::lab
