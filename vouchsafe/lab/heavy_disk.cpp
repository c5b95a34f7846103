#include "vouchsafe/lab/heavy_disk.h"

#include <algorithm>

namespace vouchsafe::lab {

namespace {

size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

void put_le(Bytes& out, size_t at, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) out[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

// ---- the unified kernel image -------------------------------------------------------------------

constexpr size_t kSectionHeader = 40;
constexpr size_t kSectionAlign = 4096;
constexpr uint32_t kReadOnlyData = 0x40000040;  // initialized data, readable (PE format, 4.1)

// StubLayout is where things are in a PE file (PE format, 3.1 to 3.4 and 4).
struct StubLayout {
    size_t count_at = 0;       // of NumberOfSections
    size_t symbols_at = 0;     // of PointerToSymbolTable and NumberOfSymbols
    size_t image_size_at = 0;  // of SizeOfImage
    size_t table_at = 0;       // of the section table
    size_t headers = 0;        // SizeOfHeaders
    size_t file_align = 0;
    uint16_t count = 0;
    size_t raw_end = 0;      // of the last section in the file
    size_t virtual_end = 0;  // of the last section in memory
};

Result<StubLayout> read_stub(ByteView stub) {
    constexpr size_t kHeaderAt = 0x3C;
    constexpr size_t kCoffHeader = 24;  // with the signature
    Reader dos(stub, "stub");
    if (as_text(TRY(dos.take(2, "DOS magic"))) != "MZ") {
        return fail(Code::invalid, "the boot stub is no PE program");
    }
    TRY(dos.skip(kHeaderAt - 2, "DOS header"));
    const size_t pe = TRY(dos.u32_le("PE header"));
    Reader coff(stub, "stub");
    TRY(coff.skip(pe, "up to the PE header"));
    if (as_text(TRY(coff.take(4, "PE signature"))) != std::string_view("PE\0\0", 4)) {
        return fail(Code::invalid, "the boot stub is no PE program");
    }
    StubLayout out;
    TRY(coff.skip(2, "machine"));
    out.count_at = coff.offset();
    out.count = TRY(coff.u16_le("sections"));
    out.symbols_at = coff.offset() + 4;
    TRY(coff.skip(12, "date and symbols"));
    const size_t optional_size = TRY(coff.u16_le("optional header's size"));
    const size_t optional = pe + kCoffHeader;
    TRY(coff.skip(2, "characteristics"));
    if (TRY(coff.u16_le("optional header's magic")) != 0x20B) {
        return fail(Code::invalid, "the boot stub is not for 64 bits");
    }
    TRY(coff.skip(34, "up to the alignments"));
    out.file_align = TRY(coff.u32_le("file alignment"));
    TRY(coff.skip(16, "versions"));
    out.image_size_at = coff.offset();
    TRY(coff.skip(4, "image size"));
    out.headers = TRY(coff.u32_le("size of headers"));
    out.table_at = optional + optional_size;
    Reader table(stub, "stub");
    TRY(table.skip(out.table_at, "up to the section table"));
    for (unsigned i = 0; i < out.count; ++i) {
        TRY(table.skip(8, "section name"));
        const size_t virtual_size = TRY(table.u32_le("virtual size"));
        const size_t address = TRY(table.u32_le("address"));
        const size_t raw_size = TRY(table.u32_le("raw size"));
        const size_t raw_at = TRY(table.u32_le("raw data"));
        TRY(table.skip(16, "rest of the section header"));
        out.raw_end = std::max(out.raw_end, raw_at + raw_size);
        out.virtual_end = std::max(out.virtual_end, address + virtual_size);
    }
    const bool sound = out.file_align != 0 && out.file_align <= kSectionAlign &&
                       out.headers <= out.raw_end && out.raw_end <= stub.size();
    if (!sound) return fail(Code::invalid, "the boot stub's headers contradict each other");
    return out;
}

// ---- the disk -----------------------------------------------------------------------------------

constexpr size_t kSector = 512;
constexpr size_t kFirstSector = 2048;  // of the partition: at 1 MiB, as all tools do
constexpr size_t kEntrySize = 128;
constexpr size_t kEntries = 128;
constexpr size_t kTableSectors = kEntrySize * kEntries / kSector;
constexpr size_t kHeaderSize = 92;

uint32_t crc32(ByteView bytes) {
    uint32_t crc = 0xFFFFFFFF;
    for (uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320 & (0U - (crc & 1)));
    }
    return ~crc;
}

// GUIDs as they stand on the disk: the first three groups little-endian.
constexpr uint8_t kSystemPartition[16] = {0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11,
                                          0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B};
constexpr uint8_t kDiskId[16] = {0x76, 0x6F, 0x75, 0x63, 0x68, 0x73, 0x61, 0x46,
                                 0x85, 0x00, 0x64, 0x69, 0x73, 0x6B, 0x00, 0x01};
constexpr uint8_t kPartitionId[16] = {0x76, 0x6F, 0x75, 0x63, 0x68, 0x73, 0x61, 0x46,
                                      0x85, 0x00, 0x70, 0x61, 0x72, 0x74, 0x00, 0x01};

Bytes partition_table(size_t sectors) {
    Writer out;
    out.bytes(kSystemPartition).bytes(kPartitionId);
    out.u64_le(kFirstSector).u64_le(kFirstSector + sectors - 1).u64_le(0);
    for (char c : std::string_view("ESP")) out.u16_le(static_cast<uint8_t>(c));
    out.zeros(kEntrySize * kEntries - out.view().size());
    return out.take();
}

Bytes table_header(size_t here, size_t other, size_t table_at, size_t total, uint32_t table_crc) {
    auto make = [&](uint32_t crc) {
        Writer out;
        out.bytes(as_bytes("EFI PART")).u32_le(0x00010000).u32_le(kHeaderSize);
        out.u32_le(crc).u32_le(0).u64_le(here).u64_le(other);
        out.u64_le(2 + kTableSectors).u64_le(total - 2 - kTableSectors);
        out.bytes(kDiskId).u64_le(table_at).u32_le(kEntries).u32_le(kEntrySize).u32_le(table_crc);
        return out.take();
    };
    Bytes out = make(crc32(make(0)));
    out.resize(kSector);
    return out;
}

// protective_mbr keeps tools that know no GPT away (UEFI 2.10, 5.2.3).
Bytes protective_mbr(size_t total) {
    Writer out;
    out.zeros(446).u8(0).bytes(std::array<uint8_t, 3>{0x00, 0x02, 0x00});
    out.u8(0xEE).bytes(std::array<uint8_t, 3>{0xFF, 0xFF, 0xFF}).u32_le(1);
    out.u32_le(static_cast<uint32_t>(std::min<size_t>(total - 1, UINT32_MAX))).zeros(48);
    out.u8(0x55).u8(0xAA);
    return out.take();
}

}  // namespace

Result<Bytes> unified_kernel_image(ByteView stub, std::span<const ImageSection> sections) {
    const StubLayout layout = TRY(read_stub(stub));
    if (layout.table_at + (layout.count + sections.size()) * kSectionHeader > layout.headers) {
        return fail(Code::invalid, "the boot stub has no room for {} more sections",
                    sections.size());
    }
    Bytes out = to_bytes(stub.first(layout.raw_end));
    out.resize(round_up(out.size(), layout.file_align));
    size_t address = round_up(layout.virtual_end, kSectionAlign);
    size_t header = layout.table_at + layout.count * kSectionHeader;
    for (const ImageSection& section : sections) {
        if (section.name.size() > 8) {
            return fail(Code::invalid, "{} is no section's name", section.name);
        }
        const size_t raw_at = out.size();
        append(out, section.content);
        out.resize(round_up(out.size(), layout.file_align));
        std::fill_n(out.begin() + static_cast<ptrdiff_t>(header), kSectionHeader, uint8_t{0});
        std::copy(section.name.begin(), section.name.end(),
                  out.begin() + static_cast<ptrdiff_t>(header));
        put_le(out, header + 8, section.content.size(), 4);
        put_le(out, header + 12, address, 4);
        put_le(out, header + 16, out.size() - raw_at, 4);
        put_le(out, header + 20, raw_at, 4);
        put_le(out, header + 36, kReadOnlyData, 4);
        header += kSectionHeader;
        address = round_up(address + section.content.size(), kSectionAlign);
    }
    put_le(out, layout.count_at, layout.count + sections.size(), 2);
    put_le(out, layout.symbols_at, 0, 8);
    put_le(out, layout.image_size_at, address, 4);
    return out;
}

Bytes gpt_disk(ByteView partition) {
    const size_t sectors = round_up(partition.size(), kSector) / kSector;
    const size_t end = round_up(kFirstSector + sectors, kFirstSector);
    const size_t total = end + kFirstSector;
    const Bytes table = partition_table(sectors);
    const uint32_t crc = crc32(table);
    Bytes out;
    out.reserve(total * kSector);
    append(out, protective_mbr(total));
    append(out, table_header(1, total - 1, 2, total, crc));
    append(out, table);
    out.resize(kFirstSector * kSector);
    append(out, partition);
    out.resize((total - 1 - kTableSectors) * kSector);
    append(out, table);
    append(out, table_header(total - 1, 1, total - 1 - kTableSectors, total, crc));
    return out;
}

}  // namespace vouchsafe::lab
