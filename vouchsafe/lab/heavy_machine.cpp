#include "vouchsafe/lab/heavy_machine.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/lab/heavy_files.h"
#include "vouchsafe/lab/heavy_guest.h"
#include "vouchsafe/lab/heavy_image.h"
#include "vouchsafe/lab/heavy_monitor.h"
#include "vouchsafe/lab/process.h"
#include "vouchsafe/lab/state_key.h"

namespace vouchsafe::lab {

namespace {

using Clocked = std::chrono::steady_clock;

constexpr const char* kFirmware = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
constexpr const char* kKvm = "/dev/kvm";
constexpr auto kTpmPatience = std::chrono::seconds(10);
constexpr auto kInsidePatience = std::chrono::seconds(60);  // for a command over ssh
constexpr auto kLook = std::chrono::milliseconds(20);
constexpr int kLooksPerQuestion = 25;
constexpr size_t kMaxConsole = 16 << 20;
// What is written into its place at once, for programs that look meanwhile.
constexpr const char* kSetHosts =
    "sudo sh -c 'cat > /etc/hosts.new && mv /etc/hosts.new /etc/hosts'";

// ---- the TPM's banks ----------------------------------------------------------------------------

// keep_one_bank leaves the TPM the bank that quotes are about: firmware hashes all it starts once
// for each bank, which emulation makes slow.
Result<void> keep_one_bank(Machine& machine, const SecretBytes* state_key) {
    TRY(machine.start(state_key));
    auto done = [&]() -> Result<void> {
        device::Tpm tpm = TRY(device::Tpm::open(machine.tcti()));
        const uint32_t first = 0;
        auto other = tpm.read_pcrs({&first, 1}, crypto::HashAlg::sha1);
        if (!other && other.error().code == Code::unsupported) return {};
        return tpm.pcr_allocate(crypto::HashAlg::sha256);
    }();
    machine.stop();
    return done;
}

// ---- command lines ------------------------------------------------------------------------------

// A value in one of QEMU's options: its commas are doubled.
std::string value(std::string_view text) {
    std::string out;
    for (char c : text) {
        out += c;
        if (c == ',') out += c;
    }
    return out;
}

// A word of a command that is taken apart as a shell does.
std::string shell_word(std::string_view text) {
    std::string out = "'";
    for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string forward(const HeavySpec& spec, const std::string& address, unsigned port,
                    const std::string& target) {
    std::string command;
    for (const std::string& word : spec.relay) command += shell_word(word) + " ";
    command += shell_word(target);
    return fmt::format(",guestfwd=tcp:{}:{}-cmd:{}", address, port, value(command));
}

std::string network_option(const HeavySpec& spec, uint16_t ssh_port) {
    std::string out = fmt::format(
        "user,id=net,ipv6=off,restrict=on,net={},host={},dns={},hostfwd=tcp:127.0.0.1:{}-{}:22",
        kHeavyNetwork, kGatewayAddress, kResolverAddress, ssh_port, kGuestAddress);
    if (!spec.metadata.empty()) out += forward(spec, "169.254.169.254", 80, spec.metadata);
    for (size_t i = 0; i < spec.services.size(); ++i) {
        out += forward(spec, service_address(i), 443, spec.services[i].target);
    }
    return out;
}

std::vector<std::string> qemu_command(const HeavySpec& spec, const HeavyFiles& files,
                                      uint16_t ssh_port, bool kvm) {
    auto drive = [](std::string_view how, const Path& file) {
        return fmt::format("{},format=raw,file={}", how, value(file.string()));
    };
    return {
        "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
        // Not elevateprivileges, which would deny the relays their setsid(2).
        "-sandbox", "on,obsolete=deny,resourcecontrol=deny", "-machine", "q35,smm=on,vmport=off",
        "-accel", kvm ? "kvm" : "tcg", "-cpu", kvm ? "host" : "max",
        // A second one makes emulation slower (local-cvm 3.2).
        "-smp", "1", "-m", fmt::format("{}", spec.memory_mib), "-global",
        "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
        "-drive", drive("if=pflash,unit=0,readonly=on", kFirmware), "-drive",
        drive("if=pflash,unit=1", files.variables()), "-drive",
        drive("if=none,id=disk,readonly=on", spec.image), "-device",
        "virtio-blk-pci,drive=disk,bootindex=1", "-chardev",
        fmt::format("socket,id=tpm,path={}", value(files.tpm().string())), "-tpmdev",
        "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0", "-chardev",
        fmt::format("socket,id=console,path={},server=on,wait=off,logfile={},logappend=off",
                    value(files.console().string()), value(files.console_log().string())),
        "-serial", "chardev:console", "-qmp",
        fmt::format("unix:{},server=on,wait=off", value(files.control().string())), "-fw_cfg",
        fmt::format("name={},file={}", kHeavySettings, value(files.settings().string())), "-netdev",
        network_option(spec, ssh_port), "-device", "virtio-net-pci,netdev=net,romfile="};
}

// free_port is one that nobody listens on now.
Result<uint16_t> free_port() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return fail(Code::unavailable, "there is no free port on 127.0.0.1");
    }
    return ntohs(address.sin_port);
}

// ---- the console --------------------------------------------------------------------------------

std::string console_text(const HeavyFiles& files) {
    auto read = read_file(files.console_log(), kMaxConsole);
    return read ? to_text(*read) : std::string();
}

// last_words is the end of the console without what steers a terminal.
std::string last_words(const std::string& console) {
    constexpr size_t kWords = 600;
    std::string out;
    bool escape = false;
    for (char c : console) {
        if (c == '\x1B') {
            escape = true;
        } else if (escape) {
            escape = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
        } else if (c == '\n' || (c >= ' ' && c <= '~')) {
            out += c;
        }
    }
    return out.size() <= kWords ? out : out.substr(out.size() - kWords);
}

enum class Outcome { waiting, ready, refused, stuck };

// outcome_of reads how a boot went from what firmware, kernel and guest print.
Outcome outcome_of(const std::string& console) {
    if (console.find(kHeavyReady) != std::string::npos) return Outcome::ready;
    for (const char* refused : {"Security Violation", "Access Denied"}) {
        if (console.find(refused) != std::string::npos) return Outcome::refused;
    }
    for (const char* stuck : {"No bootable option or device was found", "Kernel panic"}) {
        if (console.find(stuck) != std::string::npos) return Outcome::stuck;
    }
    return Outcome::waiting;
}

bool fits_socket(const Path& run) {
    const HeavyFiles files{{}, run};
    const std::string longest = files.console().string() + files.tpm().filename().string();
    return longest.size() < sizeof(sockaddr_un::sun_path) && longest.find(',') == std::string::npos;
}

}  // namespace

struct HeavyMachine::Impl {
    HeavySpec spec;
    MachineIdentity machine;
    std::optional<FileLock> lock;
    std::optional<TemporaryDir> temporary;  // for sockets, if the folder's path is too long
    HeavyFiles files;
    HeavyState state;
    bool kvm = false;
    std::chrono::milliseconds boot_time{0};
    std::unique_ptr<Process> tpm;
    std::unique_ptr<Process> qemu;

    ~Impl() { end(); }

    void end() {
        qemu.reset();
        tpm.reset();
        std::error_code error;
        if (!files.folder.empty() && lock) {
            for (const Path& gone :
                 {files.state(), files.tpm(), files.console(), files.control()}) {
                std::filesystem::remove(gone, error);
            }
        }
        lock.reset();
    }

    Result<void> prepare();
    Result<void> start_tpm();
    Result<void> start_qemu(bool with_kvm);
    Result<void> boot_somehow();
    Result<bool> wait_until_ready(Clocked::time_point end);
    bool stopped_in_the_middle();
    tl::unexpected<Error> fail_ended();
    Result<void> publish();
};

Result<void> HeavyMachine::Impl::prepare() {
    TRY(check_heavy_spec(spec));
    if (auto missing = missing_heavy_packages(); !missing.empty()) {
        return fail(Code::unavailable,
                    "heavy machines need packages that are not installed: apt-get install {}",
                    fmt::join(missing, " "));
    }
    Machine light = TRY(Machine::open(spec.folder));
    machine = light.identity();
    TRY(keep_one_bank(light, spec.state_key));
    auto taken = FileLock::take(light.dir() / kMachineLock);
    if (!taken) return fail(Code::conflict, "the machine {} is running", machine.spec.name);
    lock.emplace(std::move(*taken));
    files.folder = heavy_folder(light.dir());
    files.run = files.folder / "run";
    if (!fits_socket(files.run)) {
        temporary.emplace(TRY(TemporaryDir::create("vouchsafe-heavy")));
        files.run = temporary->path();
    }
    TRY(make_private_dir(files.run));
    return prepare_files(spec, machine, files);
}

Result<void> HeavyMachine::Impl::start_tpm() {
    std::error_code error;
    std::filesystem::remove(files.tpm(), error);
    Command command;
    command.argv = {"swtpm",
                    "socket",
                    "--tpm2",
                    "--tpmstate",
                    "dir=tpm,mode=0600",
                    "--ctrl",
                    fmt::format("type=unixio,path={},mode=0600", files.tpm().string()),
                    "--flags",
                    "not-need-init"};
    command.directory = files.folder.parent_path();
    const UniqueFd key = TRY(pass_state_key(command, spec.state_key));
    command.max_output = 4096;
    tpm = std::make_unique<Process>(TRY(Process::start(std::move(command))));
    const auto end = Clocked::now() + kTpmPatience;
    while (!std::filesystem::exists(files.tpm(), error)) {
        if (!tpm->running() || Clocked::now() > end) {
            return fail(Code::unavailable, "swtpm does not start");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {};
}

Result<void> HeavyMachine::Impl::start_qemu(bool with_kvm) {
    std::error_code error;
    std::filesystem::remove(files.console_log(), error);
    state.ssh_port = spec.ssh_port != 0 ? spec.ssh_port : TRY(free_port());
    Command command;
    command.argv = qemu_command(spec, files, state.ssh_port, with_kvm);
    command.max_output = 4096;
    qemu = std::make_unique<Process>(TRY(Process::start(std::move(command))));
    state.process = TRY(mark_process(qemu->pid()));
    state.console = files.console();
    state.control = files.control();
    kvm = with_kvm;
    return {};
}

tl::unexpected<Error> HeavyMachine::Impl::fail_ended() {
    auto end = qemu->wait();
    const std::string said = end ? end->err + end->out : end.error().message;
    return fail(Code::unavailable, "the machine {} ended while it booted: {}{}", machine.spec.name,
                said, last_words(console_text(files)));
}

// stopped_in_the_middle: KVM met an instruction that it cannot run.
bool HeavyMachine::Impl::stopped_in_the_middle() {
    auto monitor = Monitor::connect(files.control());
    if (!monitor) return false;
    auto status = monitor->ask("query-status");
    return status && status->value("status", "") == "internal-error";
}

// wait_until_ready is false if this processor cannot do it with KVM.
Result<bool> HeavyMachine::Impl::wait_until_ready(Clocked::time_point end) {
    for (int look = 0;; ++look) {
        const bool runs = qemu->running();
        const std::string console = console_text(files);
        switch (outcome_of(console)) {
            case Outcome::ready:
                return true;
            case Outcome::refused:
                return fail(Code::forbidden,
                            "the firmware refused the image (Security Violation): Secure Boot is "
                            "on, and no key that the machine trusts has signed it");
            case Outcome::stuck:
                return fail(Code::unavailable, "the machine {} does not boot: {}",
                            machine.spec.name, last_words(console));
            case Outcome::waiting:
                break;
        }
        if (kvm && (!runs || (look % kLooksPerQuestion == 0 && stopped_in_the_middle()))) {
            return false;
        }
        if (!runs) return fail_ended();
        if (spec.cancelled()) {
            return fail(Code::unavailable, "the boot of {} was given up", machine.spec.name);
        }
        if (Clocked::now() > end) {
            return fail(Code::unavailable,
                        "the machine {} did not boot within {} s; its console: {}",
                        machine.spec.name, spec.limit.count(), last_words(console));
        }
        std::this_thread::sleep_for(kLook);
    }
}

Result<void> HeavyMachine::Impl::boot_somehow() {
    const auto begin = Clocked::now();
    const auto end = begin + spec.limit;
    // That /dev/kvm is there and can be opened does not say that firmware runs on it.
    bool try_kvm = spec.accelerator == Accelerator::automatic && ::access(kKvm, R_OK | W_OK) == 0;
    for (;; try_kvm = false) {
        TRY(start_tpm());
        TRY(start_qemu(try_kvm));
        if (TRY(wait_until_ready(end))) break;
        spec.progress("KVM does not boot it here; emulating");
        qemu.reset();
        tpm.reset();
    }
    boot_time = std::chrono::duration_cast<std::chrono::milliseconds>(Clocked::now() - begin);
    return {};
}

Result<void> HeavyMachine::Impl::publish() {
    state.owner = TRY(mark_process(::getpid()));
    TRY(write_ssh_config(files, machine.spec.name, spec.user, state.ssh_port));
    return write_heavy_state(files, state);
}

HeavyMachine::HeavyMachine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HeavyMachine::~HeavyMachine() = default;

Result<std::unique_ptr<HeavyMachine>> HeavyMachine::start(HeavySpec spec) {
    auto impl = std::make_unique<Impl>();
    impl->spec = std::move(spec);
    TRY(impl->prepare());
    TRY(impl->boot_somehow());
    impl->spec.state_key = nullptr;
    TRY(impl->publish());
    return std::unique_ptr<HeavyMachine>(new HeavyMachine(std::move(impl)));
}

const HeavyState& HeavyMachine::state() const {
    return impl_->state;
}
bool HeavyMachine::secure_boot() const {
    return impl_->machine.spec.secure_boot;
}
bool HeavyMachine::accelerated() const {
    return impl_->kvm;
}
std::chrono::milliseconds HeavyMachine::boot_time() const {
    return impl_->boot_time;
}
std::string HeavyMachine::ended() const {
    if (impl_->qemu == nullptr) return "it was switched off";
    // A guest that ends takes the TPM with it, before QEMU itself is gone.
    for (int i = 0; i < kLooksPerQuestion && impl_->qemu->running(); ++i) {
        if (impl_->tpm->running()) return "";
        std::this_thread::sleep_for(kLook);
    }
    if (impl_->qemu->running()) return "its software TPM (swtpm) ended";
    auto end = impl_->qemu->wait();
    if (end && end->ok()) return "its guest ended it (poweroff, reboot)";
    if (end && end->signal != 0) return fmt::format("QEMU was ended by signal {}", end->signal);
    return "QEMU ended: " + (end ? end->err : end.error().message);
}

Result<void> HeavyMachine::set_names(size_t service, std::vector<std::string> names) {
    HeavySpec& spec = impl_->spec;
    HeavySpec changed = spec;
    changed.services.at(service).names = std::move(names);
    TRY(check_heavy_spec(changed));
    Command command;
    command.argv = TRY(heavy_ssh(spec.folder));
    command.argv.insert(command.argv.begin() + 1,
                        {"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"});
    command.argv.emplace_back(kSetHosts);
    command.input = to_bytes(hosts_file(changed, impl_->machine.spec.name));
    Process process = TRY(Process::start(std::move(command)));
    const auto end = Clocked::now() + kInsidePatience;
    while (process.running()) {
        if (spec.cancelled() || Clocked::now() > end) {
            return fail(Code::unavailable, "the guest does not answer");
        }
        std::this_thread::sleep_for(kLook);
    }
    const Finished done = TRY(process.wait());
    if (!done.ok()) return fail(Code::unavailable, "the guest does not take it: {}", done.err);
    spec = std::move(changed);
    return {};
}

void HeavyMachine::stop(std::chrono::milliseconds grace) {
    // An end that cannot be asked for is made.
    if (running()) (void)press_power(impl_->spec.folder, grace);
    impl_->end();
}

Result<void> press_power(const Path& folder, std::chrono::milliseconds grace) {
    auto state = TRY(read_heavy_state(folder));
    if (!state)
        return fail(Code::conflict, "there is no heavy machine running in {}", folder.string());
    auto monitor = Monitor::connect(state->control);
    if (monitor) {
        (void)monitor->ask("system_powerdown");
        const auto end = Clocked::now() + grace;
        while (Clocked::now() < end) {
            if (!is_running(state->process)) return {};
            std::this_thread::sleep_for(kLook);
        }
    }
    auto ended = end_process(state->process, std::chrono::seconds(1));
    if (!ended && ended.error().code == Code::not_found) return {};
    return ended;
}

}  // namespace vouchsafe::lab
