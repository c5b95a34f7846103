// verify tdx: what Intel's processors say of a trust domain.
#include "app/cmd_verify.h"
#include "app/tdx_options.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct TdxCommand {
    VerifyOptions options;
    TdxOptions tdx;
    std::string quote, report_data, event_log;
    std::vector<std::string> crls;
    bool allow_debug = false;
};

Result<TdxRules> rules_of(const TdxCommand& command) {
    TdxRules rules = TRY(tdx_rules_of(command.tdx, command.options.allow_unchecked));
    rules.allow_debug = command.allow_debug;
    if (!command.report_data.empty()) {
        Bytes bytes = TRY(parse_hex_option("--report-data", command.report_data, 64));
        std::ranges::copy(bytes, rules.report_data.emplace().begin());
    }
    return rules;
}

// boot_facts_of tells what the log says, all of it confirmed by the quote's registers.
Result<Json> boot_facts_of(const std::string& file, const VerifiedTdQuote& quote, Checks& checks) {
    TdEventLog log = TRY(TdEventLog::parse(TRY(read_evidence(file)), checks));
    ReplayedTdLog replayed = TRY(verify_td_event_log(std::move(log), quote, checks));
    Json facts = facts_of(TRY(read_boot_facts(replayed, checks)));
    facts["events"] = replayed.log().events().size();
    facts["confirmed_rtmrs"] = replayed.confirmed();
    return facts;
}

Result<Verdict> verify_quote(const Context& context, const TdxCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    TdxRules rules = TRY(rules_of(command));
    TdxCollateral collateral = TRY(read_tdx_collateral(command.tdx, command.crls));
    Bytes quote = TRY(read_evidence(command.quote));
    VerifiedTdQuote verified =
        TRY(verify_tdx(quote, collateral, vendor_anchors(), rules, now, checks));
    Json facts = facts_of(verified.quote());
    facts["debug_allowed"] = rules.allow_debug;
    if (verified.tcb()) facts["tcb"] = tcb_facts(verified.tcb());
    if (!command.event_log.empty()) {
        facts["boot"] = TRY(boot_facts_of(command.event_log, verified, checks));
    }
    return Verdict{fmt::format("TD quote ({} root, TCB {})", tier_name(verified.tier()),
                               tcb_words(verified.tcb())),
                   verified.not_checked(), std::move(facts)};
}

constexpr const char* kVerifyTdxExamples = R"(Examples:
  vouchsafe verify tdx --quote quote.bin --tcb-info tcb.json --qe-identity qe.json \
      --tcb-chain chain.pem --crl root.crl --crl pck.crl
  vouchsafe verify tdx --quote quote.bin \
      --allow-unchecked revocation --allow-unchecked qe-identity --allow-unchecked tcb-info
  vouchsafe verify tdx --quote quote.bin ... --event-log /sys/firmware/acpi/tables/data/CCEL
Collateral is what Intel's PCS or a PCCS serves; the chain is in the answer's header
TCB-Info-Issuer-Chain. Intel's root is built in.)";

}  // namespace

void add_verify_tdx(Command verify, Context& context) {
    auto command = std::make_shared<TdxCommand>();
    Command made = verify.add("tdx", "the quote of an Intel trust domain");
    made.examples(kVerifyTdxExamples);
    made.option("--quote", command->quote, "the quote, version 4 or 5", "FILE").required();
    add_tdx_options(made, command->tdx);
    made.option("--crl", command->crls, "revocation list: the root's, the PCK issuer's (repeat)",
                "FILE");
    made.option("--report-data", command->report_data, "what the guest put in, 64 bytes", "HEX");
    made.option("--event-log", command->event_log,
                "what firmware and kernel logged (CCEL), to be replayed", "FILE");
    made.flag("--allow-debug", command->allow_debug, "accept a domain whose memory can be read");
    add_verify_options(made, command->options, kTdxUncheckedText);
    made.run([&context, command] {
        return run_verify(context, "tdx", command->options,
                          [&](Checks& checks) { return verify_quote(context, *command, checks); });
    });
}

}  // namespace vouchsafe::app
