#include "vouchsafe/lab/guest_child.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace vouchsafe::lab {

namespace {

constexpr int kBacklog = 64;

bool raise_loopback(int control) noexcept {
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    if (::ioctl(control, SIOCGIFFLAGS, &request) != 0) return false;
    request.ifr_flags |= IFF_UP;
    return ::ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

// An address is one of the loopback under a label of its own: "lo:0".
bool add_address(int control, in_addr address, char label) noexcept {
    ifreq request{};
    std::memcpy(request.ifr_name, "lo:", 4);
    request.ifr_name[3] = label;
    sockaddr_in value{};
    value.sin_family = AF_INET;
    value.sin_addr = address;
    std::memcpy(&request.ifr_addr, &value, sizeof(value));
    if (::ioctl(control, SIOCSIFADDR, &request) != 0) return false;
    value.sin_addr.s_addr = INADDR_BROADCAST;  // a network of one
    std::memcpy(&request.ifr_netmask, &value, sizeof(value));
    return ::ioctl(control, SIOCSIFNETMASK, &request) == 0;
}

bool make_network(const GuestPlan& plan) noexcept {
    int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0 || !raise_loopback(control)) return false;
    char label = 'a';
    for (in_addr address : plan.addresses) {
        if (!add_address(control, address, label++)) return false;
    }
    return ::close(control) == 0;
}

int listen_at(const sockaddr_in& address) noexcept {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool done = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                ::listen(fd, kBacklog) == 0;
    return done ? fd : -1;
}

bool hand_out(int channel, const int* fds, size_t count) noexcept {
    char byte = 'g';
    iovec text{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxHandedOut * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return ::sendmsg(channel, &message, MSG_NOSIGNAL) == 1;
}

bool set_up_terminal(int terminal, const InnerStreams& streams) noexcept {
    termios modes{};
    if (::tcgetattr(terminal, &modes) != 0) return false;
    if (streams.modes) modes = *streams.modes;
    if (!streams.processes) modes.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    return ::tcsetattr(terminal, TCSANOW, &modes) == 0 &&
           ::ioctl(terminal, TIOCSWINSZ, &streams.size) == 0;
}

}  // namespace

const char* guest_stage_name(int stage) {
    switch (stage) {
        case kStageNetwork:
            return "making a network";
        case kStageSockets:
            return "listening inside";
        case kStageHandOut:
            return "handing out its sockets";
        case kStageEnter:
            return "entering its namespaces";
        default:
            return stage_name(stage);
    }
}

// The files of /proc/self belong to root while we are undumpable, as this program is (map_user).
void limit_guest() noexcept {
    constexpr rlim_t kMaxProcesses = 4096;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NPROC, &limit) == 0) {
        limit.rlim_max = std::min(limit.rlim_max, kMaxProcesses);
        limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
        ::setrlimit(RLIMIT_NPROC, &limit);
    }
    ::prctl(PR_SET_DUMPABLE, 1);
    const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    [[maybe_unused]] ssize_t ignored = ::write(score, "1000", 4);
    if (score >= 0) ::close(score);
    ::prctl(PR_SET_DUMPABLE, 0);
}

StartFailure make_guest(void* context) noexcept {
    GuestPlan& plan = *static_cast<GuestPlan*>(context);
    limit_guest();
    if (!map_user(plan.root)) return {kStageUserMap, errno};
    if (::sethostname(plan.host_name.data(), plan.host_name.size()) != 0) {
        return {kStageUserMap, errno};
    }
    if (!make_network(plan)) return {kStageNetwork, errno};
    int fds[kMaxHandedOut];
    size_t count = 0;
    for (const sockaddr_in& door : plan.doors) {
        fds[count] = listen_at(door);
        if (fds[count++] < 0) return {kStageSockets, errno};
    }
    StartFailure failure = build_root(plan.root);
    if (failure.stage != kStageNone) return failure;
    if (plan.root.findings->fuse_file >= 0) fds[count++] = plan.root.findings->fuse_file;
    if (!hand_out(plan.channel, fds, count)) return {kStageHandOut, errno};
    // The kernel reaps what ends inside: its first process does nothing but be there.
    ::signal(SIGCHLD, SIG_IGN);
    if (!drop_capabilities()) return {kStageCapabilities, errno};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return {kStageNoNewPrivs, errno};
    if (!plan.root.filter.empty() && !filter_calls(plan.root.filter)) {
        return {kStageSeccomp, errno};
    }
    return {};
}

bool enter_namespaces(const GuestEntry& entry) noexcept {
    for (int fd : entry.namespaces) {
        if (::setns(fd, 0) != 0) return false;
    }
    return true;
}

int open_guest_terminal(const InnerStreams& streams) noexcept {
    const int master = ::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return -1;
    const int locked = 0;
    if (::ioctl(master, TIOCSPTLCK, &locked) != 0) return -1;
    const int out = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (out < 0 || !set_up_terminal(out, streams)) return -1;
    if (!hand_out(streams.channel, &master, 1)) return -1;
    ::close(master);
    return out;
}

StartFailure confine_entered(const GuestEntry& entry) noexcept {
    if (!drop_capabilities()) return {kStageCapabilities, errno};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return {kStageNoNewPrivs, errno};
    if (!entry.filter.empty() && !filter_calls(entry.filter)) return {kStageSeccomp, errno};
    return {};
}

}  // namespace vouchsafe::lab
