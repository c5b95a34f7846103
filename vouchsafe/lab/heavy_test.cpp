// What heavy machines are made of, without booting one: tests/interop/heavy_test.py boots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/lab/heavy_archive.h"
#include "vouchsafe/lab/heavy_disk.h"
#include "vouchsafe/lab/heavy_files.h"
#include "vouchsafe/lab/heavy_kernel.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TemporaryDir& heavy_dir() {
    static const TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-heavy-test"));
    return dir;
}

uint64_t le_at(ByteView bytes, size_t at, size_t size) {
    uint64_t out = 0;
    for (size_t i = size; i > 0; --i) out = out << 8 | bytes[at + i - 1];
    return out;
}

// ---- the archive --------------------------------------------------------------------------------

struct Entry {
    std::string name;
    unsigned mode;
    unsigned owner;
    std::string content;
    bool operator==(const Entry&) const = default;
};

// entries reads a cpio archive by its format, from the kernel's documentation.
std::vector<Entry> entries(ByteView archive) {
    std::vector<Entry> out;
    Reader reader(archive);
    auto field = [&] { return std::stoul(to_text(MUST(reader.take(8, "field"))), nullptr, 16); };
    while (!reader.done()) {
        EXPECT_EQ(as_text(MUST(reader.take(6, "magic"))), "070701");
        std::array<unsigned long, 13> fields;
        for (auto& value : fields) value = field();
        Entry entry;
        entry.mode = static_cast<unsigned>(fields[1]);
        entry.owner = static_cast<unsigned>(fields[2]);
        EXPECT_EQ(fields[2], fields[3]);
        entry.name = to_text(MUST(reader.take(fields[11], "name")));
        EXPECT_EQ(entry.name.back(), '\0');
        entry.name.pop_back();
        MUST(reader.skip((4 - reader.offset() % 4) % 4, "padding"));
        entry.content = to_text(MUST(reader.take(fields[6], "content")));
        MUST(reader.skip((4 - reader.offset() % 4) % 4, "padding"));
        out.push_back(entry);
    }
    return out;
}

TEST(BootArchive, HoldsFilesWithTheFoldersAboveThem) {
    BootArchive archive;
    archive.file("a/b/file", as_bytes("12345"), 0600, 1000);
    archive.folder("a/c", 0700, 7);
    archive.link("a/link", "/a/b/file");
    const auto found = entries(archive.finish());
    EXPECT_THAT(
        found,
        ElementsAre(Entry{"a", 0040755, 0, ""}, Entry{"a/b", 0040755, 0, ""},
                    Entry{"a/b/file", 0100600, 1000, "12345"}, Entry{"a/c", 0040700, 7, ""},
                    Entry{"a/link", 0120777, 0, "/a/b/file"}, Entry{"TRAILER!!!", 0, 0, ""}));
}

TEST(BootArchive, IsTheSameForTheSameFiles) {
    auto make = [] {
        BootArchive archive;
        archive.file("x/y", as_bytes("z"));
        return archive.finish();
    };
    EXPECT_EQ(make(), make());
}

// ---- the unified kernel image -------------------------------------------------------------------

// A PE program with one section, whose section table has room for `room` more headers.
Bytes small_stub(size_t room) {
    constexpr size_t kPe = 0x40;
    constexpr size_t kOptional = 240;
    const size_t headers = (kPe + 24 + kOptional + 40 * (1 + room) + 511) / 512 * 512;
    Writer out;
    out.bytes(as_bytes("MZ")).zeros(0x3C - 2).u32_le(kPe);
    out.bytes(as_bytes(std::string_view("PE\0\0", 4))).u16_le(0x8664).u16_le(1);
    out.u32_le(0).u32_le(0x1234).u32_le(5).u16_le(kOptional).u16_le(0x20E);
    out.u16_le(0x20B).zeros(34).u32_le(512).zeros(16).u32_le(0x3000);
    out.u32_le(static_cast<uint32_t>(headers)).zeros(kOptional - 64);
    out.bytes(as_bytes(".text")).zeros(3).u32_le(0x80).u32_le(0x2000).u32_le(512);
    out.u32_le(static_cast<uint32_t>(headers)).zeros(12).u32_le(0x60000020);
    out.zeros(headers - out.view().size()).zeros(512);
    out.bytes(as_bytes("symbols behind the sections"));
    return out.take();
}

TEST(UnifiedKernelImage, AppendsSectionsOneAfterTheOther) {
    const Bytes stub = small_stub(4);
    const std::vector<ImageSection> sections{{".cmdline", to_bytes(std::string_view("quiet"))},
                                             {".linux", Bytes(5000, 7)}};
    const Bytes image = MUST(unified_kernel_image(stub, sections));
    const size_t headers = le_at(stub, 0x40 + 24 + 60, 4);
    EXPECT_EQ(le_at(image, 0x46, 2), 3u);
    EXPECT_EQ(le_at(image, 0x4C, 8), 0u) << "symbols that are no longer there";
    const size_t table = 0x40 + 24 + 240 + 40;
    EXPECT_EQ(as_text(ByteView(image).subspan(table, 8)), ".cmdline");
    EXPECT_EQ(le_at(image, table + 8, 4), 5u);
    EXPECT_EQ(le_at(image, table + 12, 4), 0x3000u);
    const size_t first = le_at(image, table + 20, 4);
    EXPECT_EQ(first, headers + 512) << "right behind the stub's own sections";
    EXPECT_EQ(as_text(ByteView(image).subspan(first, 5)), "quiet");
    EXPECT_EQ(le_at(image, table + 40 + 12, 4), 0x4000u);
    const size_t second = le_at(image, table + 40 + 20, 4);
    EXPECT_EQ(second, first + 512);
    EXPECT_EQ(image[second + 4999], 7);
    EXPECT_EQ(image.size(), second + 5120) << "nothing behind the last section";
    EXPECT_EQ(le_at(image, 0x40 + 24 + 56, 4), 0x6000u);
}

TEST(UnifiedKernelImage, RefusesAStubWithoutRoomForTheHeaders) {
    // A header's worth of room more than needed, then of less: sizes are rounded up to 512.
    const Bytes stub = small_stub(0);
    const size_t table_end = 0x40 + 24 + 240 + 40;
    const size_t room = (le_at(stub, 0x40 + 24 + 60, 4) - table_end) / 40;
    std::vector<ImageSection> sections(room, {".a", Bytes(1)});
    EXPECT_TRUE(unified_kernel_image(stub, sections));
    sections.push_back({".a", Bytes(1)});
    auto refused = unified_kernel_image(stub, sections);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("no room"));
}

TEST(UnifiedKernelImage, RefusesWhatIsNoStub) {
    const Bytes good = small_stub(2);
    const std::vector<ImageSection> none;
    ASSERT_TRUE(unified_kernel_image(good, none));
    for (size_t size : {0, 1, 0x30, 0x50, 0x120, 0x180}) {
        EXPECT_EQ(unified_kernel_image(ByteView(good).first(size), none).error().code,
                  Code::invalid)
            << size;
    }
    for (size_t at : {0x00, 0x40, 0x40 + 24}) {  // DOS magic, PE magic, 64 bits
        Bytes bad = good;
        bad[at] ^= 0x10;
        EXPECT_EQ(unified_kernel_image(bad, none).error().code, Code::invalid) << at;
    }
    Bytes outside = good;
    outside[0x40 + 24 + 240 + 18] = 0x10;  // a section that ends behind the file
    EXPECT_EQ(unified_kernel_image(outside, none).error().code, Code::invalid);
    EXPECT_EQ(unified_kernel_image(good, std::vector<ImageSection>{{".too-long", {}}}).error().code,
              Code::invalid);
}

// ---- the disk -----------------------------------------------------------------------------------

uint32_t crc_of(ByteView bytes) {
    uint32_t crc = ~0U;
    for (uint8_t byte : bytes) {
        crc ^= byte;
        for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
    }
    return ~crc;
}

TEST(GptDisk, HasTwoHeadersThatAgree) {
    const Bytes partition = crypto::random_bytes(3 << 20);
    const Bytes disk = gpt_disk(partition);
    ASSERT_EQ(disk.size() % 512, 0u);
    const size_t last = disk.size() / 512 - 1;
    EXPECT_EQ(le_at(disk, 510, 2), 0xAA55u);
    EXPECT_EQ(disk[450], 0xEE);
    for (size_t sector : {size_t{1}, last}) {
        Bytes header = to_bytes(ByteView(disk).subspan(sector * 512, 92));
        EXPECT_EQ(as_text(ByteView(header).first(8)), "EFI PART");
        const uint32_t crc = static_cast<uint32_t>(le_at(header, 16, 4));
        std::fill_n(header.begin() + 16, 4, uint8_t{0});
        EXPECT_EQ(crc_of(header), crc);
        EXPECT_EQ(le_at(header, 24, 8), sector);
        EXPECT_EQ(le_at(header, 32, 8), sector == 1 ? last : 1);
        const ByteView table = ByteView(disk).subspan(le_at(header, 72, 8) * 512, 128 * 128);
        EXPECT_EQ(crc_of(table), le_at(header, 88, 4));
        const size_t first = le_at(table, 32, 8);
        EXPECT_EQ(le_at(table, 40, 8), first + partition.size() / 512 - 1);
        EXPECT_TRUE(equal(ByteView(disk).subspan(first * 512, partition.size()), partition));
        EXPECT_LT(le_at(table, 40, 8), le_at(header, 48, 8)) << "inside what may be used";
    }
}

// ---- modules ------------------------------------------------------------------------------------

TEST(HeavyKernel, ReadsWhatAModuleNeeds) {
    auto module = [](std::string_view info) {
        Bytes out =
            to_bytes(std::string_view("\x7F"
                                      "ELF...\0license=GPL\0",
                                      20));
        append(out, as_bytes(info));
        out.push_back(0);
        return out;
    };
    EXPECT_THAT(MUST(module_needs(module("depends=virtio,virtio_ring"))),
                ElementsAre("virtio", "virtio_ring"));
    EXPECT_THAT(MUST(module_needs(module("depends="))), IsEmpty());
    EXPECT_EQ(module_needs(module("retpoline=Y")).error().code, Code::invalid);
    EXPECT_EQ(module_needs(as_bytes("depends=virtio")).error().code, Code::invalid);
}

// ---- what the guest is told ---------------------------------------------------------------------

HeavySpec good_spec() {
    HeavySpec spec;
    spec.authorized_keys = {"ssh-ed25519 AAAA somebody"};
    spec.addresses = {"10.0.0.4"};
    spec.services = {{{"my-vault.vault.azure.net"}, "127.0.0.1:1"}};
    spec.relay = {"relay"};
    return spec;
}

TEST(HeavySpec, RefusesWhatWouldBeSomethingElseInside) {
    EXPECT_TRUE(check_heavy_spec(good_spec()));
    auto refuses = [](auto change) {
        HeavySpec spec = good_spec();
        change(spec);
        auto checked = check_heavy_spec(spec);
        return !checked && checked.error().code == Code::invalid;
    };
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.authorized_keys = {"ssh-ed25519 A\nssh-rsa B"}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.authorized_keys = {""}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.addresses = {"10.0.0.4; reboot"}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.addresses = {"$(reboot)"}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.services[0].names = {"a b"}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.services[0].names = {"a\n127.0.0.1 b"}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.services[0].names = {""}; }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.services.resize(kMaxServices + 1); }));
    EXPECT_TRUE(refuses([](HeavySpec& s) { s.relay.clear(); }));
    for (const char* user : {"ada", "A.b-c_1"}) {
        EXPECT_FALSE(refuses([user](HeavySpec& s) { s.user = user; })) << user;
    }
    for (const char* user : {"", "root", "a b", "a:b", "a/b", "..", "-f", "a\nb", "$(reboot)"}) {
        EXPECT_TRUE(refuses([user](HeavySpec& s) { s.user = user; })) << user;
    }
}

TEST(HeavyFiles, SshIsToldOfPathsWithBlanks) {
    const HeavyFiles files{heavy_dir().path() / "it's 100% a folder", {}};
    MUST(make_private_dir(files.folder));
    MUST(write_ssh_config(files, "alice", "ada", 2222));
    const std::string text = MUST(read_text_file(files.ssh_config()));
    EXPECT_THAT(text, HasSubstr("Host alice\n"));
    EXPECT_THAT(text, HasSubstr("Port 2222\n"));
    EXPECT_THAT(text, HasSubstr("User ada\n"));
    EXPECT_THAT(text, HasSubstr("it's 100%% a folder/id_ed25519\""));
    EXPECT_THAT(text, HasSubstr("StrictHostKeyChecking yes"));
    const HeavyFiles quoted{heavy_dir().path() / "a \" b", {}};
    MUST(make_private_dir(quoted.folder));
    EXPECT_EQ(write_ssh_config(quoted, "alice", "ada", 2222).error().code, Code::invalid);
}

TEST(HeavyState, IsOfProcessesThatRun) {
    const Path machine = heavy_dir().path() / "state";
    const HeavyFiles files{heavy_folder(machine), {}};
    MUST(make_private_dir(files.folder));
    EXPECT_FALSE(MUST(read_heavy_state(machine)));
    const ProcessMark me = MUST(mark_process(::getpid()));
    HeavyState state{me, me, 2222, "/run/console", "/run/control"};
    MUST(write_heavy_state(files, state));
    auto found = MUST(read_heavy_state(machine));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->process, state.process);
    EXPECT_EQ(found->ssh_port, 2222);
    EXPECT_EQ(found->console, "/run/console");
    // The same number, of a process that was started at another time.
    ++state.process.start;
    MUST(write_heavy_state(files, state));
    EXPECT_FALSE(MUST(read_heavy_state(machine)));
    EXPECT_EQ(press_power(machine, {}).error().code, Code::conflict);
    MUST(write_file(files.state(), as_bytes("{\"format\": 1, \"qemu\": {\"pid\": -1}}"),
                    Overwrite::yes));
    EXPECT_EQ(read_heavy_state(machine).error().code, Code::invalid);
}

// ---- the TPM ------------------------------------------------------------------------------------

TEST(HeavyTpm, KeepsOneBankAndIsStillALightMachine) {
    const Time now = *parse_rfc3339("2026-07-01T00:00:00Z");
    const SimulatedRoot root = MUST(SimulatedRoot::create(heavy_dir().path() / "root", now));
    Machine machine = MUST(Machine::create({}, heavy_dir().path() / "banks", root, now));
    const uint32_t pcr = 7;
    MUST(machine.start());
    {
        device::Tpm tpm = MUST(device::Tpm::open(machine.tcti()));
        EXPECT_TRUE(tpm.read_pcrs({&pcr, 1}, crypto::HashAlg::sha1));
        MUST(tpm.pcr_allocate(crypto::HashAlg::sha256));
    }
    machine.stop();
    MUST(machine.start());
    device::Tpm tpm = MUST(device::Tpm::open(machine.tcti()));
    EXPECT_EQ(tpm.read_pcrs({&pcr, 1}, crypto::HashAlg::sha1).error().code, Code::unsupported);
    const auto values = MUST(tpm.read_pcrs({&pcr, 1}));
    EXPECT_FALSE(all_zero(values.values.at(pcr)));
    EXPECT_TRUE(tpm.quote(device::kAkHandle, {&pcr, 1}));
}

// ---- relay --------------------------------------------------------------------------------------

TEST(Relay, JoinsAConnectionToAService) {
    auto server = MUST(net::Server::start(
        {}, [](const net::Request&) { return net::text_response(200, "hello"); }));
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    UniqueFd ours(pair[0]);
    std::thread relayed([theirs = pair[1], port = server->port()] {
        UniqueFd fd(theirs);
        EXPECT_TRUE(relay(fd.get(), fd.get(), fmt::format("127.0.0.1:{}", port)));
    });
    const std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    ASSERT_EQ(::write(ours.get(), request.data(), request.size()),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[1024];
    for (ssize_t got; (got = ::read(ours.get(), buffer, sizeof(buffer))) > 0;) {
        answer.append(buffer, static_cast<size_t>(got));
    }
    ours.reset();
    relayed.join();
    EXPECT_THAT(answer, HasSubstr("hello"));
}

TEST(Relay, RefusesTargetsThatAreNone) {
    for (const char* target : {"", "10.0.0.1:80", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:8x",
                               "example.com:80", "/run/socket"}) {
        EXPECT_EQ(relay(-1, -1, target).error().code, Code::invalid) << target;
    }
    EXPECT_EQ(relay(-1, -1, "unix:/nonexistent").error().code, Code::unavailable);
}

}  // namespace
}  // namespace vouchsafe::lab
