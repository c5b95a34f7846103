#include <algorithm>

#include "vouchsafe/evidence/boot/test_boots.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

TEST(BootFacts, TellSecureBootOfEveryRecordedLog) {
    Json all = facts("tpm");
    for (const auto& [name, row] : all.items()) {
        const Json& expected = row.at("facts");
        if (!expected.contains("secure_boot") || name.starts_with("derived/")) continue;
        if (!expected.contains("banks")) continue;
        SCOPED_TRACE(name);
        EventLog log = recorded(name);
        auto read = boot_facts(log, best_bank(log));
        ASSERT_TRUE(read) << message(read);
        std::string verdict = expected.at("secure_boot");
        SecureBoot state = verdict == "on"             ? SecureBoot::on
                           : verdict == "not measured" ? SecureBoot::not_measured
                                                       : SecureBoot::off;
        EXPECT_EQ(read->secure_boot, state);
    }
    for (const char* boot : kRecordedBoots) {
        BootFacts read = MUST(boot_facts(booted(boot), HashAlg::sha256));
        bool on = std::string_view(boot).starts_with("sb-on");
        EXPECT_EQ(read.secure_boot, on ? SecureBoot::on : SecureBoot::off) << boot;
        Checks checks;
        EXPECT_EQ(refusal(check_secure_boot(read, checks)), on ? "" : "BOOT-SECURE-BOOT") << boot;
    }
}

TEST(BootFacts, ReadVariablesAuthoritiesImagesAndTheCommandLine) {
    BootFacts read = MUST(boot_facts(booted("sb-on-shim-grub"), HashAlg::sha256));
    std::vector<std::string> variables, authorities;
    for (const BootVariable& variable : read.variables) {
        variables.push_back(variable.name);
        EXPECT_TRUE(variable.measured);
    }
    for (const BootAuthority& authority : read.authorities)
        authorities.push_back(authority.variable);
    EXPECT_EQ(variables, (std::vector<std::string>{"SecureBoot", "PK", "KEK", "db", "dbx"}));
    EXPECT_NE(std::find(authorities.begin(), authorities.end(), "db"), authorities.end());
    EXPECT_NE(std::find(authorities.begin(), authorities.end(), "SbatLevel"), authorities.end());
    EXPECT_FALSE(read.images.empty());
    ASSERT_TRUE(read.command_line);
    EXPECT_TRUE(read.command_line->starts_with("/vmlinuz console=ttyS0")) << *read.command_line;
    EXPECT_EQ(MUST(boot_facts(booted("sb-off-uki"), HashAlg::sha256)).command_line, std::nullopt);
}

// FakeVariable is an event of register 7.
struct FakeVariable {
    const char* name;
    uint8_t value;
    uint32_t type = kEvEfiVariableDriverConfig;
    bool covered = true;
};
EventLog with_pcr7(std::initializer_list<FakeVariable> variables) {
    std::vector<MadeEvent> events;
    for (const FakeVariable& variable : variables) {
        MadeEvent event{7, variable.type, global_variable(variable.name, {variable.value})};
        if (!variable.covered) event.hashed = Bytes{1};
        events.push_back(event);
    }
    return made_log(events);
}

TEST(BootFacts, SecureBootIsOnOnlyByTheFirstEventOfRegister7) {
    auto state = [](std::initializer_list<FakeVariable> variables) {
        return boot_facts(with_pcr7(variables), HashAlg::sha256);
    };
    EXPECT_EQ(MUST(state({{"SecureBoot", 1}, {"PK", 0}})).secure_boot, SecureBoot::on);
    EXPECT_EQ(MUST(state({{"SecureBoot", 1}, {"SecureBoot", 1}})).secure_boot, SecureBoot::on);
    EXPECT_EQ(MUST(state({{"SecureBoot", 0}})).secure_boot, SecureBoot::off);
    EXPECT_EQ(MUST(state({{"SecureBoot", 2}})).secure_boot, SecureBoot::off);
    EXPECT_EQ(MUST(state({{"PK", 1}})).secure_boot, SecureBoot::not_measured);
    // Software that runs with Secure Boot off extends "on" later, and hides the first event's type.
    EXPECT_EQ(refusal(state({{"SecureBoot", 0}, {"SecureBoot", 1}})), "LOG-SECURE-BOOT");
    EXPECT_EQ(refusal(state({{"SecureBoot", 0, kEvEfiAction}, {"SecureBoot", 1}})),
              "LOG-SECURE-BOOT");
    EXPECT_EQ(refusal(state({{"PK", 0}, {"SecureBoot", 1}})), "LOG-SECURE-BOOT");
    // Data that the digest does not cover says nothing.
    EXPECT_EQ(refusal(state({{"SecureBoot", 1, kEvEfiVariableDriverConfig, false}})),
              "LOG-SECURE-BOOT");
}

TEST(BootFacts, SayNothingOfARegisterThatWasNotConfirmed) {
    PcrBank pcrs = booted_pcrs("sb-on-shim-grub");
    pcrs.values.erase(7);
    pcrs.values.erase(8);
    Checks checks;
    ReplayedLog replayed = MUST(verify_event_log(booted("sb-on-shim-grub"), pcrs, checks));
    BootFacts read = MUST(read_boot_facts(replayed, checks));
    EXPECT_EQ(read.secure_boot, SecureBoot::not_measured);
    EXPECT_TRUE(read.authorities.empty());
    EXPECT_EQ(read.command_line, std::nullopt);
}

template <typename T>
std::vector<std::string> names(const std::vector<T>& items, std::string T::*member) {
    std::vector<std::string> out;
    for (const T& item : items) out.push_back(item.*member);
    return out;
}
using Names = std::vector<std::string>;

BootFacts facts_of_boot(const std::string& name) {
    return MUST(boot_facts(booted(name), HashAlg::sha256));
}

const BootContent& content(const BootFacts& read, const std::string& name) {
    auto found = std::ranges::find(read.contents, name, &BootContent::name);
    if (found == read.contents.end()) throw std::runtime_error("no content " + name);
    return *found;
}

TEST(BootFacts, ReadImagesInTheirOrderUpToTheKernel) {
    BootFacts grub = facts_of_boot("sb-on-shim-grub");
    EXPECT_EQ(names(grub.images, &BootImage::path),
              (Names{"\\EFI\\BOOT\\BOOTX64.EFI", "\\EFI\\BOOT\\grubx64.efi", "", ""}));
    EXPECT_EQ(grub.images[0].device_path,
              "PciRoot(0)/Pci(1.0)/HD(1,GPT,aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee)/"
              "\\EFI\\BOOT\\BOOTX64.EFI");
    // The same Debian kernel, started by shim and from inside of a unified kernel image.
    BootFacts uki = facts_of_boot("setup-mode-uki-sha256only");
    ASSERT_TRUE(grub.kernel_image && uki.kernel_image);
    EXPECT_EQ(hex(*grub.kernel_image).substr(0, 16), "5f21ff2c0d5d8998");
    EXPECT_EQ(uki.kernel_image, grub.kernel_image);
    // GRUB starts a kernel by itself: the last image is GRUB, and the kernel is a measured file.
    BootFacts ubuntu =
        MUST(boot_facts(recorded("eventlog-ubuntu-2404-sevsnp.bin"), HashAlg::sha256));
    EXPECT_EQ(ubuntu.kernel_image, std::nullopt);
    EXPECT_EQ(content(ubuntu, "/vmlinuz-6.8.0-1010-gcp").pcr, 9u);
    EXPECT_TRUE(ubuntu.command_line->starts_with("/vmlinuz-6.8.0-1010-gcp root=PARTUUID="));
}

TEST(BootFacts, ReadTheSectionsOfAUnifiedKernelImageAndWhatTheStubPasses) {
    BootFacts read = facts_of_boot("sb-on-uki-ownkeys");
    EXPECT_EQ(names(read.contents, &BootContent::name),
              (Names{".linux", ".osrel", ".cmdline", ".initrd", "LOADED_IMAGE::LoadOptions",
                     "Linux initrd"}));
    std::string line = vector_text("local/sb-on-uki-ownkeys/cmdline.txt");
    EXPECT_EQ(content(read, ".cmdline").digest, crypto::hash(HashAlg::sha256, as_bytes(line)));
    line.pop_back();
    EXPECT_TRUE(content(read, ".cmdline").name_measured);
    EXPECT_EQ(content(read, ".cmdline").pcr, 11u);
    Bytes options = utf16(line + '\0');
    EXPECT_EQ(content(read, "LOADED_IMAGE::LoadOptions").digest,
              crypto::hash(HashAlg::sha256, options));
    EXPECT_FALSE(content(read, "LOADED_IMAGE::LoadOptions").name_measured);
    EXPECT_EQ(read.unreadable.size(), 0u);
}

TEST(BootFacts, ASectionsNameIsMeasuredOnlyIfItsOwnHashStandsRightBefore) {
    Bytes logged = utf16(std::string_view(".linux\0", 7));
    Bytes name = to_bytes(std::string_view(".linux\0", 7));
    auto read = [&](const std::vector<MadeEvent>& events) {
        return MUST(boot_facts(made_log(events), HashAlg::sha256));
    };
    MadeEvent named{11, kEvIpl, logged, name}, section{11, kEvIpl, logged, Bytes{1, 2}};
    EXPECT_TRUE(read({named, section}).contents.at(0).name_measured);
    EXPECT_FALSE(read({section}).contents.at(0).name_measured);
    EXPECT_FALSE(read({named, section, section}).contents.at(1).name_measured);
    section.pcr = 12;
    EXPECT_FALSE(read({named, section}).contents.at(0).name_measured);
}

TEST(BootFacts, ReadBootOptionsAndSayWhatOfThemIsMeasured) {
    BootFacts read = facts_of_boot("sb-off-uki");
    ASSERT_TRUE(read.boot_order);
    EXPECT_EQ(read.boot_order->options, (std::vector<uint16_t>{1, 0, 2}));
    EXPECT_TRUE(read.boot_order->measured);
    EXPECT_FALSE(read.boot_order->name_measured);
    EXPECT_EQ(names(read.boot_options, &BootOption::name),
              (Names{"Boot0001", "Boot0000", "Boot0002"}));
    EXPECT_EQ(read.boot_options[0].option.description, "UEFI Misc Device");
    EXPECT_EQ(read.boot_options[0].option.path.text, "PciRoot(0)/Pci(1.0)");
    EXPECT_TRUE(read.boot_options[0].option.active);
    EXPECT_FALSE(read.boot_options[0].name_measured);
    BootFacts arch = MUST(boot_facts(recorded("eventlog-arch-workstation.bin"), HashAlg::sha256));
    for (const BootOption& option : arch.boot_options) {
        EXPECT_TRUE(option.measured && option.name_measured) << option.name;
    }
    // Its stub logs one byte less than it measures.
    ASSERT_EQ(std::ranges::count(arch.strings, 8u, &BootString::pcr), 1);
    const BootString& line = *std::ranges::find(arch.strings, 8u, &BootString::pcr);
    EXPECT_TRUE(line.measured && line.text.starts_with("initrd=\\intel-ucode.img")) << line.text;
}

TEST(BootFacts, ReadThePartitionsOfTheDiskThatWasBooted) {
    for (const char* boot : kRecordedBoots) {
        BootFacts read = facts_of_boot(boot);
        ASSERT_EQ(read.disks.size(), 1u) << boot;
        const BootDisk& disk = read.disks[0];
        EXPECT_TRUE(disk.measured);
        EXPECT_EQ(guid_text(disk.table.disk), "11111111-2222-3333-4444-555555555555");
        ASSERT_EQ(disk.table.partitions.size(), 1u);
        EXPECT_EQ(guid_text(disk.table.partitions[0].type), "c12a7328-f81f-11d2-ba4b-00c04fc93ec9");
    }
    int disks = 0;
    Json all = facts("tpm");
    for (const auto& [name, row] : all.items()) {
        if (!row.at("facts").contains("banks") || name.starts_with("derived/")) continue;
        EventLog log = recorded(name);
        BootFacts read = MUST(boot_facts(log, best_bank(log)));
        EXPECT_EQ(read.unreadable.size(), 0u) << name << read.unreadable[0].why;
        for (const BootDisk& disk : read.disks) EXPECT_TRUE(disk.measured) << name;
        disks += static_cast<int>(read.disks.size());
    }
    EXPECT_EQ(disks, 10);
}

TEST(BootFacts, HoldTheVariablesThatTheGuestSaw) {
    BootFacts read = facts_of_boot("sb-on-shim-grub");
    for (const BootVariable& variable : read.variables) {
        Bytes seen = vector_bytes("local/sb-on-shim-grub/efivar-" + variable.name + ".bin");
        EXPECT_TRUE(equal(ByteView(seen).subspan(4), variable.data)) << variable.name;
    }
    Json all = facts("tpm");
    for (const auto& [name, row] : all.items()) {
        if (!row.at("facts").contains("db_sizes") || name.starts_with("derived/")) continue;
        EventLog log = recorded(name);
        BootFacts of_log = MUST(boot_facts(log, best_bank(log)));
        for (const auto& [variable, size] : row["facts"]["db_sizes"].items()) {
            auto found = std::ranges::find(of_log.variables, variable, &BootVariable::name);
            ASSERT_NE(found, of_log.variables.end()) << name << variable;
            EXPECT_EQ(found->data.size(), size) << name << variable;
        }
    }
}

TEST(BootFacts, TellTheFirmwaresVersionIfItIsMeasured) {
    auto version = [](const std::string& name) {
        return MUST(boot_facts(recorded(name), HashAlg::sha1)).firmware_version;
    };
    EXPECT_EQ(version("eventlog-rhel8-uefi.bin"), "GCE Virtual Firmware v1");
    EXPECT_EQ(version("eventlog-workstation-locality3.bin"),
              "546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a");
    EXPECT_EQ(facts_of_boot("sb-off-uki").firmware_version, std::nullopt);  // empty
    MadeEvent said{0, kEvSCrtmVersion, utf16("v9"), Bytes{1}};
    EXPECT_EQ(MUST(boot_facts(made_log({said}), HashAlg::sha256)).firmware_version, std::nullopt);
}

TEST(BootFacts, TellWhatCannotBeRead) {
    BootFacts read = MUST(boot_facts(
        made_log({{5, kEvEfiGptEvent, Bytes(92)},
                  {1, kEvEfiVariableBoot, Bytes(31)},
                  {1, kEvEfiVariableBoot, global_variable("Boot0001", Bytes(5))},
                  {1, kEvEfiVariableBoot, global_variable("BootOrder", Bytes(3)), Bytes(9)},
                  {9, kEvEventTag, Bytes(3)}}),
        HashAlg::sha256));
    ASSERT_EQ(read.unreadable.size(), 5u);
    EXPECT_TRUE(read.unreadable[0].measured);
    EXPECT_FALSE(read.unreadable[3].measured);
    EXPECT_TRUE(read.disks.empty() && read.boot_options.empty() && !read.boot_order);
}

}  // namespace
}  // namespace vouchsafe::evidence
