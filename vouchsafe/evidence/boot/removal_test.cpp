// Every check of logs is needed: see removal_table.h.
#include "vouchsafe/evidence/boot/ccel.h"
#include "vouchsafe/evidence/boot/ima.h"
#include "vouchsafe/evidence/boot/test_boots.h"
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"
#include "vouchsafe/evidence/unchecked.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

constexpr const char* kUki = "setup-mode-uki-sha256only";

Judge replayed(const PcrBank& values) {
    return [values] {
        Checks checks;
        return outcome(verify_event_log(booted(kUki), values, checks));
    };
}

RemovalTable log_rows() {
    Bytes cut = vector_bytes(fmt::format("local/{}/eventlog.bin", kUki));
    cut.pop_back();
    PcrBank changed = booted_pcrs(kUki);
    changed.values[4][0] ^= 1;
    auto two_states = [] {
        const Bytes off = global_variable("SecureBoot", {0}),
                    on = global_variable("SecureBoot", {1});
        constexpr uint32_t kConfig = kEvEfiVariableDriverConfig;
        return outcome(
            boot_facts(made_log({{7, kConfig, off}, {7, kConfig, on}}), HashAlg::sha256));
    };
    auto lost = [] {
        std::vector<PcrBank> values{booted_pcrs("sb-off-shim-grub-nolog")};
        Checks checks;
        return outcome(check_log_present({}, values, checks));
    };
    auto unconfirmed = [] {
        Checks checks;
        return outcome(Unchecked("LOG-NOT-CHECKED", {}).leave_out(kLogUnconfirmed, checks));
    };
    auto secure_boot_off = [] {
        Checks checks;
        return outcome(check_secure_boot(BootFacts{}, checks));
    };
    auto no_log = [] {
        Checks checks;
        return outcome(check_log_present({}, {}, checks));
    };
    auto form = [cut] {
        Checks checks;
        return outcome(EventLog::parse(cut, checks));
    };
    return {{"LOG-FORM", {form, kUnreadable}},
            {"LOG-BANK", {replayed({HashAlg::sha1, {{7, Bytes(20)}}})}},
            {"LOG-REPLAY-PCR", {replayed(changed)}},
            {"LOG-SECURE-BOOT", {two_states}},
            {"LOG-PRESENT", {no_log}},
            {"LOG-LOST", {lost, "LOG-PRESENT"}},
            {"LOG-NOT-CHECKED", {unconfirmed}},
            {"BOOT-SECURE-BOOT", {secure_boot_off}}};
}

// ima judges a recorded list with one byte changed, against its register or other values.
Judge ima(size_t byte, const std::vector<PcrBank>& values) {
    return [byte, values] {
        Bytes list = vector_bytes("local/sb-off-uki/ima_runtime_measurements.bin");
        if (byte < list.size()) list[byte] ^= 1;
        Checks checks;
        auto parsed = ImaList::parse(list, checks);
        return parsed ? outcome(verify_ima_list(*parsed, values, checks)) : outcome(parsed);
    };
}

RemovalTable ima_rows() {
    constexpr size_t kDigest = 4, kNameSize = 24, kNothing = SIZE_MAX;
    PcrBank right = booted_pcrs("sb-off-uki"), wrong = right;
    wrong.values[kImaPcr][0] ^= 1;
    return {{"IMA-FORM", {ima(kNameSize, {right}), kUnreadable}},
            {"IMA-DIGEST", {ima(kDigest, {right})}},
            {"IMA-BANK", {ima(kNothing, {})}},
            {"IMA-REPLAY-PCR", {ima(kNothing, {wrong})}}};
}

// ccel judges a log against the registers of a recorded quote that a paravisor left alone.
Judge ccel(const Bytes& log) {
    return [log] {
        static const VerifiedTdQuote kQuote = MUST(TdCase{recorded_quote("v4-azure")}.verify());
        Checks checks;
        auto parsed = TdEventLog::parse(log, checks);
        return parsed ? outcome(verify_td_event_log(*parsed, kQuote, checks)) : outcome(parsed);
    };
}

RemovalTable ccel_rows() {
    Bytes extending = spec_id(kTpmAlgSha384, 48, 1), to_mrtd = extending;
    append_event(extending, {2, kEvSeparator, Bytes(4)}, HashAlg::sha384);
    append_event(to_mrtd, {0, kEvSeparator, Bytes(4)}, HashAlg::sha384);
    return {{"CCEL-FORM", {ccel(to_mrtd)}},
            {"CCEL-BANK", {ccel(spec_id(kTpmAlgSha256, 32, 1))}},
            {"CCEL-REPLAY-RTMR", {ccel(extending)}}};
}

TEST(BootCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = log_rows();
    table.merge(ima_rows());
    table.merge(ccel_rows());
    expect_every_check_decides("evidence/boot", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
