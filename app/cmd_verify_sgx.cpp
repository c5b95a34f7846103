// verify sgx: what Intel's processors say of an enclave.
#include "app/cmd_verify.h"
#include "app/tdx_options.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/sgx/verify.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct SgxCommand {
    VerifyOptions options;
    TdxOptions intel;
    std::string quote, report_data;
    std::vector<std::string> crls;
    bool allow_debug = false;
};

Result<SgxRules> rules_of_enclave(const SgxCommand& command) {
    TdxRules common = TRY(tdx_rules_of(command.intel, command.options.allow_unchecked));
    SgxRules rules;
    rules.allow_debug = command.allow_debug;
    rules.may_be_unchecked = std::move(common.may_be_unchecked);
    rules.accepted_status = std::move(common.accepted_status);
    if (!command.report_data.empty()) {
        Bytes bytes = TRY(parse_hex_option("--report-data", command.report_data, 64));
        std::ranges::copy(bytes, rules.report_data.emplace().begin());
    }
    return rules;
}

Result<Verdict> verify_enclave(const Context& context, const SgxCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    SgxRules rules = TRY(rules_of_enclave(command));
    TdxCollateral collateral = TRY(read_tdx_collateral(command.intel, command.crls));
    collateral.tee = IntelTee::sgx;
    Bytes quote = TRY(read_evidence(command.quote));
    VerifiedSgxQuote verified =
        TRY(verify_sgx(quote, collateral, vendor_anchors(), rules, now, checks));
    Json facts = facts_of(verified.quote());
    facts["debug_allowed"] = rules.allow_debug;
    if (verified.tcb()) facts["tcb"] = tcb_facts(verified.tcb());
    return Verdict{fmt::format("quote of SGX enclave {} ({} root, TCB {})",
                               facts["mrenclave"].get<std::string>(), tier_name(verified.tier()),
                               tcb_words(verified.tcb())),
                   verified.not_checked(), std::move(facts)};
}

constexpr const char* kVerifySgxExamples = R"(Examples:
  vouchsafe verify sgx --quote quote.bin --tcb-info tcb.json --qe-identity qe.json \
      --tcb-chain chain.pem --crl root.crl --crl pck.crl
  vouchsafe verify sgx --quote quote.bin \
      --allow-unchecked revocation --allow-unchecked qe-identity --allow-unchecked tcb-info
Collateral is what Intel's PCS or a PCCS serves under /sgx; the chain is in the answer's header
TCB-Info-Issuer-Chain. Intel's root is built in. Which enclave it is (mrenclave, mrsigner) is told
and not judged.)";

}  // namespace

void add_verify_sgx(Command verify, Context& context) {
    auto command = std::make_shared<SgxCommand>();
    Command made = verify.add("sgx", "the quote of an Intel SGX enclave");
    made.examples(kVerifySgxExamples);
    made.option("--quote", command->quote, "the quote, version 3", "FILE").required();
    add_tdx_options(made, command->intel);
    made.option("--crl", command->crls, "revocation list: the root's, the PCK issuer's (repeat)",
                "FILE");
    made.option("--report-data", command->report_data, "what the enclave put in, 64 bytes", "HEX");
    made.flag("--allow-debug", command->allow_debug, "accept an enclave whose memory can be read");
    add_verify_options(made, command->options, kTdxUncheckedText);
    made.run([&context, command] {
        return run_verify(context, "sgx", command->options, [&](Checks& checks) {
            return verify_enclave(context, *command, checks);
        });
    });
}

}  // namespace vouchsafe::app
