#include "vouchsafe/lab/sandbox.h"

#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "vouchsafe/lab/sandbox_child.h"

namespace vouchsafe::lab {

namespace {

namespace fs = std::filesystem;

// Folders that are links on a merged-/usr system and real ones elsewhere.
constexpr const char* kProgramFolders[] = {"/usr",   "/bin",   "/sbin",  "/lib",
                                           "/lib32", "/lib64", "/libx32"};
constexpr const char* kEtc[] = {"/etc/ssl/certs",   "/etc/ssl/openssl.cnf", "/etc/alternatives",
                                "/etc/ld.so.cache", "/etc/ld.so.conf",      "/etc/ld.so.conf.d",
                                "/etc/passwd",      "/etc/group",           "/etc/nsswitch.conf",
                                "/etc/hosts",       "/etc/host.conf",       "/etc/resolv.conf",
                                "/etc/gai.conf",    "/etc/services",        "/etc/protocols",
                                "/etc/localtime",   "/etc/os-release",      "/etc/debian_version"};
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom"};
constexpr const char* kCpuFolder = "/sys/devices/system/cpu";

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kReadFolder = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kExecute = LANDLOCK_ACCESS_FS_EXECUTE;
constexpr uint64_t kWriteFile = kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kLandlockTruncate;
constexpr uint64_t kWriteFolder =
    kWriteFile | kReadFolder | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr uint64_t kDevice = kWriteFile | kLandlockIoctlDev;

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

bool is_folder(const std::string& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
}

// PlanMaker collects places of the new root and Landlock's rules for the same things.
class PlanMaker {
  public:
    explicit PlanMaker(SandboxPlan& plan, bool mounts) : plan_(plan), mounts_(mounts) {}

    void readable(const std::string& path, bool executable) {
        bool folder = is_folder(path);
        allow(path, (folder ? kReadFolder : kReadFile) | (executable ? kExecute : 0));
        place(PlaceKind::bind_read, path, folder);
    }
    void writable(const std::string& path) {
        bool folder = is_folder(path);
        allow(path, folder ? kWriteFolder : kWriteFile);
        place(PlaceKind::bind_write, path, folder);
    }
    void socket(const std::string& path) { place(PlaceKind::bind_write, path, false); }

    void system() {
        for (const char* path : kProgramFolders) program_folder(path);
        for (const char* path : kEtc) {
            if (exists(path)) readable(path, false);
        }
        for (const char* path : kDevices) {
            if (!exists(path)) continue;
            allow(path, kDevice);
            place(PlaceKind::bind_device, path, false);
        }
        if (exists(kCpuFolder)) readable(kCpuFolder, false);
        for (const auto& [name, text] :
             {std::pair{"/dev/fd", "/proc/self/fd"}, std::pair{"/dev/stdin", "/proc/self/fd/0"},
              std::pair{"/dev/stdout", "/proc/self/fd/1"},
              std::pair{"/dev/stderr", "/proc/self/fd/2"}}) {
            link(name, text);
        }
        if (mounts_) {
            allow("/", LANDLOCK_ACCESS_FS_READ_DIR);  // what is in it is what was given
            add({PlaceKind::proc, "", "/proc"});
            allow("/proc", kReadFolder);
            add({PlaceKind::tmp, "", "/tmp"});
            allow("/tmp", kWriteFolder);
        } else {
            for (const char* path : {"/proc/self", "/proc/cpuinfo", "/proc/meminfo",
                                     "/proc/sys/vm/overcommit_memory"}) {
                allow(path, is_folder(path) ? kReadFolder : kReadFile);
            }
        }
    }

  private:
    void allow(const std::string& path, uint64_t access) {
        plan_.paths.push_back({path, access & plan_.ruleset.handled_fs});
    }

    void program_folder(const std::string& path) {
        std::error_code ignored;
        if (!fs::exists(path, ignored)) return;
        if (!fs::is_symlink(path, ignored)) return readable(path, true);
        link(path, fs::read_symlink(path, ignored).string());
    }

    void link(const std::string& path, const std::string& text) {
        parents(path);
        add({PlaceKind::symlink, text, path});
    }

    void place(PlaceKind kind, const std::string& path, bool folder) {
        parents(path);
        // Absolute links would lead astray while the root is being built.
        std::error_code error;
        std::string real = fs::canonical(path, error).string();
        add({kind, kOldRoot + (error ? path : real), path, folder});
    }

    void parents(const std::string& path) {
        for (size_t end = path.find('/', 1); end != std::string::npos;
             end = path.find('/', end + 1)) {
            std::string folder = path.substr(0, end);
            if (made_.insert(folder).second) add({PlaceKind::folder, "", folder});
        }
    }

    void add(Place place) {
        if (!mounts_) return;
        place.target = kNewRoot + place.target;
        plan_.places.push_back(std::move(place));
    }

    SandboxPlan& plan_;
    bool mounts_;
    std::set<std::string> made_;
};

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
    plan.tmp_options = fmt::format("mode=1777,size={}", spec.tmp_bytes);
    add_landlock(plan, abi, spec.ports);
    PlanMaker maker(plan, attempt.mounts());
    maker.system();
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
    if (seccomp_available()) filter = TRY(make_seccomp_filter());
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
