// Private to sandbox*.cpp: the plan of a confinement, made by the parent, and what the child does
// with it between clone and exec (system calls only; see ChildStep).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "vouchsafe/lab/process_child.h"

namespace vouchsafe::lab {

// Stages, for errors. Those below kStageCapabilities mean that namespaces cannot be had here.
inline constexpr int kStageUserMap = kStageConfine;
inline constexpr int kStageRoot = kStageConfine + 1;
inline constexpr int kStageMount = kStageConfine + 2;
inline constexpr int kStagePivot = kStageConfine + 3;
inline constexpr int kStageCapabilities = kStageConfine + 4;
inline constexpr int kStageNoNewPrivs = kStageConfine + 5;
inline constexpr int kStageLandlock = kStageConfine + 6;
inline constexpr int kStageSeccomp = kStageConfine + 7;
const char* stage_name(int stage);

// The new root is built below kNewRoot while the old one is at kOldRoot (see build_root).
inline constexpr const char* kNewRoot = "/newroot";
inline constexpr const char* kOldRoot = "/oldroot";

enum class PlaceKind {
    folder,
    symlink,
    bind_read,
    bind_write,  // no programs are executed from it
    bind_home,   // as bind_write, with programs
    bind_device,
    tmp,            // no programs are executed from it
    tmp_programs,   // as tmp, with programs
    proc,           // read-only
    proc_writable,  // but for what belongs to the whole computer
    terminals,      // devpts
    fuse_file       // one file that this process' parent serves
};

// Place is one thing in the new root, in the order of making.
struct Place {
    PlaceKind kind;
    std::string source;  // below kOldRoot; of a symlink, its text; of a file system, its options
    std::string target;  // below kNewRoot
    bool is_folder = true;
};

// Landlock's uapi (include/uapi/linux/landlock.h), newer parts that Debian 12's headers lack.
inline constexpr uint64_t kLandlockTruncate = 1u << 14;    // ABI 3
inline constexpr uint64_t kLandlockIoctlDev = 1u << 15;    // ABI 5
inline constexpr uint64_t kLandlockBindTcp = 1u << 0;      // ABI 4
inline constexpr uint64_t kLandlockConnectTcp = 1u << 1;   // ABI 4
inline constexpr uint64_t kLandlockScopeAbstractUnix = 1;  // ABI 6
inline constexpr uint64_t kLandlockScopeSignal = 2;        // ABI 6
struct LandlockRuleset {
    uint64_t handled_fs = 0;
    uint64_t handled_net = 0;
    uint64_t scoped = 0;
};

struct LandlockPath {
    std::string path;
    uint64_t access = 0;
};

// ChildFindings is memory shared with the child: what it could not know before.
struct ChildFindings {
    bool proc = false;
    size_t place = 0;    // the one being made
    int fuse_file = -1;  // the child's descriptor of the file it mounted
};

struct SandboxPlan {
    unsigned long namespaces = 0;
    std::string uid_map, gid_map;  // empty without a user namespace
    std::vector<Place> places;     // empty without a mount namespace

    int landlock_abi = 0;
    LandlockRuleset ruleset;
    std::vector<LandlockPath> paths;
    std::vector<uint16_t> ports;

    std::vector<sock_filter> filter;  // empty without seccomp
    ChildFindings* findings = nullptr;
};

// confine is the ChildStep. `context` is a SandboxPlan.
StartFailure confine(void* context) noexcept;

// The parts of confine, for confinements of another shape. errno says why one failed.
bool map_user(const SandboxPlan& plan) noexcept;
StartFailure build_root(const SandboxPlan& plan) noexcept;
bool drop_capabilities() noexcept;
bool filter_calls(const std::vector<sock_filter>& filter) noexcept;

// FilterKind: a guest has a network of its own, and may make user namespaces.
enum class FilterKind { shared_network, guest };
// make_seccomp_filter builds the deny list as a BPF program.
Result<std::vector<sock_filter>> make_seccomp_filter(FilterKind kind);

// add_landlock fills the Landlock part of the plan for what `abi` can do.
void add_landlock(SandboxPlan& plan, int abi, const std::vector<uint16_t>& ports);

}  // namespace vouchsafe::lab
