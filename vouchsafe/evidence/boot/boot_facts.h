// What a replayed event log says about the boot. Facts come only from registers that were
// confirmed.
//
// What can be believed: an event's digest is in the register, so whatever it is the hash of is true
// of the boot, in that order. An event's *type* and its place in the log's prose are not: facts
// that matter are therefore decided by position and hash (Secure Boot), and everything whose data
// the digest does not cover is marked `measured = false`.
#pragma once

#include "vouchsafe/evidence/boot/event_log.h"

namespace vouchsafe::evidence {

enum class SecureBoot { on, off, not_measured };
std::string_view secure_boot_name(SecureBoot state);

// BootImage is an EFI image that was loaded: its digest (Authenticode hash) is measured, its path
// is only said.
struct BootImage {
    uint32_t pcr = 0;
    uint32_t type = 0;
    Bytes digest;      // in the bank of the replay
    std::string path;  // file path in the device path; "" if none. Never covered by the digest.
};

// BootString is text measured by firmware or a boot loader (EV_IPL, EV_EFI_ACTION). Characters that
// do not print are replaced by '?'.
struct BootString {
    uint32_t pcr = 0;
    uint32_t type = 0;
    std::string label;  // GRUB's "kernel_cmdline", "grub_cmd"; never covered by the digest
    std::string text;
    bool measured = false;  // the digest is the hash of the text
};

// BootAuthority is a certificate or list entry that Secure Boot, or shim, used to accept an image.
struct BootAuthority {
    std::string variable;  // "db", "SbatLevel", "MokListRT"
    Bytes data;
    Bytes digest;  // of the event, in the bank of the replay
    bool measured = false;
};

// BootVariable is a UEFI variable that firmware measured (EV_EFI_VARIABLE_DRIVER_CONFIG).
struct BootVariable {
    std::string name;  // "SecureBoot", "PK", "KEK", "db", "dbx"
    Bytes data;
    bool measured = false;
};

struct BootFacts {
    SecureBoot secure_boot = SecureBoot::not_measured;
    std::vector<BootVariable> variables;     // PCR 7
    std::vector<BootAuthority> authorities;  // PCR 7
    std::vector<BootImage> images;           // PCRs 2 and 4
    std::vector<BootString> strings;
    // The text of the only measured string that GRUB labels as the kernel's command line. As labels
    // are not covered, compare register 8 itself where the command line decides something.
    std::optional<std::string> command_line;
};

// read_boot_facts reads the facts. Fails with LOG-FORM if a variable event of PCR 7 is malformed.
//
// Secure Boot: the firmware measures the variable SecureBoot before anything else into PCR 7 (PFP,
// "PCR 7
// - Secure Boot Policy"). So it is the *first* event of a confirmed PCR 7 that says on or off, and
// its digest must be the hash of its data: software cannot put a first event there. A later
// SecureBoot event that says otherwise, or a first one that is not covered, fails with
// LOG-SECURE-BOOT. PCR 7 not confirmed, or beginning with something else: not_measured.
Result<BootFacts> read_boot_facts(const ReplayedLog& log, Checks& checks);

// check_secure_boot requires that Secure Boot was on (BOOT-SECURE-BOOT).
Result<void> check_secure_boot(const BootFacts& facts, Checks& checks);

}  // namespace vouchsafe::evidence
