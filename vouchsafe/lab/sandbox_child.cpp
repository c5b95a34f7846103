#include "vouchsafe/lab/sandbox_child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vouchsafe::lab {

namespace {

constexpr int kLandlockRuleNetPort = 2;
struct LandlockPort {
    uint64_t access;
    uint64_t port;
};

bool write_proc(const char* path, const char* text, size_t size) noexcept {
    int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = ::write(fd, text, size) == static_cast<ssize_t>(size);
    int error = errno;
    ::close(fd);
    errno = error;
    return done;
}

bool set_attributes(const char* path, uint64_t attributes, unsigned flags) noexcept {
    mount_attr wanted{};
    wanted.attr_set = attributes;
    return ::mount_setattr(AT_FDCWD, path, flags, &wanted, sizeof(wanted)) == 0;
}

// make_target makes the folder or empty file that something is mounted on.
bool make_target(const Place& place) noexcept {
    if (place.is_folder) return ::mkdir(place.target.c_str(), 0755) == 0 || errno == EEXIST;
    int fd = ::open(place.target.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0) return errno == EEXIST;
    ::close(fd);
    return true;
}

bool bind(const Place& place, uint64_t attributes) noexcept {
    const char* target = place.target.c_str();
    return make_target(place) &&
           ::mount(place.source.c_str(), target, nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
           set_attributes(target, attributes, AT_RECURSIVE);
}

bool mount_new(const Place& place, const char* type, unsigned long flags) noexcept {
    return make_target(place) &&
           ::mount(type, place.target.c_str(), type, flags, place.source.c_str()) == 0;
}

// A container may forbid a fresh /proc; then there is none rather than the one of the host. It is
// read-only, because /proc/sys goes by user id alone and we may be root.
bool mount_proc(const Place& place, ChildFindings& findings) noexcept {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
    if (!make_target(place)) return false;
    findings.proc = ::mount("proc", place.target.c_str(), "proc", kFlags, nullptr) == 0;
    return true;
}

// What is the whole computer's goes by user id alone, and ours may be root's.
bool mount_proc_writable(const Place& place, ChildFindings& findings) noexcept {
    constexpr const char* kComputers[] = {"sys", "sysrq-trigger", "irq", "bus", "fs"};
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const char* target = place.target.c_str();
    if (!make_target(place) || ::mount("proc", target, "proc", kFlags, nullptr) != 0) return false;
    findings.proc = true;
    if (::chdir(target) != 0) return false;
    for (const char* name : kComputers) {
        if (::access(name, F_OK) != 0) continue;
        if (::mount(name, name, nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
            !set_attributes(name, MOUNT_ATTR_RDONLY, AT_RECURSIVE)) {
            return false;
        }
    }
    return ::chdir("/") == 0;
}

// mount_fuse_file mounts what somebody serves at the other end of findings.fuse_file. The kernel
// wants /dev/fuse opened in the user namespace in which it is mounted, so no one else can.
bool mount_fuse_file(const Place& place, ChildFindings& findings) noexcept {
    constexpr const char* kFuse = "/oldroot/dev/fuse";
    if (!make_target(place)) return false;
    int fd = ::open(kFuse, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    findings.fuse_file = fd;
    // "fd=N,..." without leading zeros, which would make it octal.
    char options[128] = "fd=";
    char digits[10];
    size_t count = 0;
    for (int rest = fd; count == 0 || rest > 0; rest /= 10) {
        digits[count++] = static_cast<char>('0' + rest % 10);
    }
    size_t length = std::strlen(options);
    if (length + count + 1 + place.source.size() >= sizeof(options)) return false;
    while (count > 0) options[length++] = digits[--count];
    options[length++] = ',';
    std::memcpy(options + length, place.source.c_str(), place.source.size() + 1);
    return ::mount("vtpm", place.target.c_str(), "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                   options) == 0;
}

bool make_place(const Place& place, const SandboxPlan& plan) noexcept {
    switch (place.kind) {
        case PlaceKind::folder:
            return make_target(place);
        case PlaceKind::symlink:
            return ::symlink(place.source.c_str(), place.target.c_str()) == 0 || errno == EEXIST;
        case PlaceKind::bind_read:
            return bind(place, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        case PlaceKind::bind_write:
            return bind(place, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        case PlaceKind::bind_device:
            return bind(place, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        case PlaceKind::bind_home:
            return bind(place, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        case PlaceKind::tmp:
            return mount_new(place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
        case PlaceKind::tmp_programs:
            return mount_new(place, "tmpfs", MS_NOSUID | MS_NODEV);
        case PlaceKind::terminals:
            return mount_new(place, "devpts", MS_NOSUID | MS_NOEXEC);
        case PlaceKind::proc:
            return mount_proc(place, *plan.findings);
        case PlaceKind::proc_writable:
            return mount_proc_writable(place, *plan.findings);
        case PlaceKind::fuse_file:
            return mount_fuse_file(place, *plan.findings);
    }
    return false;
}

bool pivot(const char* root, const char* old) noexcept {
    return ::syscall(SYS_pivot_root, root, old) == 0;
}

size_t ruleset_size(int abi) noexcept {
    if (abi < 4) return sizeof(uint64_t);
    return abi < 6 ? 2 * sizeof(uint64_t) : sizeof(LandlockRuleset);
}

bool add_path(int ruleset, const LandlockPath& rule) noexcept {
    int fd = ::open(rule.path.c_str(), O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == EACCES;  // not there: nothing to allow
    landlock_path_beneath_attr attributes{};
    attributes.allowed_access = rule.access;
    attributes.parent_fd = fd;
    bool done =
        ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attributes, 0) == 0;
    int error = errno;
    ::close(fd);
    errno = error;
    return done;
}

bool restrict_by_landlock(const SandboxPlan& plan) noexcept {
    int ruleset = static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &plan.ruleset, ruleset_size(plan.landlock_abi), 0));
    if (ruleset < 0) return false;
    for (const LandlockPath& rule : plan.paths) {
        if (!add_path(ruleset, rule)) return false;
    }
    if (plan.ruleset.handled_net != 0) {
        for (uint16_t port : plan.ports) {
            LandlockPort attributes{kLandlockConnectTcp, port};
            if (::syscall(SYS_landlock_add_rule, ruleset, kLandlockRuleNetPort, &attributes, 0) !=
                0) {
                return false;
            }
        }
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return false;
    ::close(ruleset);
    return true;
}

}  // namespace

// The files of /proc/self belong to root while we are undumpable, as this program is. The memory
// of secrets is empty here (it is wiped in children), and this lasts for three writes.
bool map_user(const SandboxPlan& plan) noexcept {
    ::prctl(PR_SET_DUMPABLE, 1);
    bool done = write_proc("/proc/self/setgroups", "deny", 4) &&
                write_proc("/proc/self/uid_map", plan.uid_map.data(), plan.uid_map.size()) &&
                write_proc("/proc/self/gid_map", plan.gid_map.data(), plan.gid_map.size());
    int error = errno;
    ::prctl(PR_SET_DUMPABLE, 0);
    errno = error;
    return done;
}

// build_root makes a new root and enters it. A first, empty root that holds nothing but the old one
// and the new one keeps sources and targets apart, whatever their paths are.
StartFailure build_root(const SandboxPlan& plan) noexcept {
    constexpr const char* kBase = "/tmp";
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", kBase, "tmpfs", kFlags, "mode=0755,size=1m") != 0 || ::chdir(kBase) != 0 ||
        ::mkdir("newroot", 0755) != 0 || ::mkdir("oldroot", 0755) != 0 ||
        ::mount("tmpfs", "newroot", "tmpfs", kFlags, "mode=0755,size=1m") != 0 ||
        !pivot(".", "oldroot") || ::chdir("/") != 0) {
        return {kStageRoot, errno};
    }
    for (plan.findings->place = 0; plan.findings->place < plan.places.size();
         ++plan.findings->place) {
        if (!make_place(plan.places[plan.findings->place], plan)) return {kStageMount, errno};
    }
    // The second pivot stacks the first root over the new one; then it is taken away.
    if (::umount2(kOldRoot, MNT_DETACH) != 0 || ::chdir(kNewRoot) != 0 || !pivot(".", ".") ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0 ||
        !set_attributes("/", MOUNT_ATTR_RDONLY, 0)) {
        return {kStagePivot, errno};
    }
    return {};
}

bool drop_capabilities() noexcept {
    // Without CAP_SETPCAP these fail, and there is nothing to drop from.
    constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    ::prctl(PR_SET_SECUREBITS, kBits);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; cap < 64; ++cap) ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
    return ::syscall(SYS_capset, &header, none) == 0;
}

bool filter_calls(const std::vector<sock_filter>& filter) noexcept {
    sock_fprog program{static_cast<unsigned short>(filter.size()),
                       const_cast<sock_filter*>(filter.data())};
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

const char* stage_name(int stage) {
    switch (stage) {
        case kStageClone:
            return "making namespaces";
        case kStageUserMap:
            return "mapping the user";
        case kStageRoot:
            return "making a new root";
        case kStageMount:
            return "mounting into the new root";
        case kStagePivot:
            return "entering the new root";
        case kStageCapabilities:
            return "dropping capabilities";
        case kStageNoNewPrivs:
            return "no_new_privs";
        case kStageLandlock:
            return "Landlock";
        case kStageSeccomp:
            return "seccomp";
        default:
            return "start";
    }
}

StartFailure confine(void* context) noexcept {
    SandboxPlan& plan = *static_cast<SandboxPlan*>(context);
    if (!plan.uid_map.empty() && !map_user(plan)) return {kStageUserMap, errno};
    // A guest that keeps the host name is no less confined.
    if ((plan.namespaces & CLONE_NEWUTS) != 0) {
        [[maybe_unused]] int renamed = ::sethostname("guest", 5);
    }
    if (!plan.places.empty()) {
        StartFailure failure = build_root(plan);
        if (failure.stage != kStageNone) return failure;
    }
    if (!drop_capabilities()) return {kStageCapabilities, errno};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return {kStageNoNewPrivs, errno};
    if (plan.landlock_abi > 0 && !restrict_by_landlock(plan)) return {kStageLandlock, errno};
    if (!plan.filter.empty() && !filter_calls(plan.filter)) return {kStageSeccomp, errno};
    return {};
}

}  // namespace vouchsafe::lab
