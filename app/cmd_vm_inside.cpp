#include "app/cmd_vm_inside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "app/interrupt.h"
#include "app/lab_directory.h"
#include "app/launch.h"
#include "app/show.h"
#include "vouchsafe/lab/guest.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/terminal_relay.h"

namespace vouchsafe::app {

namespace {

struct InsideCommand {
    std::string dir;
    std::string group;
    std::string name;
    std::vector<std::string> words;
};

// Found is a machine of a running lab.
struct Found {
    Path lab;
    lab::ListedVm vm;
};

Result<Found> find(const InsideCommand& command, const std::string& name) {
    const Path path = lab_directory(command.dir);
    if (!TRY(find_running(path))) {
        return fail(Code::unavailable, "the lab in {} does not run: start it with 'vouchsafe up'",
                    path.string());
    }
    const auto machines = TRY(lab::read_vm_list(path));
    lab::ListedVm vm = TRY(lab::find_vm(machines, name, command.group));
    return Found{path, std::move(vm)};
}

// LeftInterrupts leaves Ctrl-C to a program inside while it lives.
class LeftInterrupts {
  public:
    LeftInterrupts() { leave_interrupts_to_child(true); }
    ~LeftInterrupts() { leave_interrupts_to_child(false); }
    LeftInterrupts(const LeftInterrupts&) = delete;
    LeftInterrupts& operator=(const LeftInterrupts&) = delete;
};

Result<void> check_enterable(const lab::ListedVm& machine) {
    if (machine.process.pid != 0 && lab::is_running(machine.process)) return {};
    return fail(Code::unavailable, "the machine {} is {}{}", machine.name, machine.power,
                machine.reason.empty() ? "" : ": " + machine.reason);
}

// quoted_for_shell has a shell inside read a word as it is.
std::string quoted_for_shell(std::string_view word) {
    std::string out = "'";
    for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

// run_by_ssh runs a command in a machine that QEMU boots; without words a shell. A terminal on both
// sides is one inside, too.
Result<int> run_by_ssh(const Found& found, const lab::GuestCommand& command) {
    const Path machine = lab::LabFiles(found.lab).machine(found.vm.vm_id);
    std::vector<std::string> words = TRY(lab::heavy_ssh(machine));
    const bool terminal = ::isatty(command.in) == 1 && ::isatty(command.out) == 1;
    words.insert(words.begin() + 1, {"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o",
                                     "LogLevel=ERROR", terminal ? "-t" : "-T"});
    std::string line;
    for (const std::string& word : command.argv) line += quoted_for_shell(word) + " ";
    if (!line.empty()) words.push_back(std::move(line));
    LeftInterrupts left;
    return run_child(words, command.in, command.out, command.err);
}

Result<int> run_inside_of(const Found& found, lab::GuestCommand command) {
    const lab::ListedVm& machine = found.vm;
    TRY(check_enterable(machine));
    if (machine.heavy()) return run_by_ssh(found, command);
    command.env = lab::guest_environment(machine.user);
    for (const char* name : {"TERM", "COLORTERM"}) {
        const char* value = std::getenv(name);
        if (value != nullptr) command.env.push_back(fmt::format("{}={}", name, value));
    }
    command.directory = "/home/" + machine.user;
    // Where Ctrl-C comes to the program as a byte, a signal is for us.
    std::optional<LeftInterrupts> left;
    if (!lab::takes_raw_terminal(command.in, command.out)) left.emplace();
    return lab::run_in_guest(machine.process, command);
}

Result<int> run_shell(const InsideCommand& command) {
    const Found found = TRY(find(command, command.name));
    lab::GuestCommand shell;
    if (!found.vm.heavy()) shell.argv = {"/bin/bash", "-l"};
    return run_inside_of(found, std::move(shell));
}

// connect_to_heavy joins us to the server of a machine that QEMU boots.
Result<int> connect_to_heavy(const Found& found) {
    TRY(check_enterable(found.vm));
    const auto state = TRY(lab::read_heavy_state(lab::LabFiles(found.lab).machine(found.vm.vm_id)));
    if (!state) return fail(Code::unavailable, "the machine {} does not run", found.vm.name);
    TRY(lab::relay(STDIN_FILENO, STDOUT_FILENO, fmt::format("127.0.0.1:{}", state->ssh_port)));
    return 0;
}

// check_ssh_server tells what ssh into a machine lacks: sshd ends without a word if it has no key.
Result<void> check_ssh_server(const Path& lab, const lab::ListedVm& machine) {
    if (::access("/usr/sbin/sshd", X_OK) != 0) {
        return fail(Code::unavailable,
                    "ssh into a machine needs the package openssh-server on this computer; "
                    "'vouchsafe vm shell {}' needs nothing",
                    machine.name);
    }
    const Path key = lab::LabFiles(lab).disk(machine.vm_id) / "ssh/ssh_host_ed25519_key";
    std::error_code ignored;
    if (std::filesystem::exists(key, ignored)) return {};
    return fail(Code::unavailable,
                "the machine {0} was started before openssh was installed here: 'az vm restart "
                "--resource-group {1} --name {0}'",
                machine.name, machine.group);
}

// run_connect is ssh's ProxyCommand: each connection has a server of its own.
Result<int> run_connect(const InsideCommand& command) {
    const Found found = TRY(find(command, command.name));
    if (found.vm.heavy()) return connect_to_heavy(found);
    TRY(check_ssh_server(found.lab, found.vm));
    lab::GuestCommand server;
    server.argv = {"/usr/sbin/sshd", "-i", "-e", "-f", "/etc/ssh/sshd_config"};
    const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    server.err = nowhere.get();
    return run_inside_of(found, std::move(server));
}

// Copying.

// CopyEnd is one end of a copy: "NAME:PATH" is in a machine, a path there is relative to its home.
struct CopyEnd {
    std::string machine;  // "": this computer
    std::string path;
};

CopyEnd parse_end(const std::string& word) {
    const size_t colon = word.find(':');
    // A path with a slash before the colon is one of this computer, as for scp.
    if (colon == std::string::npos || word.find('/') < colon) return {"", word};
    std::string path = word.substr(colon + 1);
    if (path.starts_with("~/")) path = path.substr(2);
    return {word.substr(0, colon), path.empty() || path == "~" ? "." : path};
}

bool is_local_folder(const Path& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

// $1 is where to, $2 the file's name, $3 its permissions.
constexpr const char* kReceive = R"(to=$1
[ ! -d "$to" ] || to=$to/$2
cat > "$to" && chmod "$3" "$to")";

Result<void> finished(Result<int> code, const std::string& what) {
    if (!code) return fail(code.error());
    if (*code == 0) return {};
    return fail(Code::io, "{} could not be copied", what);
}

Result<void> copy_in(const Found& machine, const std::string& from, const std::string& to) {
    if (is_local_folder(from)) {
        return fail(Code::invalid, "{} is a folder: vm cp copies files", from);
    }
    UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!source || ::fstat(source.get(), &status) != 0) return fail_errno("open", from);
    lab::GuestCommand receive;
    receive.argv = {"/bin/sh",
                    "-c",
                    kReceive,
                    "cp",
                    to,
                    Path(from).filename().string(),
                    fmt::format("{:o}", status.st_mode & 0777)};
    const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    receive.in = source.get();
    receive.out = nowhere.get();
    return finished(run_inside_of(machine, std::move(receive)), from);
}

Result<void> copy_out(const Found& machine, const std::string& from, const std::string& to) {
    Path target = to;
    if (is_local_folder(target)) target /= Path(from).filename();
    OutputFile file = TRY(OutputFile::create(target, Overwrite::yes));
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    lab::GuestCommand send;
    send.argv = {"/bin/cat", "--", from};
    send.in = nothing.get();
    send.out = file.fd();
    TRY(finished(run_inside_of(machine, std::move(send)), from));
    return file.commit();
}

Result<int> run_cp(const InsideCommand& command) {
    if (command.words.size() < 2) {
        return fail(Code::invalid, "say what to copy and where to, one of them as NAME:PATH");
    }
    const CopyEnd to = parse_end(command.words.back());
    if (command.words.size() > 2 && to.machine.empty() && !is_local_folder(to.path)) {
        return fail(Code::invalid, "several files go into a folder, and {} is none", to.path);
    }
    for (size_t i = 0; i + 1 < command.words.size(); ++i) {
        const CopyEnd from = parse_end(command.words[i]);
        if (from.machine.empty() == to.machine.empty()) {
            return fail(Code::invalid,
                        "one end of a copy is a machine's (NAME:PATH), the other is "
                        "this computer's");
        }
        if (from.machine.empty()) {
            TRY(copy_in(TRY(find(command, to.machine)), from.path, to.path));
        } else {
            TRY(copy_out(TRY(find(command, from.machine)), from.path, to.path));
        }
    }
    return 0;
}

using InsideAction = Result<int> (*)(const InsideCommand&);

Command add_inside(Command group, const char* name, const char* text,
                   const std::shared_ptr<InsideCommand>& command, InsideAction action) {
    Command made = group.add(name, text);
    add_lab_directory(made, command->dir);
    made.option("--resource-group", command->group, "of machines with the same name", "GROUP");
    made.run([command, action] { return action(*command); });
    return made;
}

constexpr const char* kShellExamples = R"(Examples:
  vouchsafe vm shell MyCVM
  vouchsafe vm shell MyCVM --resource-group MyConfidentialRG
A shell in a virtual machine of the running lab, as its user. Its programs are
this computer's; its home is its own and lasts; /dev/tpmrm0 is its TPM,
169.254.169.254 its metadata service. Ctrl-] three times within a second leaves
it whatever runs there. What QEMU boots (tag vouchsafe.tier=qemu) has programs
of its own and is entered by ssh.)";

constexpr const char* kCpExamples = R"(Examples:
  vouchsafe vm cp train_xgb.py data.enc MyCVM:
  vouchsafe vm cp MyCVM:model.json .
Files only. Paths in a machine begin in its home.)";

constexpr const char* kConnectExamples = R"(Examples:
  ssh -o ProxyCommand='vouchsafe vm connect MyCVM' azureuser@MyCVM
With the variables of 'vouchsafe env', ssh and scp reach the machines by their
public addresses.)";

}  // namespace

Result<int> exec_inside(const Path& lab, const lab::ListedVm& machine,
                        const std::vector<std::string>& argv) {
    lab::GuestCommand command;
    command.argv = argv;
    return run_inside_of({lab, machine}, std::move(command));
}

void add_vm_inside(Command group, Context&) {
    auto command = std::make_shared<InsideCommand>();
    Command shell =
        add_inside(group, "shell", "a shell in a machine of the running lab", command, run_shell);
    shell.examples(kShellExamples);
    shell.argument("NAME", command->name, "the machine");
    Command cp = add_inside(group, "cp", "copy files into and out of a machine of the running lab",
                            command, run_cp);
    cp.examples(kCpExamples);
    cp.argument("PATH", command->words, "files, and last where to; in a machine: NAME:PATH");
    Command connect =
        add_inside(group, "connect", "reach a machine's SSH server by standard input and output",
                   command, run_connect);
    connect.examples(kConnectExamples);
    connect.argument("NAME", command->name, "the machine, or its public address");
}

}  // namespace vouchsafe::app
