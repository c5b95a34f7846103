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

enum class PlaceKind { folder, symlink, bind_read, bind_write, bind_device, tmp, proc };

// Place is one thing in the new root, in the order of making.
struct Place {
    PlaceKind kind;
    std::string source;  // below kOldRoot; of a symlink, its text
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
    size_t place = 0;  // the one being made
};

struct SandboxPlan {
    unsigned long namespaces = 0;
    std::string uid_map, gid_map;  // empty without a user namespace
    std::vector<Place> places;     // empty without a mount namespace
    std::string tmp_options;

    int landlock_abi = 0;
    LandlockRuleset ruleset;
    std::vector<LandlockPath> paths;
    std::vector<uint16_t> ports;

    std::vector<sock_filter> filter;  // empty without seccomp
    ChildFindings* findings = nullptr;
};

// confine is the ChildStep. `context` is a SandboxPlan.
StartFailure confine(void* context) noexcept;

// make_seccomp_filter builds the deny list as a BPF program.
Result<std::vector<sock_filter>> make_seccomp_filter();

// add_landlock fills the Landlock part of the plan for what `abi` can do.
void add_landlock(SandboxPlan& plan, int abi, const std::vector<uint16_t>& ports);

}  // namespace vouchsafe::lab
