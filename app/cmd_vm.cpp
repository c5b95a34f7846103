// vm: local stand-ins for confidential VMs.

#include "app/cmd_vm_heavy.h"
#include "app/cmd_vm_inside.h"
#include "app/lab_directory.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/sandbox.h"
#include "vouchsafe/lab/services.h"

namespace vouchsafe::app {

namespace {

struct VmCommand {
    std::string dir;
    std::string group;  // of machines of a running lab
    std::string name;
    std::string secure_boot = "on";
    std::string kind = "confidential";
    bool debug = false;
    HeavyChoice heavy;
    std::vector<std::string> roles;
    std::vector<std::string> read;
    std::vector<std::string> write;
    std::vector<std::string> argv;
};

Path lab_path(const VmCommand& command) {
    return command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
}

Path machine_path(const VmCommand& command) {
    return lab_path(command) / "machines" / command.name;
}

Result<lab::DataDirectory> open_lab(const Context& context, const VmCommand& command) {
    auto opened = lab::DataDirectory::open(lab_path(command));
    if (!opened && opened.error().code == Code::not_found) {
        return lab::DataDirectory::create(lab_path(command), lab::DirectoryKind::lab,
                                          context.clock.now());
    }
    return opened;
}

Result<int> run_create(const Context& context, const VmCommand& command) {
    auto directory = TRY(open_lab(context, command));
    if (directory.kind() != lab::DirectoryKind::lab) {
        return fail(Code::invalid, "{} is a production directory: machines are for labs",
                    directory.path().string());
    }
    const std::vector<std::string> ssh_keys = TRY(read_choice(command.heavy));
    const bool heavy = command.heavy.tier == "qemu";
    lab::MachineSpec spec;
    spec.name = command.name;
    spec.secure_boot = command.secure_boot == "on";
    spec.allow_debug = command.debug;
    if (command.kind == "trusted-launch") spec.kind = lab::MachineKind::trusted_launch;
    auto machine = TRY(
        lab::Machine::create(spec, machine_path(command), directory.root(), context.clock.now()));
    if (heavy) TRY(make_heavy(machine.dir(), ssh_keys));
    const auto& made = machine.identity().spec;
    if (context.json) {
        write_out(dump_json({{"name", made.name}, {"vm_id", made.vm_id}}) + "\n");
    } else {
        const std::string where = command.dir.empty() ? "" : " --dir " + command.dir;
        write_err(fmt::format(
            "machine {} made (vm id {})\n{}:\n  vouchsafe vm {} {}{}{}\n", made.name, made.vm_id,
            heavy ? "boot it with" : "run something in it with", heavy ? "start" : "exec",
            made.name, where, heavy ? "" : " -- vouchsafe attest"));
    }
    return 0;
}

struct Lines {
    Json list = Json::array();
    std::string text;
};

// add_own lists the machines of this command, which run while a command in them does.
void add_own(const Path& lab, Lines& lines) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(lab / "machines", error)) {
        auto machine = lab::Machine::open(entry.path());
        if (!machine) continue;
        const auto& spec = machine->identity().spec;
        const bool heavy = is_made_heavy(entry.path());
        lines.list.push_back({{"name", spec.name},
                              {"vm_id", spec.vm_id},
                              {"tier", heavy ? lab::kHeavyTier : "light"},
                              {"secure_boot", spec.secure_boot},
                              {"debug_allowed", spec.allow_debug}});
        lines.text +=
            fmt::format("{:<20} {}  Secure Boot {}{}{}\n", spec.name, spec.vm_id,
                        spec.secure_boot ? "on" : "off", spec.allow_debug ? ", debug allowed" : "",
                        heavy ? ", booted by QEMU" : "");
    }
}

// add_listed lists those of the resource manager, which run while the lab does.
Result<void> add_listed(const Path& lab, Lines& lines) {
    for (const lab::ListedVm& machine : TRY(lab::read_vm_list(lab))) {
        lines.list.push_back({{"name", machine.name},
                              {"vm_id", machine.vm_id},
                              {"resource_group", machine.group},
                              {"power", machine.power},
                              {"security_type", machine.security_type},
                              {"tier", machine.tier},
                              {"private_address", machine.private_ip},
                              {"public_address", machine.public_ip},
                              {"reason", machine.reason}});
        lines.text += fmt::format(
            "{:<20} {}  {}{}, {}{}, in {}{}\n", printable(machine.name), machine.vm_id,
            machine.security_type, machine.heavy() ? " booted by QEMU" : "", machine.power,
            machine.public_ip.empty() ? "" : " at " + machine.public_ip, printable(machine.group),
            machine.reason.empty() ? "" : ": " + printable(machine.reason));
    }
    return {};
}

constexpr const char* kNoMachines =
    "no machines: 'az vm create' makes some while 'vouchsafe up' runs, and\n"
    "'vouchsafe vm create NAME' one that needs no running lab\n";

Result<int> run_list(const Context& context, const VmCommand& command) {
    Lines lines;
    add_own(lab_path(command), lines);
    TRY(add_listed(lab_path(command), lines));
    if (lines.text.empty()) lines.text = kNoMachines;
    write_out(context.json ? dump_json(lines.list) + "\n" : lines.text);
    return 0;
}

Result<int> run_delete(const Context&, const VmCommand& command) {
    TRY(lab::Machine::open(machine_path(command)));
    if (TRY(lab::read_heavy_state(machine_path(command)))) {
        return fail(Code::conflict, "the machine {} is running", command.name);
    }
    std::error_code error;
    std::filesystem::remove_all(machine_path(command), error);
    if (error) return fail(Code::io, "cannot remove {}", machine_path(command).string());
    return 0;
}

struct Running {
    std::unique_ptr<lab::DataDirectory> directory;
    std::unique_ptr<lab::Services> services;
    std::unique_ptr<lab::Machine> machine;
    std::unique_ptr<TemporaryDir> folder;  // site file and CA
    Path site;
    std::string metadata;  // address of its metadata service
};

// bring_up starts the lab's services and the machine, for as long as the command runs.
Result<Running> bring_up(const Context& context, const VmCommand& command) {
    Running out;
    out.directory = std::make_unique<lab::DataDirectory>(TRY(open_lab(context, command)));
    out.services = TRY(lab::Services::start(*out.directory, context.clock));
    out.machine = std::make_unique<lab::Machine>(TRY(lab::Machine::open(machine_path(command))));
    TRY(out.machine->start());
    std::string principal;
    out.metadata = TRY(out.services->add_metadata(out.machine->identity(), principal));
    for (const auto& vault : TRY(out.services->vault().vaults()))
        out.services->allow_vault(vault.name);
    out.folder = std::make_unique<TemporaryDir>(TRY(TemporaryDir::create("vouchsafe-vm")));
    out.site = TRY(out.services->write_site(out.folder->path(), out.machine.get(),
                                            {{std::string(lab::kMetadataName), out.metadata}}));
    return out;
}

// is_below tells whether `path` is inside `folder`.
bool is_below(const Path& path, const Path& folder) {
    auto relative = path.lexically_relative(folder);
    return !relative.empty() && *relative.begin() != "..";
}

// add_visible_paths adds what the command was given, and starts it in this folder if the folder is
// there inside, so that relative names mean the same inside and outside.
void add_visible_paths(const VmCommand& command, lab::SandboxSpec& sandbox, lab::Command& child) {
    Path here = std::filesystem::current_path();
    auto add = [&](const std::string& name, std::vector<Path>& to) {
        Path path = std::filesystem::absolute(name).lexically_normal();
        if (is_below(path, here)) child.directory = here;
        to.push_back(path);
    };
    for (const std::string& name : command.read) add(name, sandbox.read);
    for (const std::string& name : command.write) add(name, sandbox.write);
}

// is_own tells whether `vm create` made a machine of this name; one that cannot be read counts.
bool is_own(const VmCommand& command) {
    auto machine = lab::Machine::open(machine_path(command));
    return machine || machine.error().code != Code::not_found;
}

// find_inside finds a machine of the lab if that runs; nullopt: it does not.
Result<std::optional<lab::ListedVm>> find_inside(const VmCommand& command) {
    if (!TRY(find_running(lab_path(command)))) return std::optional<lab::ListedVm>();
    const auto machines = TRY(lab::read_vm_list(lab_path(command)));
    auto found = lab::find_vm(machines, command.name, command.group);
    if (!found && found.error().code == Code::not_found && is_own(command)) {
        return fail(Code::conflict,
                    "{} was made by 'vouchsafe vm create' and runs while no lab does: end the lab "
                    "with 'vouchsafe down'",
                    command.name);
    }
    return std::optional(TRY(std::move(found)));
}

// check_own refuses a name that no machine has, before a lab is made or services are started.
Result<void> check_own(const VmCommand& command) {
    if (is_own(command)) return {};
    return fail(Code::not_found,
                "there is no machine {} in {}: 'vouchsafe vm create' makes one; those of 'az vm "
                "create' are there while 'vouchsafe up' runs",
                command.name, lab_path(command).string());
}

Result<int> run_exec(const Context& context, const VmCommand& command) {
    if (auto machine = TRY(find_inside(command))) {
        if (command.read.empty() && command.write.empty()) {
            return exec_inside(lab_path(command), *machine, command.argv);
        }
        return fail(Code::invalid,
                    "a machine of the running lab has files of its own: copy with "
                    "'vouchsafe vm cp'");
    }
    TRY(check_own(command));
    Running running = TRY(bring_up(context, command));
    lab::Command child;
    child.argv = command.argv;
    // This program is there inside too, under its own path, and found by its name.
    std::error_code error;
    Path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail(Code::io, "cannot find this program: {}", error.message());
    if (child.argv.front() == "vouchsafe") child.argv.front() = program.string();
    child.env = std::vector<std::string>{
        fmt::format("PATH=/usr/local/bin:/usr/bin:/bin:{}", program.parent_path().string()),
        "HOME=/tmp", "OMP_WAIT_POLICY=passive", "VOUCHSAFE_SITE=" + running.site.string(),
        fmt::format("ATTEST_URL={}", lab::kAttestationUrl)};
    child.out = lab::Command::Output::inherit;
    child.err = lab::Command::Output::inherit;
    lab::SandboxSpec sandbox;
    sandbox.read = {running.folder->path(), running.machine->event_log_path()};
    sandbox.execute = {program};
    add_visible_paths(command, sandbox, child);
    sandbox.sockets = running.machine->sockets();
    sandbox.ports = running.services->ports(running.metadata);
    auto started = TRY(lab::start_sandboxed(std::move(child), sandbox));
    if (context.verbose) write_err(fmt::format("confined by {}\n", started.report.summary()));
    auto finished = TRY(started.process.wait());
    return finished.signal != 0 ? 128 + finished.signal : finished.exit_code;
}

using Action = Result<int> (*)(const Context&, const VmCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<VmCommand>& command, Action action, bool named) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "lab directory (default: the user's data folder)", "DIR");
    if (named) made.argument("NAME", command->name, "the machine");
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

constexpr const char* kVmExamples = R"(Examples:
  vouchsafe vm shell MyCVM               in a machine of the running lab, made by 'az vm create'
  vouchsafe vm exec MyCVM -- python3 train_xgb.py
  vouchsafe vm create alice              without a running lab
  vouchsafe vm exec alice -- vouchsafe attest --claims
  vouchsafe vm exec alice --read data.sealed -- vouchsafe train data.sealed --key ... --attest-url ...
A machine is a software TPM provisioned as Azure's paravisor does it, with a
recorded real boot. It shows the protocol; it protects nothing from the owner of
this computer.)";

constexpr const char* kCreateExamples = R"(Examples:
  vouchsafe vm create alice
  vouchsafe vm create bob --secure-boot off        to see it refused
  vouchsafe vm create carol --kind trusted-launch
  vouchsafe vm create dora --tier qemu --ssh-key ~/.ssh/id_ed25519.pub
They are entered while no lab runs. 'az vm create' makes machines of a running
lab.)";

constexpr const char* kListExamples = R"(Examples:
  vouchsafe vm list
  vouchsafe --json vm list | jq -r '.[].name'
Those of 'vm create', and those that 'az vm create' made while the lab runs.)";

constexpr const char* kDeleteExamples = R"(Examples:
  vouchsafe vm delete alice
What 'az vm create' made is deleted by 'az vm delete'.)";

constexpr const char* kExecExamples = R"(Examples:
  vouchsafe vm exec MyCVM -- python3 train_xgb.py
  vouchsafe vm exec alice -- vouchsafe attest --claims
  vouchsafe vm exec alice --read data.sealed -- vouchsafe train data.sealed --key ... --attest-url ...
A machine of the running lab has files of its own: copy with 'vouchsafe vm cp'.
One of 'vm create' sees --read and --write alone, and the lab's services are up
for as long as the command runs.)";

}  // namespace

void add_vm(Command app, Context& context) {
    Command group = app.add("vm", "local stand-ins for confidential VMs");
    group.examples(kVmExamples);
    auto command = std::make_shared<VmCommand>();
    Command create =
        add_command(group, context, "create", "make a machine", command, run_create, true);
    create.examples(kCreateExamples);
    create.option("--secure-boot", command->secure_boot, "on or off", "").one_of({"on", "off"});
    create
        .option("--kind", command->kind,
                "what Azure calls its security type; trusted-launch has a TPM, and no report of a "
                "processor",
                "")
        .one_of({"confidential", "trusted-launch"});
    create.flag("--debug", command->debug, "its report's policy allows debugging (to be refused)");
    add_heavy_choice(create, command->heavy);
    add_command(group, context, "list", "show the machines", command, run_list, false)
        .examples(kListExamples);
    add_command(group, context, "delete", "remove a machine and its TPM", command, run_delete, true)
        .examples(kDeleteExamples);
    Command exec = add_command(group, context, "exec",
                               "run a command in a machine, confined, with the lab's services up",
                               command, run_exec, true);
    exec.examples(kExecExamples);
    exec.option("--resource-group", command->group, "of machines with the same name", "GROUP");
    exec.option("--read", command->read, "file or folder it may read (repeat)", "PATH");
    exec.option("--write", command->write, "file or folder it may write (repeat)", "PATH");
    exec.argument("COMMAND", command->argv, "after --");
    add_vm_inside(group, context);
    add_heavy_commands(group, context);
}

}  // namespace vouchsafe::app
