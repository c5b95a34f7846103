// What a confirmed event log says about the boot, as claims that policies can compare. Only what a
// register's digest covers becomes a claim. Pure.
#pragma once

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/boot/boot_facts.h"

namespace vouchsafe::attest {

// add_boot_claims adds, each only if the log has it; digests as lower-case hex:
//   x-vouchsafe-boot-authorities    digests of the events with what Secure Boot, or shim, accepted
//                                   images by (PCR 7), in order
//   x-vouchsafe-boot-images         digests of the images that firmware loaded (PCRs 2 and 4)
//   x-vouchsafe-boot-kernel         digest of the last of them, if it is a kernel's
//   x-vouchsafe-boot-command-line   SHA-256 of the kernel's command line as GRUB measured it
//   x-vouchsafe-firmware-version    text
void add_boot_claims(Json& claims, const evidence::BootFacts& facts);

}  // namespace vouchsafe::attest
