// Private to guest*.cpp: what children do between clone and exec to make the inside of a machine,
// and to enter one (system calls only; see ChildStep).
#pragma once

#include <netinet/in.h>

#include <array>
#include <vector>

#include "vouchsafe/lab/sandbox_child.h"
#include "vouchsafe/lab/terminal_relay.h"

namespace vouchsafe::lab {

inline constexpr int kStageNetwork = kStageConfine + 20;
inline constexpr int kStageSockets = kStageConfine + 21;
inline constexpr int kStageHandOut = kStageConfine + 22;
inline constexpr int kStageEnter = kStageConfine + 23;
const char* guest_stage_name(int stage);

struct GuestPlan {
    SandboxPlan root;
    std::string host_name;
    std::vector<in_addr> addresses;    // of its loopback, beside 127.0.0.1
    std::array<sockaddr_in, 2> doors;  // it listens there: for https, for the metadata service
    int channel = -1;                  // unix socket: the descriptors go out through it
};
// The descriptors come in one message: the doors', then that of the FUSE file if there is one.
inline constexpr size_t kMaxHandedOut = 3;

// limit_guest keeps what this process becomes from taking all of the computer: a machine has so
// many processes at once (the kernel counts them by user namespace, and nobody's if the lab is run
// by root), and where memory runs out its programs are the first to go. Before any namespace is
// entered.
void limit_guest() noexcept;

// make_guest is the ChildStep of the first process. `context` is a GuestPlan.
StartFailure make_guest(void* context) noexcept;

// The namespaces of a guest, in the order in which they are entered: the user's first, whose
// rights the others need.
inline constexpr const char* kGuestNamespaces[] = {"user", "mnt", "pid", "net", "uts", "ipc"};

struct GuestEntry {
    std::array<int, std::size(kGuestNamespaces)> namespaces;  // open /proc/PID/ns/*
    std::vector<sock_filter> filter;                          // empty without seccomp
};

// enter_namespaces makes this process' children ones of the guest, and its files the guest's.
bool enter_namespaces(const GuestEntry& entry) noexcept;
// open_guest_terminal makes a terminal among those of the guest that was entered, hands its master
// out and returns the end that programs use; -1 if there are too many.
int open_guest_terminal(const InnerStreams& streams) noexcept;
// confine_entered takes from this process what no program of a guest has.
StartFailure confine_entered(const GuestEntry& entry) noexcept;

}  // namespace vouchsafe::lab
