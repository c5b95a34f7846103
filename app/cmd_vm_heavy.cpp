#include "app/cmd_vm_heavy.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "app/console.h"
#include "app/interrupt.h"
#include "app/lab_directory.h"
#include "app/launch.h"
#include "app/show.h"
#include "vouchsafe/lab/heavy_image.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/lab/vm_list.h"

namespace vouchsafe::app {

namespace {

constexpr int kChoiceFormat = 1;
constexpr auto kPowerGrace = std::chrono::seconds(10);
constexpr auto kGlance = std::chrono::milliseconds(50);

struct HeavyCommand {
    std::string dir;
    std::string group;  // of machines of a running lab
    std::string name;
    bool detach = false;
    bool emulate = false;
    std::string image;
    unsigned memory = lab::HeavySpec().memory_mib;
    unsigned limit = static_cast<unsigned>(lab::HeavySpec().limit.count());
    std::vector<std::string> words;
    std::string output;
    std::string sign_key;
    std::string sign_cert;
    std::string kernel_words;
    bool refresh_kernel = false;
};

Path heavy_lab(const HeavyCommand& command) {
    return command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
}

Path heavy_machine(const HeavyCommand& command) {
    return heavy_lab(command) / "machines" / command.name;
}

std::string dir_option(const HeavyCommand& command) {
    return command.dir.empty() ? "" : " --dir " + printable(command.dir);
}

Path choice_file(const Path& machine) {
    return lab::heavy_folder(machine) / "choice.json";
}

// read_kept_keys reads what make_heavy noted. Code::conflict for a light machine.
Result<std::vector<std::string>> read_kept_keys(const Path& machine, const std::string& name) {
    TRY(lab::Machine::open(machine));
    auto text = read_text_file(choice_file(machine));
    if (!text && text.error().code == Code::not_found) {
        return fail(Code::conflict,
                    "{} is a light machine, entered with 'vouchsafe vm exec': what QEMU boots is "
                    "made with 'vouchsafe vm create NAME --tier qemu'",
                    name);
    }
    const Json json = TRY(parse_json_object(TRY(std::move(text))));
    std::vector<std::string> out;
    for (const Json& key : *TRY(json_array(json, "ssh_keys"))) {
        if (!key.is_string()) return fail(Code::invalid, "a key of {} is no text", name);
        out.push_back(key.get<std::string>());
    }
    return out;
}

// find_listed finds a machine of the lab, if that runs and has it. The resource manager starts and
// ends these.
Result<std::optional<lab::ListedVm>> find_listed(const HeavyCommand& command) {
    if (!TRY(find_running(heavy_lab(command)))) return std::optional<lab::ListedVm>();
    auto found =
        lab::find_vm(TRY(lab::read_vm_list(heavy_lab(command))), command.name, command.group);
    if (!found && found.error().code == Code::not_found && command.group.empty()) {
        return std::optional<lab::ListedVm>();
    }
    return std::optional(TRY(std::move(found)));
}

// refuse_listed refuses a machine that `verb` of az is for.
Result<void> refuse_listed(const HeavyCommand& command, std::string_view verb) {
    auto listed = TRY(find_listed(command));
    if (!listed) return {};
    return fail(Code::conflict,
                "{} is a machine of the running lab, which the resource manager starts and ends: "
                "az vm {} --resource-group {} --name {}",
                listed->name, verb, listed->group, listed->name);
}

// RunningHeavy is a machine that runs: of the running lab, or of `vm start`.
struct RunningHeavy {
    Path folder;
    lab::HeavyState state;
};

Result<RunningHeavy> find_heavy_of_lab(const HeavyCommand& command, const lab::ListedVm& vm) {
    if (!vm.heavy()) {
        return fail(Code::conflict, "{} is a light machine, entered with 'vouchsafe vm shell'",
                    vm.name);
    }
    Path folder = lab::LabFiles(heavy_lab(command)).machine(vm.vm_id);
    auto state = TRY(lab::read_heavy_state(folder));
    if (state) return RunningHeavy{std::move(folder), std::move(*state)};
    return fail(Code::unavailable, "the machine {} is {}{}", vm.name, vm.power,
                vm.reason.empty() ? "" : ": " + vm.reason);
}

Result<RunningHeavy> find_heavy(const HeavyCommand& command) {
    if (auto listed = TRY(find_listed(command))) return find_heavy_of_lab(command, *listed);
    Path machine = heavy_machine(command);
    TRY(read_kept_keys(machine, command.name));
    auto state = TRY(lab::read_heavy_state(machine));
    if (state) return RunningHeavy{std::move(machine), std::move(*state)};
    return fail(Code::unavailable, "the machine {} does not run: vouchsafe vm start{} {}",
                command.name, dir_option(command), command.name);
}

// ---- the image ----------------------------------------------------------------------------------

Result<Path> this_program() {
    std::error_code error;
    Path out = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail(Code::io, "cannot find this program: {}", error.message());
    return out;
}

lab::HeavyImageSpec image_spec(const HeavyCommand& command, Path program) {
    lab::HeavyImageSpec spec;
    spec.cache = lab::default_cache_path();
    spec.program = std::move(program);
    spec.more_words = command.kernel_words;
    spec.signing_key = command.sign_key;
    spec.signing_certificate = command.sign_cert;
    spec.refresh_kernel = command.refresh_kernel;
    spec.progress = [](std::string_view step) { write_err(fmt::format("{} ...\n", step)); };
    return spec;
}

Result<int> run_image_build(const Context& context, const HeavyCommand& command) {
    const lab::HeavyImage image =
        TRY(lab::build_heavy_image(image_spec(command, TRY(this_program()))));
    Path file = image.file;
    if (!command.output.empty()) {
        file = command.output;
        const Bytes content = TRY(read_file(image.file, 1 << 30));
        TRY(write_file(file, content, Overwrite::yes, 0600));
    }
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(file, error);
    if (context.json) {
        write_out(dump_json({{"image", file.string()},
                             {"digest", image.digest},
                             {"kernel", image.kernel},
                             {"size", size},
                             {"made", image.made}}) +
                  "\n");
        return 0;
    }
    write_out(fmt::format("{} ({}, kernel {}){}\n", printable(file.string()), human_size(size),
                          image.kernel, image.made ? "" : ", from the cache"));
    return 0;
}

// ---- running ------------------------------------------------------------------------------------

// Host is what a heavy machine needs of this side while it runs.
struct Host {
    std::unique_ptr<lab::DataDirectory> directory;
    std::unique_ptr<lab::Services> services;
    std::unique_ptr<lab::HeavyMachine> machine;
};

// reachable are the services, each with its names: one address each inside.
std::vector<lab::HeavyService> reachable(const lab::Services& services) {
    std::map<std::string, std::vector<std::string>> names;
    for (const auto& [name, address] : services.connect_to()) {
        names[address].push_back(name.substr(0, name.rfind(':')));
    }
    std::vector<lab::HeavyService> out;
    for (auto& [address, hosts] : names) out.push_back({std::move(hosts), address});
    return out;
}

Result<Host> start_services(const Context& context, const HeavyCommand& command,
                            lab::HeavySpec& spec) {
    Host out;
    out.directory =
        std::make_unique<lab::DataDirectory>(TRY(lab::DataDirectory::open(heavy_lab(command))));
    out.services = TRY(lab::Services::start(*out.directory, context.clock));
    for (const auto& vault : TRY(out.services->vault().vaults())) {
        out.services->allow_vault(vault.name);
    }
    const lab::Machine machine = TRY(lab::Machine::open(spec.folder));
    std::string principal;
    spec.metadata = TRY(out.services->add_metadata(machine.identity(), principal));
    spec.services = reachable(*out.services);
    spec.ca_pem = out.directory->root().tls_ca_pem();
    return out;
}

Result<lab::HeavySpec> heavy_spec(const HeavyCommand& command) {
    lab::HeavySpec spec;
    spec.folder = heavy_machine(command);
    spec.authorized_keys = TRY(read_kept_keys(spec.folder, command.name));
    if (TRY(lab::read_heavy_state(spec.folder))) {
        return fail(Code::conflict, "the machine {} is running", command.name);
    }
    const Path program = TRY(this_program());
    spec.relay = {program.string(), "vm", "relay"};
    spec.memory_mib = command.memory;
    spec.limit = std::chrono::seconds(command.limit);
    if (command.emulate) spec.accelerator = lab::Accelerator::emulation;
    spec.image = command.image.empty()
                     ? TRY(lab::build_heavy_image(image_spec(command, program))).file
                     : std::filesystem::absolute(command.image);
    spec.progress = [](std::string_view step) { write_err(fmt::format("{}\n", step)); };
    return spec;
}

std::string ssh_words(const HeavyCommand& command) {
    return fmt::format("ssh -F {} {}",
                       printable(lab::heavy_ssh_config(heavy_machine(command)).string()),
                       command.name);
}

void show_running(const Context& context, const HeavyCommand& command,
                  const lab::HeavyState& state) {
    if (context.json) {
        write_out(dump_json({{"name", command.name},
                             {"ssh_port", state.ssh_port},
                             {"ssh_config", lab::heavy_ssh_config(heavy_machine(command)).string()},
                             {"console", state.console.string()},
                             {"process", state.process.pid}}) +
                  "\n");
        return;
    }
    write_out(
        fmt::format("  vouchsafe vm ssh{1} {0}       or: {2}\n"
                    "  vouchsafe vm console{1} {0}   its serial console; Ctrl-] leaves it\n"
                    "  vouchsafe vm stop{1} {0}\n",
                    command.name, dir_option(command), ssh_words(command)));
}

Result<int> run_here(const Context& context, const HeavyCommand& command) {
    lab::HeavySpec spec = TRY(heavy_spec(command));
    Host host = TRY(start_services(context, command, spec));
    write_err(fmt::format("booting {} ...\n", command.name));
    host.machine = TRY(lab::HeavyMachine::start(std::move(spec)));
    std::atomic<bool> stop{false};
    on_interrupt([&stop] { stop = true; });
    if (!context.json) {
        write_out(
            fmt::format("{} booted in {}, Secure Boot {}, {}\n", command.name,
                        human_time(static_cast<double>(host.machine->boot_time().count()) / 1000),
                        host.machine->secure_boot() ? "on" : "off",
                        host.machine->accelerated() ? "by KVM" : "emulated"));
    }
    show_running(context, command, host.machine->state());
    while (!stop && host.machine->running()) std::this_thread::sleep_for(kGlance);
    host.machine->stop(kPowerGrace);
    if (!context.json) write_out(fmt::format("{} has ended\n", command.name));
    return 0;
}

Result<int> start_detached(const Context& context, const HeavyCommand& command) {
    const Path machine = heavy_machine(command);
    TRY(heavy_spec(command));  // says what is wrong here, and builds the image with its progress
    std::vector<std::string> words{"vouchsafe",
                                   "vm",
                                   "start",
                                   command.name,
                                   "--dir",
                                   heavy_lab(command).string(),
                                   fmt::format("--memory={}", command.memory),
                                   fmt::format("--limit={}", command.limit)};
    if (command.emulate) words.emplace_back("--emulate");
    if (!command.image.empty()) {
        words.push_back("--image=" + std::filesystem::absolute(command.image).string());
    }
    const Path said = lab::heavy_folder(machine) / "start.log";
    const pid_t child = TRY(spawn_detached(words, said));
    while (true) {
        int status = 0;
        if (::waitpid(child, &status, WNOHANG) == child) {
            write_err(TRY(read_text_file(said)));
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        auto state = lab::read_heavy_state(machine);
        if (state && *state) {
            show_running(context, command, **state);
            return 0;
        }
        std::this_thread::sleep_for(kGlance);
    }
}

Result<int> run_start(const Context& context, const HeavyCommand& command) {
    TRY(refuse_listed(command, "start"));
    return command.detach ? start_detached(context, command) : run_here(context, command);
}

Result<int> run_stop(const Context&, const HeavyCommand& command) {
    TRY(refuse_listed(command, "deallocate"));
    const lab::HeavyState state = TRY(find_heavy(command)).state;
    TRY(lab::press_power(heavy_machine(command), kPowerGrace));
    // Who started it closes its services too: the directory is free afterwards.
    const auto end = std::chrono::steady_clock::now() + kPowerGrace;
    while (lab::is_running(state.owner) && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kGlance);
    }
    return 0;
}

Result<int> run_ssh(const Context&, const HeavyCommand& command) {
    std::vector<std::string> words = TRY(lab::heavy_ssh(TRY(find_heavy(command)).folder));
    words.insert(words.end(), command.words.begin(), command.words.end());
    return become(words);
}

Result<int> run_console(const Context&, const HeavyCommand& command) {
    TRY(join_console(TRY(find_heavy(command)).state.console));
    return 0;
}

Result<int> run_relay(const Context&, const HeavyCommand& command) {
    // Its standard error is the guest's connection too.
    return lab::relay(STDIN_FILENO, STDOUT_FILENO, command.name) ? 0 : 1;
}

using HeavyAction = Result<int> (*)(const Context&, const HeavyCommand&);

Command add_heavy(Command group, Context& context, const char* name, const char* text,
                  const std::shared_ptr<HeavyCommand>& command, HeavyAction action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "lab directory (default: the user's data folder)", "DIR");
    made.option("--resource-group", command->group, "of machines with the same name", "GROUP");
    made.argument("NAME", command->name, "the machine");
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

void add_image(Command group, Context& context, const std::shared_ptr<HeavyCommand>& command) {
    Command image = group.add("image", "what heavy machines boot");
    image.examples("Examples:\n  vouchsafe vm image build");
    Command build = image.add("build", "make the image, or find it in the cache");
    build.examples(R"(Examples:
  vouchsafe vm image build
  vouchsafe vm image build --output guest.img --kernel-words "quiet"
Everything comes from this computer's Debian packages; nothing is installed.
Missing ones are named.)");
    build.option("--output", command->output, "write a copy here", "FILE");
    build.option("--kernel-words", command->kernel_words, "at the end of the kernel's command line",
                 "WORDS");
    build.option("--sign-key", command->sign_key,
                 "sign with this key instead of the one that machines trust", "FILE");
    build.option("--sign-cert", command->sign_cert, "its certificate", "FILE");
    build.flag("--refresh-kernel", command->refresh_kernel, "fetch Debian's newest kernel");
    build.run([&context, command] { return run_image_build(context, *command); });
}

}  // namespace

void add_heavy_choice(Command create, HeavyChoice& choice) {
    create
        .option("--tier", choice.tier,
                "light: a recorded boot; qemu: QEMU boots it, with firmware and Secure Boot", "")
        .one_of({"light", "qemu"});
    create.option("--ssh-key", choice.ssh_keys,
                  "public key that may sign in, for --tier qemu (repeat)", "FILE");
}

Result<std::vector<std::string>> read_choice(const HeavyChoice& choice) {
    if (choice.tier != "qemu" && !choice.ssh_keys.empty()) {
        return fail(Code::invalid, "--ssh-key goes with --tier qemu");
    }
    std::vector<std::string> out;
    for (const std::string& file : choice.ssh_keys) {
        std::istringstream lines(TRY(as_named(read_text_file(file))));
        for (std::string line; std::getline(lines, line);) {
            if (!line.empty() && line.front() != '#') out.push_back(line);
        }
    }
    lab::HeavySpec spec;
    spec.authorized_keys = out;
    spec.relay = {"relay"};
    TRY(lab::check_heavy_spec(spec));
    return out;
}

Result<void> make_heavy(const Path& machine, const std::vector<std::string>& keys) {
    TRY(make_private_dir(lab::heavy_folder(machine)));
    const Json json = {{"format", kChoiceFormat}, {"ssh_keys", keys}};
    return write_file(choice_file(machine), as_bytes(dump_json_pretty(json)), Overwrite::yes, 0600);
}

bool is_made_heavy(const Path& machine) {
    std::error_code error;
    return std::filesystem::exists(choice_file(machine), error);
}

void add_heavy_commands(Command group, Context& context) {
    auto command = std::make_shared<HeavyCommand>();
    Command start = add_heavy(group, context, "start",
                              "boot a machine of the tier qemu, with the lab's services up",
                              command, run_start);
    start.examples(R"(Examples:
  vouchsafe vm start alice                in this terminal; Ctrl-C presses the power button
  vouchsafe vm start alice --detach && vouchsafe vm ssh alice
  vouchsafe vm start alice --image guest.img --memory 1024 --limit 600)");
    start.flag("--detach", command->detach, "return when it has booted, and leave it running");
    start.option("--image", command->image, "boot this one (vm image build --output)", "FILE");
    start.option("--memory", command->memory, "in MiB", "MIB");
    start.option("--limit", command->limit, "seconds for the boot", "SECONDS");
    start.flag("--emulate", command->emulate, "do not try KVM");
    add_heavy(group, context, "stop", "press a machine's power button", command, run_stop)
        .examples("Examples:\n  vouchsafe vm stop alice\nAfter ten seconds it is switched off.");
    Command ssh = add_heavy(group, context, "ssh", "enter a machine, or run a command in it",
                            command, run_ssh);
    ssh.examples(R"(Examples:
  vouchsafe vm ssh alice
  vouchsafe vm ssh alice sudo vouchsafe attest --claims
Options go before the name: what follows it is the command.)");
    ssh.rest("COMMAND", command->words, "what to run (default: a shell)");
    add_heavy(group, context, "console", "a machine's serial console; Ctrl-] leaves", command,
              run_console)
        .examples("Examples:\n  vouchsafe vm console alice\nIt is signed in already.");
    add_image(group, context, command);
    Command relay = group.add("relay",
                              "join standard input and output to a service of the lab's; "
                              "QEMU calls it for each connection of a guest");
    relay.examples("Examples:\n  vouchsafe vm relay 127.0.0.1:8443");
    relay.argument("TARGET", command->name, "127.0.0.1:PORT or unix:PATH");
    relay.run([&context, command] { return run_relay(context, *command); });
}

}  // namespace vouchsafe::app
