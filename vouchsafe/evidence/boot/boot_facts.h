// What a replayed event log says about the boot. Facts come only from registers that were
// confirmed.
//
// What can be believed: an event's digest is in the register, so whatever it is the hash of is true
// of the boot, in that order. An event's *type* and its place in the log's prose are not: facts
// that matter are therefore decided by position and hash (Secure Boot), and everything whose data
// the digest does not cover is marked `measured = false`.
#pragma once

#include "vouchsafe/evidence/boot/event_log.h"
#include "vouchsafe/evidence/boot/uefi.h"

namespace vouchsafe::evidence {

class ReplayedTdLog;  // ccel.h

enum class SecureBoot { on, off, not_measured };
std::string_view secure_boot_name(SecureBoot state);

// RegisterKind says what the member `pcr` of the facts below numbers: PCRs, or a trust domain's
// RTMRs.
enum class RegisterKind { pcr, rtmr };

// BootImage is an EFI image that was loaded: its digest (Authenticode hash) is measured, its path
// is only said.
struct BootImage {
    uint32_t pcr = 0;
    uint32_t type = 0;
    Bytes digest;      // in the bank of the replay
    std::string path;  // file path in the device path; "" if none. Never covered by the digest.
    std::string device_path;  // all of it; "" if none. Never covered.
};

// BootString is text measured by firmware or a boot loader (EV_IPL, EV_ACTION, EV_EFI_ACTION): what
// GRUB executes, a kernel's options. Characters that do not print are replaced by '?'.
struct BootString {
    uint32_t pcr = 0;
    uint32_t type = 0;
    std::string label;  // GRUB's "kernel_cmdline", "grub_cmd"; never covered by the digest
    std::string text;
    bool measured = false;  // the digest is the hash of the text
};

// BootContent is something that was measured as a whole and of which the log has only a name: files
// that GRUB reads, the sections of a unified kernel image, what the kernel's EFI stub gets.
struct BootContent {
    uint32_t pcr = 0;
    uint32_t type = 0;
    std::string name;  // "/vmlinuz", ".cmdline", "LOADED_IMAGE::LoadOptions", "MokList"
    Bytes digest;      // in the bank of the replay
    // systemd's stub measures the section's name and then the section: then the name is measured.
    bool name_measured = false;
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

// BootOption is a variable Boot#### (EV_EFI_VARIABLE_BOOT, _BOOT2). Most firmware measures the
// value alone.
struct BootOption {
    std::string name;  // "Boot0001"
    LoadOption option;
    bool measured = false;       // the value
    bool name_measured = false;  // the name as well
};

// BootOrder is the variable of that name.
struct BootOrder {
    std::vector<uint16_t> options;
    bool measured = false;
    bool name_measured = false;
};

// BootDisk is the partition table of the disk that was booted from (EV_EFI_GPT_EVENT, _EVENT2).
struct BootDisk {
    uint32_t pcr = 0;
    GptTable table;
    bool measured = false;
};

// BootUnreadable is an event whose data is not what its type says. Types are prose, and some
// firmware has forms of its own: such an event is told, not refused.
struct BootUnreadable {
    uint32_t pcr = 0;
    uint32_t type = 0;
    size_t offset = 0;  // in the log
    std::string why;
    bool measured = false;
};

struct BootFacts {
    SecureBoot secure_boot = SecureBoot::not_measured;
    RegisterKind registers = RegisterKind::pcr;
    std::vector<BootVariable> variables;     // PCR 7, RTMR 0
    std::vector<BootAuthority> authorities;  // PCR 7, RTMR 0
    std::vector<BootImage> images;           // in the order of each register; PCRs 2 and 4, RTMR 1
    std::vector<BootString> strings;
    std::vector<BootContent> contents;
    std::optional<BootOrder> boot_order;  // the first
    std::vector<BootOption> boot_options;
    std::vector<BootDisk> disks;
    std::vector<BootUnreadable> unreadable;
    // The firmware's version: the first event of that type in PCR 0, if its text is measured.
    std::optional<std::string> firmware_version;
    // The digest of the last application in PCR 4 (RTMR 1), unless its path names a boot loader:
    // what runs after it is this kernel or unified kernel image. GRUB without Secure Boot starts
    // kernels another way and measures the file alone, which is among `contents`. As paths are not
    // covered, compare the digest with one that is known.
    std::optional<Bytes> kernel_image;
    // The text of the only measured string that GRUB labels as the kernel's command line. As labels
    // are not covered, compare register 8 itself where the command line decides something.
    std::optional<std::string> command_line;
};

// read_boot_facts reads the facts. Fails with LOG-FORM if a variable event of PCR 7 is malformed.
//
// Secure Boot: the firmware measures the variable SecureBoot before anything else into PCR 7 (PFP,
// on PCR 7, the Secure Boot policy). So it is the *first* event of a confirmed PCR 7 that says on
// or off, and its digest must be the hash of its data: software cannot put a first event there. A
// later SecureBoot event that says otherwise, or a first one that is not covered, fails with
// LOG-SECURE-BOOT. PCR 7 not confirmed, or beginning with something else: not_measured.
Result<BootFacts> read_boot_facts(const ReplayedLog& log, Checks& checks);

// read_boot_facts of a trust domain. RTMR 0 holds what PCRs 1 and 7 do, after the firmware's own
// configuration, so SecureBoot is not first there. It is known by its digest instead, whatever the
// event claims to be: that of the variable with the value 1, 0 or none. The first such event
// decides, and must stand before the first separator, which the firmware measures before it starts
// anything; any other, and a SecureBoot event that its digest does not cover, fails with
// LOG-SECURE-BOOT.
Result<BootFacts> read_boot_facts(const ReplayedTdLog& log, Checks& checks);

// check_secure_boot requires that Secure Boot was on (BOOT-SECURE-BOOT).
Result<void> check_secure_boot(const BootFacts& facts, Checks& checks);

}  // namespace vouchsafe::evidence
