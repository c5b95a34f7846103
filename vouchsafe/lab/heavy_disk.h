// The two containers between a kernel and the firmware that boots it: a unified kernel image (a
// PE/COFF program of the firmware's with kernel, command line and initial file system as sections)
// and a disk with a GUID partition table. Bytes in, bytes out.
#pragma once

#include <span>
#include <string>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::lab {

struct ImageSection {
    std::string name;  // ".linux"; at most 8 bytes
    Bytes content;
};

// unified_kernel_image appends `sections` to systemd's stub `stub` (UAPI group's specification
// "Unified Kernel Image"; PE format, 3 and 4). What the stub's file has behind its sections is left
// out: firmware would hash it in a place of its own. Code::invalid if the stub is no 64-bit PE
// program, or has no room for more section headers.
Result<Bytes> unified_kernel_image(ByteView stub, std::span<const ImageSection> sections);

// gpt_disk is a disk with one partition, an EFI system partition with the content `partition`
// (UEFI 2.10, 5.3). Its identifiers are always the same, because firmware measures the table.
Bytes gpt_disk(ByteView partition);

}  // namespace vouchsafe::lab
