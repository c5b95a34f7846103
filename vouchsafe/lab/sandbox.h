// A confined child process: it sees the files, sockets and ports it was given, and nothing else of
// this machine. Layers, each used if the kernel and our rights allow it: user, mount, pid, ipc and
// uts namespaces with a root of bind mounts; no capabilities; no_new_privs; Landlock for files and,
// from ABI 4 on, TCP ports; a seccomp filter. The child dies with this process.
//
// The network namespace is shared, because the services are on the host's loopback: only TCP and
// unix stream sockets can be made, and without Landlock's network rules all TCP ports are open to
// the child (SandboxReport says so). This is protection of the lab's files from its guests; it is
// not what protects data in a confidential VM.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

struct SandboxSpec {
    // Programs and libraries (/usr, /lib*, parts of /etc, a minimal /dev, /sys/devices/system/cpu)
    // are readable always, and the program itself; /tmp is private and empty.
    std::vector<Path> read;       // files and folders; absolute, must exist
    std::vector<Path> write;      // the same, read and write
    std::vector<Path> execute;    // programs beside the one that is started
    std::vector<Path> sockets;    // unix sockets that may be connected to
    std::vector<uint16_t> ports;  // TCP ports that may be connected to
    size_t tmp_bytes = 64 << 20;  // size of /tmp
};

// SandboxReport says which layers are active around a child.
struct SandboxReport {
    bool user_ns = false;
    bool mount_ns = false;
    bool pid_ns = false;
    bool ipc_ns = false;
    bool uts_ns = false;
    bool private_proc = false;  // /proc shows the child's own processes; else there is no /proc
    int landlock_abi = 0;       // 0: no Landlock
    bool landlock_net = false;  // TCP connect is limited to the ports
    bool seccomp = false;
    std::vector<std::string> missing;  // one sentence for each layer that is not there, and why

    std::string summary()
        const;  // "user+mount+pid+ipc+uts namespaces, Landlock 7 (files, TCP), ..."
};

struct Sandboxed {
    Process process;
    SandboxReport report;
};

// start_sandboxed is Process::start with confinement. Layers that are not available are left out
// and reported; but if neither mount namespaces nor Landlock can hide files it fails with
// Code::unsupported and says what to change.
Result<Sandboxed> start_sandboxed(Command command, const SandboxSpec& spec);

}  // namespace vouchsafe::lab
