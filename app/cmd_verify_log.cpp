// verify event-log: what firmware and kernel logged, against a TPM's registers.
#include <algorithm>

#include "app/cmd_verify.h"
#include "app/unchecked_options.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct LogCommand {
    VerifyOptions options;
    std::string log, pcrs, ima;
};

Result<std::vector<PcrBank>> read_values(const std::string& file) {
    if (file.empty()) return std::vector<PcrBank>();
    return with_context(parse_pcr_values(TRY(read_evidence(file))), file);
}

// The bank whose digests are told, if several are confirmed: known values are mostly SHA-256.
constexpr crypto::HashAlg kPreferred[] = {crypto::HashAlg::sha256, crypto::HashAlg::sha384,
                                          crypto::HashAlg::sha512, crypto::HashAlg::sha1};

// replay_log compares every bank that log and values have, and returns the preferred replay.
Result<ReplayedLog> replay_log(const EventLog& log, const std::vector<PcrBank>& values, Json& banks,
                               Checks& checks) {
    std::optional<ReplayedLog> best;
    for (const PcrBank& bank : values) {
        if (std::ranges::count(log.banks(), tpm_alg_from_hash(bank.hash)) == 0) continue;
        ReplayedLog replayed = TRY(verify_event_log(log, bank, checks));
        banks.push_back(tpm_hash_label(bank.hash));
        bool better = !best || std::ranges::find(kPreferred, bank.hash) <
                                   std::ranges::find(kPreferred, best->bank());
        if (better) best = std::move(replayed);
    }
    if (!best) return verify_event_log(log, values.front(), checks);
    return std::move(*best);
}

Json confirmed_facts(const ReplayedLog& replayed, const BootFacts& boot) {
    Json facts = facts_of(boot);
    Json confirmed = Json::array(), unconfirmed = Json::array();
    for (const auto& [pcr, value] : replayed.confirmed_pcrs()) confirmed.push_back(pcr);
    for (const auto& [pcr, value] : replayed.log().replay(replayed.bank()).values) {
        if (!replayed.confirmed(pcr)) unconfirmed.push_back(pcr);
    }
    facts["digest_bank"] = tpm_hash_label(replayed.bank());
    facts["events"] = replayed.log().events().size();
    facts["confirmed_pcrs"] = confirmed;
    facts["unconfirmed_pcrs"] = unconfirmed;
    return facts;
}

// Without values to compare with, the log's own replay is told, and nothing as true of the boot.
Json claimed_facts(const EventLog& log, const std::optional<ImaList>& ima) {
    Json facts = facts_of(log);
    facts["confirmed_pcrs"] = Json::array();
    if (ima) facts["ima"] = facts_of(*ima);
    return facts;
}

Result<Verdict> verify_log(const Context& context, const LogCommand& command, Checks& checks) {
    TRY(judged_at(context, command.options));  // no date decides here, but a wrong one is an error
    Unchecked unchecked =
        TRY(read_unchecked("LOG-NOT-CHECKED", {kLogUnconfirmed}, command.options.allow_unchecked));
    std::vector<PcrBank> values = TRY(read_values(command.pcrs));
    Bytes bytes = TRY(read_evidence(command.log));
    TRY(check_log_present(bytes, values, checks));
    EventLog log = TRY(EventLog::parse(bytes, checks));
    std::optional<ImaList> ima;
    if (!command.ima.empty()) ima = TRY(ImaList::parse(TRY(read_evidence(command.ima)), checks));
    Json banks = Json::array();
    std::optional<ReplayedLog> replayed;
    if (!values.empty()) replayed = TRY(replay_log(log, values, banks, checks));
    if (!replayed || replayed->confirmed_pcrs().empty()) {
        TRY(unchecked.leave_out(kLogUnconfirmed, checks));
        return Verdict{"event log, well formed and confirmed by nothing", unchecked.list(),
                       claimed_facts(log, ima)};
    }
    BootFacts boot = TRY(read_boot_facts(*replayed, checks));
    Json facts = confirmed_facts(*replayed, boot);
    facts["banks"] = banks;
    if (ima) facts["ima"] = facts_of(TRY(verify_ima_list(std::move(*ima), values, checks)));
    return Verdict{"event log: it gives these registers", {}, std::move(facts)};
}

constexpr const char* kVerifyLogExamples = R"(Examples:
  tpm2_pcrread > pcrs.txt; cd /sys/kernel/security
  vouchsafe verify event-log --log tpm0/binary_bios_measurements --pcrs pcrs.txt
  vouchsafe verify event-log --log tpm0/binary_bios_measurements --pcrs pcrs.txt \
      --ima ima/binary_runtime_measurements
A log is a claim: only what the registers confirm is told. Without --pcrs nothing confirms it; with
--allow-unchecked event-log its own replay is told, and nothing about the boot. The registers are
taken at their word: verify tpm-quote says whether a TPM vouches for them.)";

}  // namespace

void add_verify_log(Command verify, Context& context) {
    auto command = std::make_shared<LogCommand>();
    Command made = verify.add("event-log", "a firmware's event log against register values");
    made.examples(kVerifyLogExamples);
    made.option("--log", command->log, "the log, as the kernel shows it", "FILE").required();
    made.option("--pcrs", command->pcrs, "the values: as tpm2_pcrread prints them, or bytes",
                "FILE");
    made.option("--ima", command->ima, "the kernel's measurement list as well (PCR 10)", "FILE");
    add_verify_options(made, command->options, "accept that this is not checked: event-log");
    made.run([&context, command] {
        return run_verify(context, "event-log", command->options,
                          [&](Checks& checks) { return verify_log(context, *command, checks); });
    });
}

}  // namespace vouchsafe::app
