#include "vouchsafe/lab/sandbox.h"

#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vouchsafe/lab/sandbox_plan.h"

namespace vouchsafe::lab {

namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

Result<std::vector<std::string>> clean_paths(const std::vector<Path>& paths) {
    std::vector<std::string> out;
    for (const Path& path : paths) {
        std::string text = path.lexically_normal().string();
        if (text.size() > 1 && text.back() == '/') text.pop_back();
        if (!path.is_absolute() || text == "/") {
            return fail(Code::invalid, "a sandbox cannot be given the path \"{}\"", path.string());
        }
        if (!exists(text)) return fail(Code::not_found, "there is no {}", text);
        out.push_back(std::move(text));
    }
    // A folder comes before what is in it, so that the inner one is mounted over the outer one.
    std::sort(out.begin(), out.end());
    return out;
}

// Attempt is one set of namespaces to try.
struct Attempt {
    unsigned long namespaces;
    bool mounts() const { return (namespaces & CLONE_NEWNS) != 0; }
};

std::vector<Attempt> attempts() {
    constexpr unsigned long kOwn = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    std::vector<Attempt> out{{CLONE_NEWUSER | kOwn}};
    if (::geteuid() == 0) out.push_back({kOwn});
    out.push_back({0});
    return out;
}

int landlock_abi() {
    long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

bool seccomp_available() {
    uint32_t action = SECCOMP_RET_ERRNO;
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// SharedFindings is a page that parent and child both see.
class SharedFindings {
  public:
    SharedFindings()
        : memory_(::mmap(nullptr, sizeof(ChildFindings), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
    ~SharedFindings() {
        if (memory_ != MAP_FAILED) ::munmap(memory_, sizeof(ChildFindings));
    }
    SharedFindings(const SharedFindings&) = delete;
    SharedFindings& operator=(const SharedFindings&) = delete;
    ChildFindings* get() const {
        return memory_ == MAP_FAILED ? nullptr : static_cast<ChildFindings*>(memory_);
    }

  private:
    void* memory_;
};

struct CleanSpec {
    std::string program;
    std::vector<std::string> read, write, execute, sockets;
};

Result<CleanSpec> clean(const Command& command, const SandboxSpec& spec) {
    if (command.argv.empty()) return fail(Code::invalid, "no program to start was named");
    CleanSpec out;
    out.program = fs::absolute(TRY(find_program(command.argv[0]))).lexically_normal().string();
    out.read = TRY(clean_paths(spec.read));
    out.write = TRY(clean_paths(spec.write));
    out.execute = TRY(clean_paths(spec.execute));
    out.sockets = TRY(clean_paths(spec.sockets));
    return out;
}

SandboxPlan make_plan(const Attempt& attempt, const CleanSpec& clean, const SandboxSpec& spec,
                      int abi) {
    SandboxPlan plan;
    plan.namespaces = attempt.namespaces;
    if ((attempt.namespaces & CLONE_NEWUSER) != 0) {
        plan.uid_map = fmt::format("{0} {0} 1", ::geteuid());
        plan.gid_map = fmt::format("{0} {0} 1", ::getegid());
    }
    add_landlock(plan, abi, spec.ports);
    PlanMaker maker(plan, attempt.mounts());
    maker.programs();
    maker.host_settings();
    maker.own_places(spec.tmp_bytes);
    for (const std::string& path : clean.read) maker.readable(path, false);
    for (const std::string& path : clean.execute) maker.readable(path, true);
    maker.readable(clean.program, true);
    for (const std::string& path : clean.write) maker.writable(path);
    for (const std::string& path : clean.sockets) maker.socket(path);
    return plan;
}

SandboxReport make_report(const SandboxPlan& plan) {
    SandboxReport out;
    out.user_ns = (plan.namespaces & CLONE_NEWUSER) != 0;
    out.mount_ns = (plan.namespaces & CLONE_NEWNS) != 0;
    out.pid_ns = (plan.namespaces & CLONE_NEWPID) != 0;
    out.ipc_ns = (plan.namespaces & CLONE_NEWIPC) != 0;
    out.uts_ns = (plan.namespaces & CLONE_NEWUTS) != 0;
    out.private_proc = plan.findings->proc;
    out.landlock_abi = plan.landlock_abi;
    out.landlock_net = plan.ruleset.handled_net != 0;
    out.seccomp = !plan.filter.empty();
    if (out.mount_ns && !out.private_proc) {
        out.missing.push_back("no /proc: this container does not allow a fresh one");
    }
    if (out.landlock_abi == 0) {
        out.missing.push_back("no Landlock: the kernel has it not, or not switched on (lsm=)");
    } else if (!out.landlock_net) {
        out.missing.push_back(
            fmt::format("TCP ports are not restricted: Landlock ABI {} of the "
                        "kernel is below 4",
                        out.landlock_abi));
    }
    if (!out.mount_ns) {
        out.missing.push_back("unix sockets are not restricted without a mount namespace");
    }
    if (!out.seccomp) out.missing.push_back("no seccomp: the kernel has it not");
    return out;
}

// Only failures to make namespaces are worth another try with fewer of them.
bool may_retry(const StartFailure& failure) {
    return failure.stage == kStageClone ||
           (failure.stage >= kStageConfine && failure.stage < kStageCapabilities);
}

std::string describe_failure(const SandboxPlan& plan, const StartFailure& failure) {
    std::string where;
    if (failure.stage == kStageMount && plan.findings->place < plan.places.size()) {
        where = " " + plan.places[plan.findings->place].target;
    }
    return fmt::format("no {}namespaces: {}{}: {}",
                       (plan.namespaces & CLONE_NEWUSER) != 0 ? "user " : "",
                       stage_name(failure.stage), where, std::strerror(failure.error));
}

}  // namespace

void add_landlock(SandboxPlan& plan, int abi, const std::vector<uint16_t>& ports) {
    plan.landlock_abi = abi;
    if (abi < 1) return;
    constexpr uint64_t kFirst = (uint64_t{LANDLOCK_ACCESS_FS_MAKE_SYM} << 1) - 1;  // ABI 1
    plan.ruleset.handled_fs = kFirst;
    if (abi >= 2) plan.ruleset.handled_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3) plan.ruleset.handled_fs |= kLandlockTruncate;
    if (abi >= 4) plan.ruleset.handled_net = kLandlockBindTcp | kLandlockConnectTcp;
    if (abi >= 5) plan.ruleset.handled_fs |= kLandlockIoctlDev;
    if (abi >= 6) plan.ruleset.scoped = kLandlockScopeAbstractUnix | kLandlockScopeSignal;
    plan.ports = ports;
}

Result<Sandboxed> start_sandboxed(Command command, const SandboxSpec& spec) {
    CleanSpec cleaned = TRY(clean(command, spec));
    SharedFindings findings;
    if (findings.get() == nullptr) return fail(Code::io, "mmap: {}", std::strerror(errno));
    int abi = landlock_abi();
    std::vector<sock_filter> filter;
    if (seccomp_available()) filter = TRY(make_seccomp_filter(FilterKind::shared_network));
    command.argv[0] = cleaned.program;
    // Outside the child's root there is no directory to begin in.
    if (!command.directory) command.directory = "/";

    std::vector<std::string> tried;
    for (const Attempt& attempt : attempts()) {
        if (!attempt.mounts() && abi == 0) break;
        SandboxPlan plan = make_plan(attempt, cleaned, spec, abi);
        plan.filter = filter;
        plan.findings = findings.get();
        ChildStep step{plan.namespaces, confine, &plan};
        StartFailure failure;
        Result<Process> started = ChildStarter::start(command, &step, failure);
        if (started) {
            SandboxReport report = make_report(plan);
            report.missing.insert(report.missing.begin(), tried.begin(), tried.end());
            return Sandboxed{std::move(*started), std::move(report)};
        }
        if (!may_retry(failure)) {
            return with_context(Result<Sandboxed>(fail(std::move(started.error()))), "sandbox");
        }
        tried.push_back(describe_failure(plan, failure));
    }
    return fail(Code::unsupported,
                "nothing here can hide files from a confined program ({}; Landlock ABI {}): allow "
                "user namespaces (sysctl kernel.unprivileged_userns_clone=1, or a container that "
                "may make them) or boot with Landlock (lsm=landlock,...)",
                fmt::join(tried, "; "), abi);
}

std::string SandboxReport::summary() const {
    std::string namespaces;
    for (const auto& [active, name] : {std::pair{user_ns, "user"},
                                       {mount_ns, "mount"},
                                       {pid_ns, "pid"},
                                       {ipc_ns, "ipc"},
                                       {uts_ns, "uts"}}) {
        if (!active) continue;
        if (!namespaces.empty()) namespaces += "+";
        namespaces += name;
    }
    std::string out = namespaces.empty() ? "no namespaces" : namespaces + " namespaces";
    if (landlock_abi > 0) {
        out +=
            fmt::format(", Landlock {} ({})", landlock_abi, landlock_net ? "files, TCP" : "files");
    }
    if (seccomp) out += ", seccomp";
    return out;
}

}  // namespace vouchsafe::lab
