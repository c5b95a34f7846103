#include "vouchsafe/lab/ssh_files.h"

#include "vouchsafe/lab/guest_settings.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/process_child.h"
#include "vouchsafe/lab/scratch_file.h"

namespace vouchsafe::lab {

namespace {

constexpr const char* kSshPrograms[] = {"ssh", "scp", "sftp"};
// az keeps the keys that it generates below $HOME; ssh would look in the home of the password file.
constexpr std::string_view kHost = R"(Host {addresses}
    ProxyCommand {program} vm connect --dir {lab} %h
    UserKnownHostsFile {known}
    HostKeyAlgorithms ssh-ed25519
    IdentityFile ${{HOME}}/.ssh/id_rsa
    IdentityFile ${{HOME}}/.ssh/id_ed25519
    IdentityFile ${{HOME}}/.ssh/id_ecdsa
)";
constexpr std::string_view kHead = "# The machines of a lab; written anew whenever they change.\n";
constexpr std::string_view kTail =
    "Host *\n    Include ~/.ssh/config\n    Include /etc/ssh/ssh_config\n";

bool is_reachable(const ListedVm& machine) {
    return !machine.public_ip.empty();
}

// shell_word is a text that a shell takes as one word, as it is.
std::string shell_word(std::string_view text) {
    std::string out = "'";
    for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

// ssh_word is the same in ssh's configuration (ssh_config(5)).
std::string ssh_word(std::string_view text) {
    std::string out = "\"";
    for (char c : text) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    return out + "\"";
}

std::string doubled(std::string_view text) {
    std::string out;
    for (char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
    return out;
}

std::string ssh_config(const Path& lab, const std::vector<ListedVm>& machines,
                       const std::string& program) {
    std::string addresses;
    for (const ListedVm& machine : machines) {
        if (is_reachable(machine)) addresses += " " + machine.public_ip;
    }
    std::string out(kHead);
    if (!addresses.empty()) {
        const std::string known = (LabFiles(lab).folder() / "known_hosts").string();
        // ProxyCommand is a shell's line, all others are ssh's; in both a percent sign is doubled.
        out += fmt::format(kHost, fmt::arg("addresses", addresses.substr(1)),
                           fmt::arg("program", doubled(shell_word(program))),
                           fmt::arg("lab", doubled(shell_word(lab.string()))),
                           fmt::arg("known", doubled(ssh_word(known))));
    }
    return out + std::string(kTail);
}

// host_key_of is a machine's public host key; an error if it has none yet.
Result<std::string> host_key_of(const Path& lab, const ListedVm& machine) {
    constexpr size_t kMaxKey = 4096;
    const LabFiles files(lab);
    if (machine.heavy()) return read_heavy_host_key(files.machine(machine.vm_id));
    const Path key = GuestFiles(files.disk(machine.vm_id)).ssh() / "ssh_host_ed25519_key.pub";
    const std::string text = TRY(read_text_file(key, kMaxKey));
    return text.substr(0, text.find('\n'));
}

std::string known_hosts(const Path& lab, const std::vector<ListedVm>& machines) {
    std::string out;
    for (const ListedVm& machine : machines) {
        if (!is_reachable(machine)) continue;
        auto key = host_key_of(lab, machine);
        if (key) out += fmt::format("{} {}\n", machine.public_ip, *key);
    }
    return out;
}

}  // namespace

Result<void> write_ssh_files(const Path& lab, const std::vector<ListedVm>& machines) {
    const LabFiles files(lab);
    std::error_code error;
    const Path self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail(Code::io, "cannot find this program: {}", error.message());
    TRY(write_scratch_file(files.folder() / "known_hosts", known_hosts(lab, machines), 0600));
    TRY(write_scratch_file(files.folder() / "ssh_config", ssh_config(lab, machines, self.string()),
                           0600));
    TRY(make_private_dir(files.programs()));
    for (const char* name : kSshPrograms) {
        auto found = find_program(name);
        // Not ourselves, if this lab was started with the variables of a lab.
        if (!found || Path(*found).parent_path() == files.programs()) continue;
        const std::string config = (files.folder() / "ssh_config").string();
        const std::string script = fmt::format("#!/bin/sh\nexec {} -F {} \"$@\"\n",
                                               shell_word(*found), shell_word(config));
        TRY(write_scratch_file(files.programs() / name, script, 0700));
    }
    return {};
}

}  // namespace vouchsafe::lab
