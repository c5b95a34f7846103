#include "vouchsafe/evidence/boot/event_log.h"

#include "vouchsafe/evidence/boot/test_boots.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

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
        Json banks = Json::array();
        for (uint16_t bank : log->banks()) {
            banks.push_back(tpm_hash_label(*hash_from_tpm_alg(bank)));
        }
        EXPECT_EQ(banks, expected.at("banks"));
        EXPECT_EQ(log->events().size(), expected.at("events"));
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

TEST(EventLog, ALogThatIsAbsentIsNamedByWhatTheRegistersSay) {
    const std::string nolog = "local/sb-off-shim-grub-nolog/pcrs.txt";
    std::vector<PcrBank> extended{read_pcr_text(nolog, HashAlg::sha256)};
    auto code = [](ByteView log, const std::vector<PcrBank>& values) {
        Checks checks;
        return refusal(check_log_present(log, values, checks));
    };
    EXPECT_EQ(code({}, extended), "LOG-LOST");
    Bytes log = vector_bytes("local/sb-off-uki/eventlog.bin");
    EXPECT_EQ(code(log, extended), "");
    // Nothing was measured: zeros, whatever the locality in PCR 0 and the registers above 7.
    PcrBank untouched{HashAlg::sha256, {}};
    for (uint32_t pcr = 0; pcr < 8; ++pcr) untouched.values[pcr] = Bytes(32);
    untouched.values[10] = Bytes(32, 1);
    EXPECT_EQ(code({}, {untouched}), "LOG-PRESENT");
    for (uint8_t locality : {3, 4}) {
        untouched.values[0].back() = locality;
        EXPECT_EQ(code({}, {untouched}), "LOG-PRESENT");
    }
    EXPECT_EQ(code({}, {}), "LOG-PRESENT");
    EXPECT_EQ(code({}, {untouched, extended[0]}), "LOG-LOST");
    untouched.values[0].back() = 1;
    EXPECT_EQ(code({}, {untouched}), "LOG-LOST");
    untouched.values[0].back() = 0;
    untouched.values[6].back() = 3;
    EXPECT_EQ(code({}, {untouched}), "LOG-LOST");
}

TEST(EventLog, OfATpmHasNoPadding) {
    for (uint8_t filler : {0x00, 0xFF}) {
        Bytes log = vector_bytes("local/sb-off-uki/eventlog.bin");
        log.resize(log.size() + 100, filler);
        Checks checks;
        EXPECT_EQ(refusal(EventLog::parse(log, checks)), "LOG-FORM");
    }
}

// Whatever was measured into a confirmed register is in the list: it alone gives the register.
TEST(EventLog, TellsEverythingThatWasExtendedIntoConfirmedRegisters) {
    PcrBank pcrs = booted_pcrs("sb-on-shim-grub", HashAlg::sha256);
    pcrs.values.erase(5);
    EventLog log = booted("sb-on-shim-grub");
    Checks checks;
    auto replayed = verify_event_log(log, pcrs, checks);
    ASSERT_TRUE(replayed);
    auto digests = replayed->digests();
    EXPECT_FALSE(digests.contains(5));
    EXPECT_EQ(digests.size(), replayed->confirmed_pcrs().size());
    for (const auto& [pcr, confirmed] : replayed->confirmed_pcrs()) {
        Bytes value = log.initial_value(pcr, HashAlg::sha256);
        for (const Bytes& digest : digests.at(pcr)) {
            append(value, digest);
            value = crypto::hash(HashAlg::sha256, value);
        }
        EXPECT_EQ(value, confirmed) << pcr;
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
