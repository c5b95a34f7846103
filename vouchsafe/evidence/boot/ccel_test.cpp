#include "vouchsafe/evidence/boot/ccel.h"

#include "vouchsafe/evidence/boot/test_boots.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

TdEventLog recorded_log(const std::string& name) {
    return MUST(TdEventLog::parse(vector_bytes("tdx/" + name)));
}

const VerifiedTdQuote& verified(const std::string& quote) {
    static std::map<std::string, VerifiedTdQuote> kQuotes;
    auto found = kQuotes.find(quote);
    if (found == kQuotes.end()) {
        TdCase one{recorded_quote(quote)};
        found = kQuotes.emplace(quote, MUST(one.verify())).first;
    }
    return found->second;
}

Bytes made_bytes(const std::vector<MadeEvent>& events) {
    Bytes log = spec_id(kTpmAlgSha384, 48, 1);
    for (const MadeEvent& event : events) append_event(log, event, HashAlg::sha384);
    return log;
}
std::string form(const Bytes& log) {
    Checks checks;
    return refusal(TdEventLog::parse(log, checks));
}

TEST(Ccel, EveryRecordedLogHasTheFactsAndTheVerdictOfAnIndependentChecker) {
    Json all = facts("tdx");
    int logs = 0;
    for (const auto& [name, row] : all.items()) {
        if (!name.starts_with("ccel-")) continue;
        SCOPED_TRACE(name);
        Checks checks;
        auto log = TdEventLog::parse(vector_bytes("tdx/" + name), checks);
        if (row["verdict"] == "reference") {  // the ACPI table, not a log
            EXPECT_EQ(refusal(log), "CCEL-FORM");
            continue;
        }
        ASSERT_TRUE(log) << message(log);
        const Json& expected = row["facts"];
        EXPECT_EQ(expected["banks"], Json::array({"sha384"}));
        EXPECT_EQ(log->events().size(), expected["events"]);
        auto rtmr = log->replay();
        for (uint32_t i = 0; i < kRtmrCount; ++i) {
            const Json& replay = expected["replay_index_1_to_4_is_RTMR0_to_3"];
            std::string index = std::to_string(i + 1);
            EXPECT_EQ(log->extends(i), replay.contains(index));
            EXPECT_EQ(hex(rtmr[i]), replay.value(index, std::string(96, '0')));
        }
        ++logs;
        if (!expected.contains("rtmr_matches")) continue;
        std::string quote = name.starts_with("ccel-cos113") ? "v4-gcp-cos113" : "v4-live-2026";
        auto replayed = verify_td_event_log(*log, verified(quote), checks);
        auto differs = std::ranges::find(expected["rtmr_matches"], Json(false));
        bool all_match = differs == expected["rtmr_matches"].end();
        EXPECT_EQ(refusal(replayed), all_match ? "" : "CCEL-REPLAY-RTMR");
        if (all_match) {
            EXPECT_EQ(replayed->confirmed(), (std::set<uint32_t>{0, 1, 2, 3}));
        } else {
            auto first = differs - expected["rtmr_matches"].begin();
            EXPECT_EQ(refused_field(replayed), fmt::format("rtmr {}", first));
        }
    }
    EXPECT_EQ(logs, 5);
}

TEST(Ccel, AQuoteOfAnotherDomainIsNotThatOfTheLog) {
    Checks checks;
    auto replayed =
        verify_td_event_log(recorded_log("ccel-live2.bin"), verified("v4-gcp-cos113"), checks);
    EXPECT_EQ(refused_field(replayed), "rtmr 0");
    // Azure's paravisor leaves the registers alone: an empty log is not a log of that.
    Bytes nothing = made_bytes({});
    auto azure =
        verify_td_event_log(MUST(TdEventLog::parse(nothing)), verified("v4-azure"), checks);
    ASSERT_TRUE(azure) << message(azure);
    EXPECT_EQ(MUST(read_boot_facts(*azure, checks)).secure_boot, SecureBoot::not_measured);
}

TEST(Ccel, IsPaddedWithZerosOrOnesAlone) {
    Bytes log = vector_bytes("tdx/ccel-ovmf-small.bin");
    auto events = MUST(TdEventLog::parse(log)).events().size();
    for (uint8_t filler : {0x00, 0xFF}) {
        for (size_t more : {1, 3, 8, 1000}) {
            Bytes padded = log;
            padded.resize(log.size() + more, filler);
            auto parsed = TdEventLog::parse(padded);
            ASSERT_TRUE(parsed) << int(filler) << more << message(parsed);
            EXPECT_EQ(parsed->events().size(), events);
            padded.back() ^= 1;
            EXPECT_EQ(form(padded), "CCEL-FORM");
        }
    }
    EXPECT_EQ(form({}), "CCEL-FORM");
    EXPECT_EQ(form(Bytes(65536, 0xFF)), "CCEL-FORM");
    EXPECT_EQ(form(Bytes(65536)), "CCEL-FORM");
}

TEST(Ccel, HasSha384Alone) {
    Bytes sm3 = spec_id(0x12, 32, 1);
    EXPECT_EQ(form(sm3), "CCEL-BANK");
    EXPECT_EQ(form(spec_id(kTpmAlgSha256, 32, 1)), "CCEL-BANK");
    EXPECT_EQ(form(vector_bytes("local/sb-off-uki/eventlog.bin")), "CCEL-FORM");  // PCRs 0 to 7
    EXPECT_EQ(form(vector_bytes("event_log/eventlog-debian-10-sha1.bin")), "CCEL-FORM");
}

TEST(Ccel, MeasuresIntoRegisters1To4) {
    for (uint32_t pcr : {1, 4}) EXPECT_EQ(form(made_bytes({{pcr, kEvSeparator, Bytes(4)}})), "");
    for (uint32_t pcr : {0u, 5u, 0xffffffffu}) {
        EXPECT_EQ(form(made_bytes({{pcr, kEvSeparator, Bytes(4)}})), "CCEL-FORM");
        EXPECT_EQ(form(made_bytes({{pcr, kEvNoAction, Bytes(4)}})), "");
    }
}

// domain_with verifies the quote of a made trust domain with these registers.
VerifiedTdQuote domain_with(const std::array<Rtmr, kRtmrCount>& registers) {
    constexpr size_t kRtmr = TdxMachine::kBody + 328;
    TdxMachine machine;
    for (size_t i = 0; i < kRtmrCount; ++i) {
        std::ranges::copy(registers[i], machine.signed_part.begin() +
                                            static_cast<ptrdiff_t>(kRtmr + i * sizeof(Rtmr)));
    }
    return MUST(machine.to_case().verify());
}

TEST(Ccel, SoftwareMayUseTheLastRegisterWithoutThisLog) {
    auto verify = [](const TdEventLog& log, size_t changed) {
        auto registers = log.replay();
        registers[changed][0] ^= 1;
        Checks checks;
        return verify_td_event_log(log, domain_with(registers), checks);
    };
    TdEventLog without = MUST(TdEventLog::parse(made_bytes({{1, kEvSeparator, Bytes(4)}})));
    EXPECT_EQ(MUST(verify(without, 3)).confirmed(), (std::set<uint32_t>{0, 1, 2}));
    EXPECT_EQ(refused_field(verify(without, 2)), "rtmr 2");
    EXPECT_EQ(refused_field(verify(without, 1)), "rtmr 1");
    TdEventLog with = MUST(TdEventLog::parse(made_bytes({{4, kEvEventTag, Bytes(1)}})));
    EXPECT_EQ(refused_field(verify(with, 3)), "rtmr 3");
}

TEST(Ccel, TellsWhatATrustDomainBooted) {
    Checks checks;
    ReplayedTdLog replayed = MUST(
        verify_td_event_log(recorded_log("ccel-cos113.bin"), verified("v4-gcp-cos113"), checks));
    BootFacts read = MUST(read_boot_facts(replayed, checks));
    EXPECT_EQ(read.registers, RegisterKind::rtmr);
    EXPECT_EQ(read.secure_boot, SecureBoot::off);
    EXPECT_EQ(read.variables.size(), 5u);
    ASSERT_EQ(read.images.size(), 2u);
    EXPECT_EQ(read.images[1].pcr, 1u);
    EXPECT_TRUE(read.images[1].path.starts_with("\\EFI\\BOOT\\gr")) << read.images[1].path;
    EXPECT_EQ(read.kernel_image, std::nullopt);
    ASSERT_EQ(read.disks.size(), 1u);
    EXPECT_EQ(read.disks[0].table.partitions.size(), 12u);
    ASSERT_TRUE(read.command_line);
    EXPECT_TRUE(read.command_line->starts_with("/syslinux/vmlinuz.A init=")) << *read.command_line;
    EXPECT_EQ(read.unreadable.size(), 0u);
}

// secure_boot reads the state from a log in the quote of a made domain; or the refusal's code.
std::string secure_boot(const std::vector<MadeEvent>& events) {
    TdEventLog log = MUST(TdEventLog::parse(made_bytes(events)));
    Checks checks;
    auto read =
        read_boot_facts(MUST(verify_td_event_log(log, domain_with(log.replay()), checks)), checks);
    return read ? std::string(secure_boot_name(read->secure_boot)) : refusal(read);
}

TEST(Ccel, SecureBootIsWhatItsDigestSaysBeforeTheFirstSeparator) {
    constexpr uint32_t kConfig = kEvEfiVariableDriverConfig;
    const Bytes on = global_variable("SecureBoot", {1});
    const Bytes off = global_variable("SecureBoot", {0});
    const Bytes none = global_variable("SecureBoot", {});
    MadeEvent firmware{1, kEvEfiPlatformFirmwareBlob2, Bytes(9), Bytes(1)};
    MadeEvent separator{1, kEvSeparator, Bytes(4)};
    EXPECT_EQ(secure_boot({firmware, {1, kConfig, on}, separator}), "on");
    EXPECT_EQ(secure_boot({firmware, {1, kConfig, off}, separator}), "off");
    EXPECT_EQ(secure_boot({firmware, {1, kConfig, none}}), "off");
    EXPECT_EQ(secure_boot({firmware, {1, kConfig, global_variable("SecureBoot", {2})}}), "off");
    EXPECT_EQ(secure_boot({firmware, separator}), "not measured");
    EXPECT_EQ(secure_boot({{2, kConfig, on}}), "not measured");  // another register
    EXPECT_EQ(secure_boot({{1, kConfig, on}, {1, kConfig, on}}), "on");
    // Software extends "on" later: after "off", shown or hidden, and where nothing was measured.
    const std::string refused = "LOG-SECURE-BOOT";
    EXPECT_EQ(secure_boot({{1, kConfig, off}, separator, {1, kConfig, on}}), refused);
    EXPECT_EQ(secure_boot({{1, kEvEventTag, Bytes(3), off}, separator, {1, kConfig, on}}), refused);
    EXPECT_EQ(secure_boot({{1, kEvEventTag, Bytes(3), none}, separator, {1, kConfig, on}}),
              refused);
    EXPECT_EQ(secure_boot({separator, {1, kConfig, on}}), refused);
    EXPECT_EQ(secure_boot({{1, kEvEventTag, Bytes(3), Bytes(4)}, {1, kConfig, on}}), refused);
    // What no digest covers says nothing.
    EXPECT_EQ(secure_boot({{1, kConfig, on, Bytes(1)}}), refused);
}

}  // namespace
}  // namespace vouchsafe::evidence
