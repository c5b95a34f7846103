// Into the inside of a running machine.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "vouchsafe/lab/guest.h"
#include "vouchsafe/lab/guest_child.h"

namespace vouchsafe::lab {

namespace {

// What the children below say, by one byte, if they come to nothing.
enum class Failed : char { none = 0, entering = 'e', executing = 'x', no_program = 'p' };

// EntryPlan is what the children need, prepared before they exist.
struct EntryPlan {
    GuestEntry entry;
    std::vector<std::string> programs;  // where argv[0] may be, inside
    std::vector<char*> argv, envp;
    std::string directory;
    int streams[3] = {0, 1, 2};
    int report = -1;  // closes at exec
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

// arrange_streams makes the three streams 0, 1 and 2, whatever numbers they have.
bool arrange_streams(EntryPlan& plan) noexcept {
    for (int& fd : plan.streams) {
        fd = ::fcntl(fd, F_DUPFD, 3);
        if (fd < 0) return false;
    }
    for (int number = 0; number < 3; ++number) {
        if (::dup2(plan.streams[number], number) < 0) return false;
    }
    return ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

[[noreturn]] void report_failure(const EntryPlan& plan, Failed failed) noexcept {
    [[maybe_unused]] ssize_t ignored = ::write(plan.report, &failed, sizeof(failed));
    ::_exit(127);
}

void default_signals() noexcept {
    for (int number : {SIGINT, SIGQUIT, SIGPIPE, SIGCHLD}) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_inside(EntryPlan& plan) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    default_signals();
    if (!arrange_streams(plan) || confine_entered(plan.entry).stage != kStageNone) {
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

// A process that enters a pid namespace is not in it: its children are.
[[noreturn]] void run_between(EntryPlan& plan) noexcept {
    limit_guest();
    if (!enter_namespaces(plan.entry)) report_failure(plan, Failed::entering);
    // Entering took it away.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t child = ::fork();
    if (child == 0) run_inside(plan);
    if (child < 0) report_failure(plan, Failed::entering);
    ::_exit(wait_for(child));
}

// IgnoredInterrupts leaves Ctrl-C to the program inside, which is in the same process group. The
// process between does not heed it either.
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

}  // namespace

Result<int> run_in_guest(const ProcessMark& first, const GuestCommand& command) {
    if (command.argv.empty()) return fail(Code::invalid, "no program to run was named");
    const Namespaces namespaces = TRY(open_namespaces(first));
    EntryPlan plan;
    for (size_t i = 0; i < namespaces.fds.size(); ++i) {
        plan.entry.namespaces[i] = namespaces.fds[i].get();
    }
    plan.entry.filter = TRY(make_seccomp_filter(FilterKind::guest));
    plan.programs = candidates(command.argv[0], command.env);
    plan.argv = entry_pointers(command.argv);
    plan.envp = entry_pointers(command.env);
    plan.directory = command.directory;
    plan.streams[0] = command.in;
    plan.streams[1] = command.out;
    plan.streams[2] = command.err;

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
    const int code = wait_for(child);
    Failed failed = Failed::none;
    [[maybe_unused]] ssize_t count = ::read(said.get(), &failed, sizeof(failed));
    switch (failed) {
        case Failed::none:
            return code;
        case Failed::entering:
            return fail(Code::forbidden, "the machine cannot be entered: is it another user's?");
        case Failed::executing:
            return fail(Code::forbidden, "{} cannot be executed in the machine", command.argv[0]);
        case Failed::no_program:
            break;
    }
    return fail(Code::unavailable, "there is no program {} in the machine", command.argv[0]);
}

}  // namespace vouchsafe::lab
