// The recorded boots of data/, taken into the program by the assembler.
#include "vouchsafe/lab/machine.h"

asm(R"(
    .pushsection .rodata
    .balign 8
vs_boot_on:
    .incbin ")" VS_LAB_DATA R"(/boot-secure-boot-on.bin"
vs_boot_on_end:
    .balign 8
vs_boot_off:
    .incbin ")" VS_LAB_DATA R"(/boot-secure-boot-off.bin"
vs_boot_off_end:
    .hidden vs_boot_on, vs_boot_on_end, vs_boot_off, vs_boot_off_end
    .globl vs_boot_on, vs_boot_on_end, vs_boot_off, vs_boot_off_end
    .popsection
)");

extern "C" {
extern const uint8_t vs_boot_on[], vs_boot_on_end[], vs_boot_off[], vs_boot_off_end[];
}

namespace vouchsafe::lab {

ByteView boot_recording(bool secure_boot) {
    return secure_boot ? ByteView(vs_boot_on, vs_boot_on_end)
                       : ByteView(vs_boot_off, vs_boot_off_end);
}

}  // namespace vouchsafe::lab
