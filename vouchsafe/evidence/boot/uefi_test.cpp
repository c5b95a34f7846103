#include "vouchsafe/evidence/boot/uefi.h"

#include "vouchsafe/evidence/boot/test_boots.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr Guid kSome{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// gpt writes a partition table with `partitions` entries, and these sizes in it.
Bytes gpt(size_t partitions, uint64_t count, uint32_t entry_size = 128, uint32_t header_size = 92) {
    Writer out;
    out.bytes(as_bytes("EFI PART")).u32_le(0x10000).u32_le(header_size).zeros(24);
    out.u64_le(34).u64_le(9999).bytes(kSome).zeros(12).u32_le(entry_size).u32_le(0).u64_le(count);
    for (size_t i = 0; i < partitions; ++i) {
        Bytes entry = Writer().bytes(kSome).bytes(kSome).u64_le(40 + i).u64_le(50).u64_le(1).take();
        append(entry, utf16("root"));
        entry.resize(entry_size);
        out.bytes(entry);
    }
    return out.take();
}

Bytes signatures(uint32_t entry_size, size_t entries, uint32_t header = 0) {
    Writer out;
    auto size = static_cast<uint32_t>(28 + header + entries * entry_size);
    out.bytes(kSome).u32_le(size).u32_le(header).u32_le(entry_size).zeros(header);
    return out.zeros(entries * entry_size).take();
}

// refuses_every_cut tells whether no beginning of these bytes is accepted.
template <typename T>
void refuses_every_cut(const Bytes& good, T parse, size_t from = 0) {
    EXPECT_TRUE(parse(good)) << parse(good).error().message;
    for (size_t size = from; size < good.size(); ++size) {
        EXPECT_FALSE(parse(ByteView(good).first(size))) << size;
    }
}

TEST(Uefi, WritesGuidsAsUefiDoes) {
    EXPECT_EQ(guid_text(kEfiGlobalVariable), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
}

TEST(Uefi, ReadsVariables) {
    Bytes good = global_variable("SecureBoot", {1});
    UefiVariable variable = MUST(UefiVariable::parse(good));
    EXPECT_TRUE(variable.global());
    EXPECT_EQ(variable.name, "SecureBoot");
    EXPECT_EQ(variable.data, Bytes{1});
    refuses_every_cut(good, [](ByteView bytes) { return UefiVariable::parse(bytes); });
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_FALSE(UefiVariable::parse(longer));
    for (size_t offset : {16, 24}) {  // lengths that do not fit, also after doubling
        for (uint64_t value : {uint64_t{0x8000000000000000}, uint64_t{0xffffffffffffffff}}) {
            Bytes bad = good;
            Bytes little = Writer().u64_le(value).take();
            std::copy(little.begin(), little.end(), bad.begin() + static_cast<ptrdiff_t>(offset));
            EXPECT_FALSE(UefiVariable::parse(bad));
        }
    }
    EXPECT_FALSE(UefiVariable::parse(global_variable(std::string(513, 'x'), {})));
}

TEST(Uefi, ReadsPartitionTables) {
    GptTable table = MUST(GptTable::parse(gpt(2, 2)));
    EXPECT_EQ(table.disk, kSome);
    EXPECT_EQ(table.last_usable_lba, 9999u);
    ASSERT_EQ(table.partitions.size(), 2u);
    EXPECT_EQ(table.partitions[1].first_lba, 41u);
    EXPECT_EQ(table.partitions[1].name, "root");
    EXPECT_EQ(MUST(GptTable::parse(gpt(2, 2, 256))).partitions[1].first_lba, 41u);
    EXPECT_TRUE(MUST(GptTable::parse(gpt(0, 0))).partitions.empty());
    refuses_every_cut(gpt(1, 1), [](ByteView bytes) { return GptTable::parse(bytes); });
    for (uint64_t count : {uint64_t{1}, uint64_t{3}, uint64_t{1} << 57, ~uint64_t{0}}) {
        EXPECT_FALSE(GptTable::parse(gpt(2, count))) << count;
    }
    EXPECT_FALSE(GptTable::parse(gpt(2, 2, 127)));
    EXPECT_FALSE(GptTable::parse(gpt(0, 0, 0)));
    EXPECT_FALSE(GptTable::parse(gpt(0, 0, 0xffffffff)));
    EXPECT_FALSE(GptTable::parse(gpt(1, 1, 128, 96)));
}

TEST(Uefi, ReadsLoadOptions) {
    Bytes path = from_hex("0101060000027fff0400");
    Writer out;
    out.u32_le(1).u16_le(static_cast<uint16_t>(path.size())).bytes(utf16("Linux")).u16_le(0);
    Bytes good = out.bytes(path).take();
    size_t without_data = good.size();
    good.push_back(7);
    LoadOption option = MUST(LoadOption::parse(good));
    EXPECT_TRUE(option.active);
    EXPECT_EQ(option.description, "Linux");
    EXPECT_EQ(option.path.text, "Pci(2.0)");
    EXPECT_EQ(option.optional_data, Bytes{7});
    good.resize(without_data);
    refuses_every_cut(good, [](ByteView bytes) { return LoadOption::parse(bytes); });
}

TEST(Uefi, ReadsDevicePaths) {
    auto text = [](const char* bytes) {
        auto path = DevicePath::parse(from_hex(bytes));
        return path ? path->text : "refused";
    };
    EXPECT_EQ(text(""), "");
    EXPECT_EQ(text("02010c00d041030a00000000010106000003"), "PciRoot(0)/Pci(3.0)");
    EXPECT_EQ(text("02010c000102030405000000"), "Acpi(4030201,5)");
    EXPECT_EQ(text("04040a005c00610000007fff0400ffff"), "\\a");  // nothing behind the end counts
    EXPECT_EQ(text("0303050001"), "Path(3,3)");
    EXPECT_EQ(text("04090400"), "Media(9)");
    EXPECT_EQ(text("0404"), "refused");
    EXPECT_EQ(text("04040300"), "refused");      // shorter than its own head
    EXPECT_EQ(text("0404ffff5c00"), "refused");  // longer than what is left
    EXPECT_EQ(text("0101050000"), "refused");    // a PCI node without its device
}

TEST(Uefi, ReadsSignatureDatabases) {
    auto parse = [](ByteView bytes) { return parse_uefi_signatures(bytes); };
    EXPECT_EQ(MUST(parse(Bytes{})).size(), 0u);
    std::vector<UefiSignature> two = MUST(parse(signatures(48, 2, 3)));
    ASSERT_EQ(two.size(), 2u);
    EXPECT_EQ(two[1].type, kSome);
    EXPECT_EQ(two[1].data, Bytes(32));
    EXPECT_FALSE(two[1].is_certificate());
    refuses_every_cut(signatures(48, 1), parse, 1);
    EXPECT_FALSE(parse(signatures(16, 1)));  // no data
    EXPECT_FALSE(parse(signatures(0, 0)));
    Bytes bad = signatures(48, 2);
    bad[24] = 49;  // entries that do not fill the list
    EXPECT_FALSE(parse(bad));
    bad = signatures(48, 2);
    bad[20] = 200;  // a header longer than the list
    EXPECT_FALSE(parse(bad));
    bad = signatures(48, 1);
    bad[16] = 27;  // a list shorter than its head
    EXPECT_FALSE(parse(bad));
}

TEST(Uefi, ReadsTheSignatureDatabasesOfAMachine) {
    Bytes db = vector_bytes("local/sb-on-shim-grub/efivar-db.bin");
    auto entries = MUST(parse_uefi_signatures(ByteView(db).subspan(4)));
    ASSERT_EQ(entries.size(), 2u);
    for (const UefiSignature& entry : entries) {
        ASSERT_TRUE(entry.is_certificate());
        EXPECT_TRUE(crypto::Certificate::parse_der(entry.data));
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
