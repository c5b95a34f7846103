#include "vouchsafe/evidence/boot/event_log.h"

#include "vouchsafe/evidence/boot/boot_facts.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

constexpr std::array kRecordedBoots{"sb-on-shim-grub",
                                    "sb-on-shim-grub-chainload",
                                    "sb-on-uki-snakeoil",
                                    "sb-on-uki-ownkeys",
                                    "sb-off-uki",
                                    "sb-off-shim-grub-chainload",
                                    "setup-mode-uki-sha256only"};

EventLog recorded(const std::string& name) {
    return MUST(EventLog::parse(vector_bytes("event_log/" + name)));
}
EventLog booted(const std::string& name) {
    return MUST(EventLog::parse(vector_bytes("local/" + name + "/eventlog.bin")));
}
PcrBank booted_pcrs(const std::string& name, HashAlg bank = HashAlg::sha256) {
    return read_pcr_text("local/" + name + "/pcrs.txt", bank);
}

// facts_of reads the facts of a log whose own replay is taken for the registers.
Result<BootFacts> facts_of(const EventLog& log, HashAlg bank) {
    Checks checks;
    ReplayedLog replayed = TRY(verify_event_log(log, log.replay(bank), checks));
    return read_boot_facts(replayed, checks);
}

void expect_replay(const Json& expected, const EventLog& log) {
    for (const auto& [label, values] : expected.items()) {
        SCOPED_TRACE(label);
        HashAlg bank = label == "sha1"     ? HashAlg::sha1
                       : label == "sha256" ? HashAlg::sha256
                                           : HashAlg::sha384;
        Json replayed = Json::object();
        for (const auto& [pcr, value] : log.replay(bank).values) {
            replayed[std::to_string(pcr)] = hex(value);
        }
        EXPECT_EQ(replayed, values);
    }
}

TEST(EventLog, ReplaysEveryRecordedLogInEveryBank) {
    Json all = facts("tpm");
    int count = 0;
    for (const auto& [name, row] : all.items()) {
        const Json& expected = row.at("facts");
        if (!expected.contains("replay")) continue;
        SCOPED_TRACE(name);
        auto log = EventLog::parse(vector_bytes("event_log/" + name));
        ASSERT_TRUE(log) << message(log);
        EXPECT_EQ(log->crypto_agile(), expected.at("format") == "crypto-agile");
        EXPECT_EQ(log->banks().size(), expected.at("banks").size());
        expect_replay(expected.at("replay"), *log);
        ++count;
    }
    EXPECT_EQ(count, 12);
}

TEST(EventLog, ReplaysWindowsLogToItsQuotedRegisters) {
    EventLog log = recorded("windows-gcp-shielded.eventlog.bin");
    Json all = facts("tpm");
    PcrBank quoted{HashAlg::sha1, {}};
    for (const auto& [pcr, value] :
         all.at("windows-gcp-shielded.eventlog.bin").at("facts").at("pcrs_sha1").items()) {
        quoted.values[static_cast<uint32_t>(std::stoul(pcr))] = from_hex(value.get<std::string>());
    }
    Checks checks;
    auto replayed = verify_event_log(log, quoted, checks);
    ASSERT_TRUE(replayed) << message(replayed);
    EXPECT_TRUE(replayed->confirmed(14));
    EXPECT_FALSE(replayed->confirmed(15));
    EXPECT_EQ(MUST(read_boot_facts(*replayed, checks)).secure_boot, SecureBoot::on);
}

TEST(EventLog, RecordedBootsReplayToTheirRegistersInEveryBank) {
    for (const char* boot : kRecordedBoots) {
        EventLog log = booted(boot);
        for (HashAlg bank : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384, HashAlg::sha512}) {
            if (log.replay(bank).values.empty()) continue;
            Checks checks;
            auto replayed = verify_event_log(log, booted_pcrs(boot, bank), checks);
            ASSERT_TRUE(replayed) << boot << message(replayed);
            EXPECT_TRUE(replayed->confirmed(7));
            EXPECT_FALSE(replayed->confirmed(10));  // the kernel's own
        }
    }
}

TEST(EventLog, NamesTheRegisterThatDiffers) {
    for (uint32_t pcr : {0u, 5u, 7u, 8u, 14u}) {
        PcrBank pcrs = booted_pcrs("sb-on-shim-grub");
        Bytes extended = pcrs.values[pcr];
        append(extended, crypto::sha256(as_bytes("after the boot")));
        pcrs.values[pcr] = crypto::hash(HashAlg::sha256, extended);
        Checks checks;
        auto replayed = verify_event_log(booted("sb-on-shim-grub"), pcrs, checks);
        EXPECT_EQ(refusal(replayed), "LOG-REPLAY-PCR");
        EXPECT_EQ(refused_field(replayed), fmt::format("pcr {} (sha256)", pcr));
    }
}

TEST(EventLog, AFirmwareRegisterThatTheLogDoesNotTouchMustBeUntouched) {
    EventLog log = recorded("eventlog-short-no-action.bin");
    Checks checks;
    PcrBank pcrs{HashAlg::sha1, {{0, log.initial_value(0, HashAlg::sha1)}, {3, Bytes(20)}}};
    EXPECT_TRUE(verify_event_log(log, pcrs, checks));
    pcrs.values[3][0] = 1;
    EXPECT_EQ(refusal(verify_event_log(log, pcrs, checks)), "LOG-REPLAY-PCR");
}

TEST(EventLog, RefusesABankTheLogDoesNotHave) {
    Checks checks;
    auto replayed = verify_event_log(booted("setup-mode-uki-sha256only"),
                                     {HashAlg::sha1, {{7, Bytes(20)}}}, checks);
    EXPECT_EQ(refusal(replayed), "LOG-BANK");
}

TEST(EventLog, TheStartupLocalitySetsRegister0) {
    EXPECT_EQ(recorded("eventlog-workstation-locality3.bin").startup_locality(), 3);
    EventLog log = recorded("eventlog-short-no-action.bin");
    EXPECT_EQ(hex(log.replay(HashAlg::sha1).values[0]), std::string(39, '0') + "3");
    EXPECT_EQ(recorded("eventlog-rhel8-uefi.bin").startup_locality(), std::nullopt);
}

TEST(EventLog, NeverExtendsNoActionEvents) {
    EventLog log = recorded("eventlog-sp800155.bin");
    size_t no_action = 0;
    for (const LogEvent& event : log.events()) no_action += event.type == kEvNoAction;
    EXPECT_GT(no_action, 1u);  // their replay is compared above
}

TEST(EventLog, RefusesMalformedLogs) {
    for (const char* name :
         {"eventlog-truncated", "eventlog-digest-count-ffffffff", "eventlog-empty"}) {
        Checks checks;
        auto log =
            EventLog::parse(vector_bytes(fmt::format("event_log/derived/{}.bin", name)), checks);
        EXPECT_EQ(refusal(log), "LOG-FORM") << name;
    }
}

TEST(EventLog, RefusesHostileSizes) {
    const Bytes good = vector_bytes("local/sb-on-uki-ownkeys/eventlog.bin");
    auto with = [&](size_t offset, uint32_t value) {
        Bytes bad = good;
        Bytes little = Writer().u32_le(value).take();
        std::copy(little.begin(), little.end(), bad.begin() + static_cast<ptrdiff_t>(offset));
        return EventLog::parse(bad).has_value();
    };
    ASSERT_TRUE(with(0, 0));
    EXPECT_FALSE(with(28, 0xffffffff));       // size of the Spec ID event
    EXPECT_FALSE(with(32 + 24, 0xffffffff));  // number of algorithms
    EXPECT_FALSE(with(32 + 24, 0));
    EXPECT_FALSE(with(32 + 28, 0x00ff0004));  // SHA-1 with 255 bytes
    uint32_t second = 32 + MUST(Reader(ByteView(good).subspan(28)).u32_le("size"));
    EXPECT_FALSE(with(second, 24));     // a register that does not exist
    EXPECT_FALSE(with(second + 8, 0));  // no digests
    EXPECT_FALSE(with(second + 8, 5));  // more than banks
    EXPECT_FALSE(EventLog::parse(Bytes(kMaxEventLogSize + 1)));
    EXPECT_FALSE(EventLog::parse(Bytes(32 * (kMaxEvents + 1))));
}

TEST(EventLog, AFlippedBitInAnyDigestShowsInTheReplay) {
    Bytes log = vector_bytes("local/setup-mode-uki-sha256only/eventlog.bin");
    PcrBank pcrs = booted_pcrs("setup-mode-uki-sha256only");
    const EventLog good = MUST(EventLog::parse(log));
    for (const LogEvent& event : good.events()) {
        if (event.type == kEvNoAction) continue;
        size_t digest = event.offset + 14;
        for (size_t byte = 0; byte < 32; byte += 11) {
            log[digest + byte] ^= static_cast<uint8_t>(1 << (byte % 8));
            Checks checks;
            EventLog bad = MUST(EventLog::parse(log));
            ASSERT_EQ(refusal(verify_event_log(std::move(bad), pcrs, checks)), "LOG-REPLAY-PCR");
            log[digest + byte] ^= static_cast<uint8_t>(1 << (byte % 8));
        }
    }
}

TEST(BootFacts, TellSecureBootOfEveryRecordedLog) {
    Json all = facts("tpm");
    for (const auto& [name, row] : all.items()) {
        const Json& expected = row.at("facts");
        if (!expected.contains("secure_boot") || name.starts_with("derived/")) continue;
        if (!expected.contains("banks")) continue;
        SCOPED_TRACE(name);
        EventLog log = recorded(name);
        HashAlg bank = log.replay(HashAlg::sha256).values.empty() ? HashAlg::sha1 : HashAlg::sha256;
        auto read = facts_of(log, bank);
        ASSERT_TRUE(read) << message(read);
        std::string verdict = expected.at("secure_boot");
        SecureBoot state = verdict == "on"             ? SecureBoot::on
                           : verdict == "not measured" ? SecureBoot::not_measured
                                                       : SecureBoot::off;
        EXPECT_EQ(read->secure_boot, state);
    }
    for (const char* boot : kRecordedBoots) {
        BootFacts read = MUST(facts_of(booted(boot), HashAlg::sha256));
        bool on = std::string_view(boot).starts_with("sb-on");
        EXPECT_EQ(read.secure_boot, on ? SecureBoot::on : SecureBoot::off) << boot;
        Checks checks;
        EXPECT_EQ(refusal(check_secure_boot(read, checks)), on ? "" : "BOOT-SECURE-BOOT") << boot;
    }
}

TEST(BootFacts, ReadVariablesAuthoritiesImagesAndTheCommandLine) {
    BootFacts read = MUST(facts_of(booted("sb-on-shim-grub"), HashAlg::sha256));
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
    EXPECT_EQ(MUST(facts_of(booted("sb-off-uki"), HashAlg::sha256)).command_line, std::nullopt);
}

// with_pcr7 builds a SHA-256-only log whose events of register 7 are `variables`: name, value,
// type.
struct FakeVariable {
    const char* name;
    uint8_t value;
    uint32_t type = kEvEfiVariableDriverConfig;
    bool covered = true;
};
Bytes variable_data(const FakeVariable& variable) {
    std::string_view name = variable.name;
    Writer out;
    out.bytes(from_hex("61dfe48bca93d211aa0d00e098032b8c")).u64_le(name.size()).u64_le(1);
    for (char c : name) out.u16_le(static_cast<uint8_t>(c));
    return out.u8(variable.value).take();
}
EventLog with_pcr7(std::initializer_list<FakeVariable> variables) {
    Bytes log = vector_bytes("local/setup-mode-uki-sha256only/eventlog.bin");
    log.resize(32 + MUST(Reader(ByteView(log).subspan(28)).u32_le("size")));
    Writer out;
    out.bytes(log);
    for (const FakeVariable& variable : variables) {
        Bytes data = variable_data(variable);
        Bytes digest = variable.covered ? crypto::hash(HashAlg::sha256, data) : Bytes(32, 1);
        out.u32_le(7).u32_le(variable.type).u32_le(1).u16_le(kTpmAlgSha256).bytes(digest);
        out.u32_le(static_cast<uint32_t>(data.size())).bytes(data);
    }
    return MUST(EventLog::parse(out.view()));
}

TEST(BootFacts, SecureBootIsOnOnlyByTheFirstEventOfRegister7) {
    auto state = [](std::initializer_list<FakeVariable> variables) {
        return facts_of(with_pcr7(variables), HashAlg::sha256);
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

}  // namespace
}  // namespace vouchsafe::evidence
