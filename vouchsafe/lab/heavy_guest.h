// What is inside the image of a heavy machine beside the programs: its first process and the few
// files that a Linux system wants. Host name, user, keys, names and authorities are not in the
// image; they come from the host at each boot (HeavySpec), as an archive that is laid over it.
#pragma once

#include "vouchsafe/lab/heavy_archive.h"

namespace vouchsafe::lab {

inline constexpr unsigned kHeavyUserId = 1000;
// Where the host's archive comes in (QEMU's fw_cfg).
inline constexpr std::string_view kHeavySettings = "opt/vouchsafe/settings";
// What the first process writes on the console when ssh is there.
inline constexpr std::string_view kHeavyReady = "vouchsafe guest ready";
// Files that the host's archive brings, beside the user's home. The first is shell variables:
// HOST_NAME, USER_NAME, ADDRESSES.
inline constexpr std::string_view kGuestSettings = "etc/vouchsafe/machine";
inline constexpr std::string_view kGuestUsers = "etc/passwd";
inline constexpr std::string_view kGuestGroups = "etc/group";
inline constexpr std::string_view kGuestHosts = "etc/hosts";
inline constexpr std::string_view kGuestAuthorities = "etc/ssl/certs/ca-certificates.crt";
inline constexpr std::string_view kGuestHostKey = "etc/dropbear/host_key";

// add_guest_files adds them. `modules` are those of lib/modules in the order of their loading.
void add_guest_files(BootArchive& archive, const std::vector<std::string>& modules);

}  // namespace vouchsafe::lab
