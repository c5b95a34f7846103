#include "vouchsafe/evidence/boot/uefi.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint64_t kMaxNameChars = 512;

// Types and subtypes of device path nodes (UEFI 2.10, 10.3).
constexpr uint8_t kHardware = 1;
constexpr uint8_t kAcpi = 2;
constexpr uint8_t kMedia = 4;
constexpr uint8_t kEnd = 0x7F;
constexpr uint8_t kPci = 1;
constexpr uint8_t kAcpiDevice = 1;
constexpr uint8_t kHardDrive = 1;
constexpr uint8_t kVendorMedia = 3;
constexpr uint8_t kFilePath = 4;
constexpr uint8_t kFirmwareFile = 6;
constexpr uint8_t kFirmwareVolume = 7;
constexpr uint32_t kPciRootHid = 0x0A0341D0;  // PNP0A03
constexpr uint8_t kGptSignature = 2;          // a hard drive node names the partition's GUID

constexpr uint32_t kLoadOptionActive = 1;

constexpr std::string_view kGptSign = "EFI PART";
constexpr uint32_t kGptHeaderSize = 92;
constexpr uint32_t kGptEntrySize = 128;      // at least (UEFI 2.10, 5.3.2)
constexpr uint32_t kGptMaxEntrySize = 4096;  // 128 times a power of two
constexpr size_t kGptNameSize = 72;

// EFI_CERT_X509_GUID {a5c059a1-94e4-4aa7-87b5-ab155c2bf072} (UEFI 2.10, 32.4.1).
constexpr Guid kX509{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                     0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
constexpr size_t kSignatureListHeader = 28;  // a GUID and three sizes

char printable(uint16_t unit) {
    return unit >= 0x20 && unit < 0x7F ? static_cast<char>(unit) : '?';
}

bool looks_like_utf16(ByteView bytes) {
    if (bytes.size() < 4 || bytes.size() % 2 != 0) return false;
    for (size_t i = 1; i < bytes.size(); i += 2) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

// The forms below are those of UEFI 2.10, 10.6, in short.
Result<std::string> hard_drive_text(Reader& node) {
    uint32_t number = TRY(node.u32_le("partition number"));
    TRY(node.skip(16, "start and size"));
    Guid id = TRY(node.array<16>("partition signature"));
    TRY(node.skip(1, "partition format"));
    uint8_t form = TRY(node.u8("signature type"));
    if (form != kGptSignature) return fmt::format("HD({})", number);
    return fmt::format("HD({},GPT,{})", number, guid_text(id));
}

Result<std::string> media_text(uint8_t subtype, Reader& node) {
    switch (subtype) {
        case kHardDrive:
            return hard_drive_text(node);
        case kVendorMedia:
            return fmt::format("VenMedia({})", guid_text(TRY(node.array<16>("vendor"))));
        case kFilePath:
            return text_from_utf16(TRY(node.rest("file path")));
        case kFirmwareFile:
            return fmt::format("FvFile({})", guid_text(TRY(node.array<16>("firmware file"))));
        case kFirmwareVolume:
            return fmt::format("Fv({})", guid_text(TRY(node.array<16>("firmware volume"))));
        default:
            return fmt::format("Media({})", subtype);
    }
}

Result<std::string> node_text(uint8_t type, uint8_t subtype, Reader& node) {
    if (type == kMedia) return media_text(subtype, node);
    if (type == kHardware && subtype == kPci) {
        uint8_t function = TRY(node.u8("function"));
        uint8_t device = TRY(node.u8("device"));
        return fmt::format("Pci({:x}.{:x})", device, function);
    }
    if (type == kAcpi && subtype == kAcpiDevice) {
        uint32_t hid = TRY(node.u32_le("hardware id"));
        uint32_t uid = TRY(node.u32_le("unique id"));
        if (hid == kPciRootHid) return fmt::format("PciRoot({:x})", uid);
        return fmt::format("Acpi({:x},{:x})", hid, uid);
    }
    return fmt::format("Path({},{})", type, subtype);
}

// read_utf16 takes units up to and with a NUL.
Result<std::string> read_utf16(Reader& in, std::string_view field) {
    std::string out;
    while (true) {
        uint16_t unit = TRY(in.u16_le(field));
        if (unit == 0) return out;
        if (out.size() < kMaxUefiText) out.push_back(printable(unit));
    }
}

Result<GptPartition> read_partition(Reader& in, uint32_t entry_size) {
    Reader entry(TRY(in.take(entry_size, "partition")), "partition");
    GptPartition out;
    out.type = TRY(entry.array<16>("type"));
    out.id = TRY(entry.array<16>("id"));
    out.first_lba = TRY(entry.u64_le("first block"));
    out.last_lba = TRY(entry.u64_le("last block"));
    out.attributes = TRY(entry.u64_le("attributes"));
    out.name = text_from_utf16(TRY(entry.take(kGptNameSize, "name")));
    return out;
}

Result<void> read_signature_list(Reader& in, std::vector<UefiSignature>& out) {
    Guid type = TRY(in.array<16>("signature type"));
    uint32_t list_size = TRY(in.u32_le("list size"));
    uint32_t header_size = TRY(in.u32_le("header size"));
    uint32_t entry_size = TRY(in.u32_le("entry size"));
    if (list_size < kSignatureListHeader || list_size - kSignatureListHeader > in.left() ||
        header_size > list_size - kSignatureListHeader || entry_size <= sizeof(Guid)) {
        return fail(Code::invalid, "a signature list of {} bytes, {} of header, entries of {}",
                    list_size, header_size, entry_size);
    }
    TRY(in.skip(header_size, "signature header"));
    size_t entries = list_size - kSignatureListHeader - header_size;
    if (entries % entry_size != 0) {
        return fail(Code::invalid, "a signature list does not hold whole entries");
    }
    for (; entries > 0; entries -= entry_size) {
        UefiSignature one{type, {}, {}};
        one.owner = TRY(in.array<16>("signature owner"));
        one.data = to_bytes(TRY(in.take(entry_size - sizeof(Guid), "signature data")));
        out.push_back(std::move(one));
    }
    return {};
}

}  // namespace

std::string guid_text(const Guid& g) {
    const Guid in_order{g[3], g[2], g[1],  g[0],  g[5],  g[4],  g[7],  g[6],
                        g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]};
    std::string out = encode_hex(in_order);
    for (size_t dash : {8, 13, 18, 23}) out.insert(dash, 1, '-');
    return out;
}

std::string text_from_utf16(ByteView bytes) {
    std::string out;
    for (size_t i = 0; i + 1 < bytes.size() && out.size() < kMaxUefiText; i += 2) {
        auto unit = static_cast<uint16_t>(bytes[i] | (bytes[i + 1] << 8));
        if (unit == 0) break;
        out.push_back(printable(unit));
    }
    return out;
}

std::string text_from(ByteView bytes) {
    if (looks_like_utf16(bytes)) return text_from_utf16(bytes);
    std::string out;
    for (uint8_t byte : bytes) {
        if (byte == 0 || out.size() == kMaxUefiText) break;
        out.push_back(printable(byte));
    }
    return out;
}

Result<UefiVariable> UefiVariable::parse(ByteView bytes) {
    Reader in(bytes, "UEFI variable event");
    UefiVariable out;
    out.vendor = TRY(in.array<16>("vendor GUID"));
    uint64_t name_chars = TRY(in.u64_le("name length"));
    uint64_t data_size = TRY(in.u64_le("data length"));
    if (name_chars > kMaxNameChars || data_size > in.left()) {
        return fail(Code::invalid, "UEFI variable event: name of {} characters, data of {} bytes",
                    name_chars, data_size);
    }
    out.name = text_from_utf16(TRY(in.take(name_chars * 2, "name")));
    out.data = to_bytes(TRY(in.take(data_size, "data")));
    TRY(in.end());
    return out;
}

Result<DevicePath> DevicePath::parse(ByteView bytes) {
    Reader in(bytes, "device path");
    DevicePath out;
    while (!in.done() && out.text.size() < kMaxUefiText) {
        uint8_t type = TRY(in.u8("type"));
        uint8_t subtype = TRY(in.u8("subtype"));
        uint16_t length = TRY(in.u16_le("length"));
        if (length < 4) return fail(Code::invalid, "device path node of {} bytes", length);
        Reader node(TRY(in.take(length - 4, "node")), "device path node");
        if (type == kEnd) break;
        std::string text = TRY(node_text(type, subtype, node));
        if (type == kMedia && subtype == kFilePath) out.file += text;
        out.text += (out.text.empty() ? "" : "/") + text;
    }
    return out;
}

Result<ImageLoad> ImageLoad::parse(ByteView bytes) {
    Reader in(bytes, "image load event");
    TRY(in.skip(24, "location, length, link address"));
    uint64_t size = TRY(in.u64_le("device path length"));
    if (size > in.left()) return fail(Code::invalid, "device path of {} bytes", size);
    ImageLoad out;
    out.path = TRY(DevicePath::parse(TRY(in.take(size, "device path"))));
    return out;
}

Result<LoadOption> LoadOption::parse(ByteView bytes) {
    Reader in(bytes, "load option");
    LoadOption out;
    uint32_t attributes = TRY(in.u32_le("attributes"));
    out.active = (attributes & kLoadOptionActive) != 0;
    uint16_t path_size = TRY(in.u16_le("file path length"));
    out.description = TRY(read_utf16(in, "description"));
    out.path = TRY(DevicePath::parse(TRY(in.take(path_size, "file paths"))));
    out.optional_data = to_bytes(TRY(in.rest("optional data")));
    return out;
}

Result<GptTable> GptTable::parse(ByteView bytes) {
    Reader in(bytes, "GPT event");
    ByteView sign = TRY(in.take(kGptSign.size(), "signature"));
    if (as_text(sign) != kGptSign) return fail(Code::invalid, "GPT event: no partition table");
    GptTable out;
    out.revision = TRY(in.u32_le("revision"));
    uint32_t header_size = TRY(in.u32_le("header size"));
    TRY(in.skip(24, "checksum, reserved, places of the headers"));
    out.first_usable_lba = TRY(in.u64_le("first usable block"));
    out.last_usable_lba = TRY(in.u64_le("last usable block"));
    out.disk = TRY(in.array<16>("disk GUID"));
    TRY(in.skip(12, "place and number of the entries"));
    uint32_t entry_size = TRY(in.u32_le("entry size"));
    TRY(in.skip(4, "checksum of the entries"));
    uint64_t count = TRY(in.u64_le("number of partitions"));
    if (header_size != kGptHeaderSize || entry_size < kGptEntrySize ||
        entry_size > kGptMaxEntrySize || count > in.left() / entry_size) {
        return fail(Code::invalid, "GPT event: header of {} bytes, {} partitions of {} bytes",
                    header_size, count, entry_size);
    }
    out.partitions.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        out.partitions.push_back(TRY(read_partition(in, entry_size)));
    }
    TRY(in.end());
    return out;
}

bool UefiSignature::is_certificate() const {
    return type == kX509;
}

Result<std::vector<UefiSignature>> parse_uefi_signatures(ByteView data) {
    Reader in(data, "signature database");
    std::vector<UefiSignature> out;
    while (!in.done()) TRY(read_signature_list(in, out));
    return out;
}

}  // namespace vouchsafe::evidence
