// The system calls that a confined child may not make. They fail with EPERM, so that a program that
// merely tries one goes on.
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "vouchsafe/lab/sandbox_child.h"

namespace vouchsafe::lab {

namespace {

// Reading other processes, changing the kernel, making namespaces or mounts, keys, clocks, and the
// wide interfaces that have had the most kernel bugs.
constexpr int kDenied[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(bpf),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(vhangup),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(mbind),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(move_pages),
};

constexpr uint64_t kNewNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME;
constexpr uint64_t kSocketTypeMask = 0xF;  // without SOCK_NONBLOCK and SOCK_CLOEXEC

struct FilterFree {
    void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterFree>;

constexpr uint32_t kRefused = SCMP_ACT_ERRNO(EPERM);

// No new namespaces; but a guest may have one for users, which is what its `sudo` is. clone3 hides
// its flags in memory: ENOSYS makes the C library use clone.
int add_namespace_rules(scmp_filter_ctx filter, FilterKind kind) {
    int rc = 0;
    for (uint64_t bit = 1; bit <= kNewNamespaces; bit <<= 1) {
        if (rc != 0 || (kNewNamespaces & bit) == 0) continue;
        rc = seccomp_rule_add(filter, kRefused, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
        if (kind == FilterKind::guest && bit == CLONE_NEWUSER) continue;
        if (rc == 0) {
            rc = seccomp_rule_add(filter, kRefused, SCMP_SYS(unshare), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
        }
    }
    if (rc == 0) rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return rc;
}

// Of the internet's sockets only TCP.
int add_tcp_rules(scmp_filter_ctx filter) {
    int rc = 0;
    for (int family : {AF_INET, AF_INET6}) {
        for (uint64_t type = 0; type <= kSocketTypeMask; ++type) {
            if (rc != 0 || type == SOCK_STREAM) continue;
            rc = seccomp_rule_add(
                filter, kRefused, SCMP_SYS(socket), 2,
                SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, static_cast<uint64_t>(family)),
                SCMP_A1(SCMP_CMP_MASKED_EQ, kSocketTypeMask, type));
        }
        // Other stream protocols (MPTCP, SCTP, SMC) would pass by Landlock's rules for TCP.
        if (rc != 0) continue;
        rc =
            seccomp_rule_add(filter, kRefused, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, static_cast<uint64_t>(family)),
                             SCMP_A2(SCMP_CMP_GT, static_cast<uint64_t>(IPPROTO_TCP)));
    }
    return rc;
}

int add_rules(scmp_filter_ctx filter, FilterKind kind) {
    int rc = 0;
    for (int number : kDenied) {
        if (rc == 0) rc = seccomp_rule_add(filter, kRefused, number, 0);
    }
    if (rc == 0) rc = add_namespace_rules(filter, kind);
    // No typing into somebody's terminal.
    if (rc == 0) {
        rc = seccomp_rule_add(filter, kRefused, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, TIOCSTI));
    }
    // Sockets: unix and the internet's, and netlink, which the C library asks for the interfaces.
    for (int family = 0; family < AF_MAX; ++family) {
        if (rc != 0 || family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
            family == AF_NETLINK) {
            continue;
        }
        rc = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, static_cast<uint64_t>(family)));
    }
    if (rc == 0 && kind == FilterKind::shared_network) rc = add_tcp_rules(filter);
    return rc;
}

}  // namespace

Result<std::vector<sock_filter>> make_seccomp_filter(FilterKind kind) {
    Filter filter(seccomp_init(SCMP_ACT_ALLOW));
    int rc = filter ? add_rules(filter.get(), kind) : -ENOMEM;
    if (rc != 0) return fail(Code::internal, "seccomp rules: {}", std::strerror(-rc));
    int fd = ::memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0) return fail(Code::io, "memfd_create: {}", std::strerror(errno));
    rc = seccomp_export_bpf(filter.get(), fd);
    off_t size = ::lseek(fd, 0, SEEK_END);
    std::vector<sock_filter> out(
        rc == 0 && size > 0 ? static_cast<size_t>(size) / sizeof(sock_filter) : 0);
    ssize_t wanted = static_cast<ssize_t>(out.size() * sizeof(sock_filter));
    bool read = wanted > 0 && ::pread(fd, out.data(), static_cast<size_t>(wanted), 0) == wanted;
    ::close(fd);
    if (!read) return fail(Code::internal, "the seccomp filter cannot be exported");
    return out;
}

}  // namespace vouchsafe::lab
