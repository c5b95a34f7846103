// UEFI's own structures inside of event data: variables, boot options, device paths, partition
// tables, signature databases. Bytes to fields, nothing more: whether a digest covers them is said
// in boot_facts.h. Text is ASCII here: other characters are replaced by '?'.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::evidence {

// Guid is an EFI_GUID as it is stored: the first three fields are little-endian.
using Guid = std::array<uint8_t, 16>;
std::string guid_text(const Guid& guid);  // "8be4df61-93ca-11d2-aa0d-00e098032b8c"

// EFI_GLOBAL_VARIABLE (UEFI 2.10, 3.3).
inline constexpr Guid kEfiGlobalVariable{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                         0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

// Texts in events are cut after this many characters.
inline constexpr size_t kMaxUefiText = 4096;
// text_from_utf16 reads little-endian units up to a NUL or the end; an odd last byte is ignored.
std::string text_from_utf16(ByteView bytes);
// text_from reads ASCII, or UTF-16 if every second byte is zero, up to a NUL or the end.
std::string text_from(ByteView bytes);

// UefiVariable is a UEFI_VARIABLE_DATA (PFP, "UEFI_VARIABLE_DATA").
struct UefiVariable {
    Guid vendor{};
    std::string name;  // at most 512 characters
    Bytes data;

    bool global() const { return vendor == kEfiGlobalVariable; }
    // parse fails with Code::invalid unless the sizes fit the bytes exactly.
    static Result<UefiVariable> parse(ByteView bytes);
};

// DevicePath is what a device path says (UEFI 2.10, 10.3).
struct DevicePath {
    std::string text;  // "PciRoot(0)/Pci(3.0)/HD(1,GPT,...)/\EFI\BOOT\BOOTX64.EFI"
    std::string file;  // the file path in it; "" if none
    // parse reads up to the end node, or to the end of the bytes. Code::invalid if a node is longer
    // than what is left.
    static Result<DevicePath> parse(ByteView bytes);
};

// ImageLoad is a UEFI_IMAGE_LOAD_EVENT (PFP) without the addresses.
struct ImageLoad {
    DevicePath path;
    static Result<ImageLoad> parse(ByteView bytes);
};

// LoadOption is an EFI_LOAD_OPTION: the value of a variable Boot#### (UEFI 2.10, 3.1.3).
struct LoadOption {
    bool active = false;
    std::string description;
    DevicePath path;
    Bytes optional_data;  // what the image gets as its options
    static Result<LoadOption> parse(ByteView bytes);
};

struct GptPartition {
    Guid type{};
    Guid id{};
    uint64_t first_lba = 0;
    uint64_t last_lba = 0;
    uint64_t attributes = 0;
    std::string name;
};

// GptTable is a UEFI_GPT_DATA (PFP): the header of a disk's partition table (UEFI 2.10, 5.3.2), and
// its partitions that are in use.
struct GptTable {
    uint32_t revision = 0;
    uint64_t first_usable_lba = 0;
    uint64_t last_usable_lba = 0;
    Guid disk{};
    std::vector<GptPartition> partitions;
    // parse fails with Code::invalid unless the sizes fit the bytes exactly.
    static Result<GptTable> parse(ByteView bytes);
};

// UefiSignature is one entry of a signature database (UEFI 2.10, 32.4.1): a certificate as DER, or
// the hash of an image, or something else.
struct UefiSignature {
    Guid type{};
    Guid owner{};
    Bytes data;
    bool is_certificate() const;  // of type EFI_CERT_X509_GUID
};
// parse_uefi_signatures reads the data of PK, KEK, db or dbx, which may be empty. Code::invalid
// unless all sizes fit the bytes exactly.
Result<std::vector<UefiSignature>> parse_uefi_signatures(ByteView data);

}  // namespace vouchsafe::evidence
