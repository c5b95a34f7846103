// Into the inside of a running machine.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "vouchsafe/lab/guest.h"
#include "vouchsafe/lab/guest_child.h"
#include "vouchsafe/lab/terminal_relay.h"

namespace vouchsafe::lab {

namespace {

// What the children below say, by one byte, if they come to nothing.
enum class Failed : char {
    none = 0,
    entering = 'e',
    terminal = 't',
    executing = 'x',
    no_program = 'p'
};

// EntryPlan is what the children need, prepared before they exist.
struct EntryPlan {
    GuestEntry entry;
    std::vector<std::string> programs;  // where argv[0] may be, inside
    std::vector<char*> argv, envp;
    std::string directory;
    InnerStreams streams;
    int terminal = -1;  // the machine's, if it is to have one
    int report = -1;    // closes at exec
};

struct Namespaces {
    std::vector<UniqueFd> fds;
};

Result<Namespaces> open_namespaces(const ProcessMark& first) {
    Namespaces out;
    for (const char* name : kGuestNamespaces) {
        const std::string path = fmt::format("/proc/{}/ns/{}", first.pid, name);
        out.fds.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!out.fds.back()) return fail(Code::not_found, "the machine is not running");
    }
    // The number may have come to mean another process before they were opened.
    if (!is_running(first)) return fail(Code::not_found, "the machine is not running");
    return out;
}

std::vector<std::string> candidates(const std::string& program,
                                    const std::vector<std::string>& env) {
    if (program.find('/') != std::string::npos) return {program};
    constexpr std::string_view kPath = "PATH=";
    std::vector<std::string> out;
    for (const std::string& variable : env) {
        if (!variable.starts_with(kPath)) continue;
        std::string_view rest = std::string_view(variable).substr(kPath.size());
        while (!rest.empty()) {
            const std::string_view folder = rest.substr(0, rest.find(':'));
            out.push_back(fmt::format("{}/{}", folder, program));
            rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
        }
    }
    return out;
}

std::vector<char*> entry_pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

// The children's files, beside the three streams.
constexpr int kReport = 3;
constexpr int kTerminal = 4;

// keep_files leaves this process the files that its child is for, under those numbers, and none of
// what the caller has open: it lives as long as the program does.
bool keep_files(EntryPlan& plan) noexcept {
    int kept[] = {plan.streams.fds[0], plan.streams.fds[1], plan.streams.fds[2], plan.report,
                  plan.terminal};
    for (size_t i = 0; i < 3; ++i) {
        if (plan.streams.on_terminal[i]) kept[i] = plan.terminal;
    }
    for (int& fd : kept) {
        if (fd == plan.terminal && fd < 0) continue;
        fd = ::fcntl(fd, F_DUPFD_CLOEXEC, kTerminal + 1);
        if (fd < 0) return false;
    }
    plan.report = kept[kReport];
    for (int number = 0; number <= kTerminal; ++number) {
        const int flags = number < kReport ? 0 : O_CLOEXEC;
        if (kept[number] >= 0 && ::dup3(kept[number], number, flags) < 0) return false;
    }
    plan.report = kReport;
    const bool terminal = plan.terminal >= 0;
    plan.terminal = terminal ? kTerminal : -1;
    return ::close_range(terminal ? kTerminal + 1 : kTerminal, ~0u, 0) == 0;
}

[[noreturn]] void report_failure(const EntryPlan& plan, Failed failed) noexcept {
    [[maybe_unused]] ssize_t ignored = ::write(plan.report, &failed, sizeof(failed));
    ::_exit(127);
}

void default_signals() noexcept {
    for (int number : {SIGINT, SIGQUIT, SIGPIPE, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU}) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// begin_session leaves the user's terminal, which a program could open as /dev/tty otherwise.
bool begin_session(const EntryPlan& plan) noexcept {
    if (::setsid() < 0) return false;
    return plan.terminal < 0 || ::ioctl(plan.terminal, TIOCSCTTY, 0) == 0;
}

[[noreturn]] void run_inside(EntryPlan& plan) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    default_signals();
    if (!begin_session(plan) || confine_entered(plan.entry).stage != kStageNone) {
        report_failure(plan, Failed::entering);
    }
    if (::chdir(plan.directory.c_str()) != 0 && ::chdir("/") != 0) {
        report_failure(plan, Failed::entering);
    }
    // To the kernel the file of the TPM has no owner who may write to it until somebody looks.
    struct stat seen {};
    [[maybe_unused]] int looked = ::stat("/dev/tpmrm0", &seen);
    Failed failed = Failed::no_program;
    for (const std::string& program : plan.programs) {
        ::execve(program.c_str(), plan.argv.data(), plan.envp.data());
        if (errno != ENOENT && errno != ENOTDIR) failed = Failed::executing;
    }
    report_failure(plan, failed);
}

int exit_code_of(int status) noexcept {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int wait_for(pid_t child) noexcept {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return 127;
    }
    return exit_code_of(status);
}

// The signals that attend takes.
sigset_t attended_signals() noexcept {
    sigset_t out;
    ::sigemptyset(&out);
    for (int number : {SIGINT, SIGQUIT, SIGTSTP, SIGTERM, SIGCHLD}) ::sigaddset(&out, number);
    return out;
}

void send_to_group(pid_t leader, int number) noexcept {
    if (::kill(-leader, number) != 0) ::kill(leader, number);
}

// attend waits for the program, with those signals blocked since before it was there, and returns
// its exit code. The program is in a session of its own: what the user's terminal sends to this
// process' group goes to it by way of us. SIGTERM says that nobody waits for it any more.
int attend(pid_t program, const sigset_t& signals) noexcept {
    while (true) {
        int status = 0;
        const pid_t ended = ::waitpid(program, &status, WNOHANG);
        if (ended == program) return exit_code_of(status);
        if (ended < 0 && errno != EINTR) return 127;
        int number = 0;
        if (::sigwait(&signals, &number) != 0) continue;
        if (number == SIGINT || number == SIGQUIT) send_to_group(program, number);
        if (number == SIGTERM) send_to_group(program, SIGKILL);
        if (number != SIGTSTP) continue;
        send_to_group(program, SIGSTOP);
        ::raise(SIGSTOP);
        send_to_group(program, SIGCONT);
    }
}

// A process that enters a pid namespace is not in it: its children are. While it is there the
// program's terminal has an end that is open, whatever the program does with its own.
[[noreturn]] void run_between(EntryPlan& plan) noexcept {
    limit_guest();
    if (!enter_namespaces(plan.entry)) report_failure(plan, Failed::entering);
    // Entering took it away.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (plan.streams.channel >= 0) {
        plan.terminal = open_guest_terminal(plan.streams);
        if (plan.terminal < 0) report_failure(plan, Failed::terminal);
    }
    if (!keep_files(plan)) report_failure(plan, Failed::entering);
    const sigset_t signals = attended_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGCHLD, SIG_DFL);
    // To end it and to hear of it: who is nobody's child there keeps the machine from ending.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    pid_t child = ::fork();
    if (child == 0) run_inside(plan);
    if (child < 0) report_failure(plan, Failed::entering);
    ::close_range(0, kReport - 1, 0);
    ::_exit(attend(child, signals));
}

// IgnoredInterrupts leaves Ctrl-C to the program inside: the process between, which is in the same
// process group, passes it on.
class IgnoredInterrupts {
  public:
    IgnoredInterrupts()
        : interrupt_(::signal(SIGINT, SIG_IGN)), quit_(::signal(SIGQUIT, SIG_IGN)) {}
    ~IgnoredInterrupts() {
        ::signal(SIGINT, interrupt_);
        ::signal(SIGQUIT, quit_);
    }
    IgnoredInterrupts(const IgnoredInterrupts&) = delete;
    IgnoredInterrupts& operator=(const IgnoredInterrupts&) = delete;

  private:
    void (*interrupt_)(int);
    void (*quit_)(int);
};

Error explain_entry(Failed failed, const std::string& program) {
    switch (failed) {
        case Failed::terminal:
            return Error(Code::unavailable,
                         "the machine has no terminal left: its programs have taken them all");
        case Failed::executing:
            return Error(Code::forbidden,
                         fmt::format("{} cannot be executed in the machine", program));
        case Failed::no_program:
            return Error(Code::unavailable,
                         fmt::format("there is no program {} in the machine", program));
        default:
            return Error(Code::forbidden, "the machine cannot be entered: is it another user's?");
    }
}

// terminals_of is the file system that the guest's terminals are in.
Result<dev_t> terminals_of(const ProcessMark& first) {
    struct stat file {};
    const std::string path = fmt::format("/proc/{}/root/dev/pts/ptmx", first.pid);
    if (::stat(path.c_str(), &file) == 0) return file.st_dev;
    return fail(Code::not_found, "the machine is not running");
}

// relay_until_end returns the exit code of the program that `child` attends to.
Result<int> relay_until_end(TerminalRelay& relay, pid_t child, int ended, dev_t terminals) {
    const auto connected = relay.connect(terminals);
    const bool hung_up = connected && relay.run(ended) == TerminalRelay::End::hung_up;
    if (!connected || hung_up) ::kill(child, SIGTERM);
    const int code = wait_for(child);
    if (!connected) return fail(connected.error());
    return hung_up ? 128 + SIGHUP : code;
}

}  // namespace

Result<int> run_in_guest(const ProcessMark& first, const GuestCommand& command) {
    if (command.argv.empty()) return fail(Code::invalid, "no program to run was named");
    const dev_t terminals = TRY(terminals_of(first));
    const Namespaces namespaces = TRY(open_namespaces(first));
    TerminalRelay relay = TRY(TerminalRelay::prepare({command.in, command.out, command.err}));
    EntryPlan plan;
    for (size_t i = 0; i < namespaces.fds.size(); ++i) {
        plan.entry.namespaces[i] = namespaces.fds[i].get();
    }
    plan.entry.filter = TRY(make_seccomp_filter(FilterKind::guest));
    plan.programs = candidates(command.argv[0], command.env);
    plan.argv = entry_pointers(command.argv);
    plan.envp = entry_pointers(command.env);
    plan.directory = command.directory;
    plan.streams = relay.inside();

    int report[2];
    if (::pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) {
        return fail(Code::io, "cannot make a pipe: {}", std::strerror(errno));
    }
    const UniqueFd said(report[0]);
    UniqueFd saying(report[1]);
    plan.report = saying.get();

    IgnoredInterrupts ignored;
    pid_t child = ::fork();
    if (child == 0) run_between(plan);
    if (child < 0) return fail(Code::unavailable, "fork: {}", std::strerror(errno));
    saying.reset();
    const auto code = relay_until_end(relay, child, said.get(), terminals);
    Failed failed = Failed::none;
    [[maybe_unused]] ssize_t count = ::read(said.get(), &failed, sizeof(failed));
    if (failed != Failed::none) return fail(explain_entry(failed, command.argv[0]));
    return code;
}

}  // namespace vouchsafe::lab
