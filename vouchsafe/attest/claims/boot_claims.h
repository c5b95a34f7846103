// What a confirmed event log says about the boot, as claims. Pure.
//
// The digests are in the registers, but what they are digests of is only said: neither an event's
// type nor its name is covered, and whoever rules the guest can extend registers and append events.
// So all of these are the guest's word (policies see them as CustomClaim). What a policy can build
// on are whole registers: x-vouchsafe-pcrs, and Secure Boot, which is decided by the first event of
// PCR 7.
#pragma once

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/boot/boot_facts.h"

namespace vouchsafe::attest {

// add_boot_claims adds, each only if the log has it; digests as lower-case hex:
//   x-vouchsafe-boot-authorities    digests of the events with what Secure Boot, or shim, accepted
//                                   images by (PCR 7), in order
//   x-vouchsafe-boot-images         digests of the images that firmware loaded (PCRs 2 and 4)
//   x-vouchsafe-boot-kernel         digest of the last of them, if it is a kernel's
//   x-vouchsafe-boot-command-line   SHA-256 of the kernel's command line as GRUB logged it; what
//                                   does not print counts as '?'
//   x-vouchsafe-firmware-version    text
void add_boot_claims(Json& claims, const evidence::BootFacts& facts);

}  // namespace vouchsafe::attest
