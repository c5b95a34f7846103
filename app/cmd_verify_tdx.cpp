// verify tdx: what Intel's processors say of a trust domain.
#include "app/cmd_verify.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct TdxCommand {
    VerifyOptions options;
    std::string quote, tcb_info, qe_identity, tcb_chain, report_data;
    std::vector<std::string> crls;
    std::vector<std::string> accept;
};

Result<std::optional<SignedJson>> signed_json(const std::string& file, const std::string& chain) {
    if (file.empty()) return std::optional<SignedJson>();
    if (chain.empty()) {
        return fail(Code::invalid, "{} is signed: give its signer's chain with --tcb-chain", file);
    }
    SignedJson out;
    out.json = to_text(TRY(read_evidence(file)));
    out.issuer_chain = to_text(TRY(read_evidence(chain)));
    return std::optional<SignedJson>(std::move(out));
}

// A revocation list says itself whether it is the root's or that of the PCKs' issuer.
Result<TdxCollateral> collateral_of(const TdxCommand& command) {
    TdxCollateral out;
    out.tcb_info = TRY(signed_json(command.tcb_info, command.tcb_chain));
    out.qe_identity = TRY(signed_json(command.qe_identity, command.tcb_chain));
    for (const std::string& file : command.crls) {
        Bytes bytes = TRY(read_evidence(file));
        auto crl = TRY(with_context(crypto::Crl::parse_any(bytes), file));
        bool of_root = crl.issuer_der() == vendor_anchors().intel->subject_der();
        (of_root ? out.root_crl : out.pck_crl) = std::move(bytes);
    }
    return out;
}

constexpr TdxCheck kChecks[] = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};
constexpr TcbStatus kStatus[] = {
    TcbStatus::up_to_date,           TcbStatus::sw_hardening_needed,
    TcbStatus::configuration_needed, TcbStatus::configuration_and_sw_hardening_needed,
    TcbStatus::out_of_date,          TcbStatus::out_of_date_configuration_needed};

Result<TdxRules> rules_of(const TdxCommand& command) {
    TdxRules rules;
    for (const std::string& name : command.options.allow_unchecked) {
        auto check = std::ranges::find(kChecks, name, tdx_check_name);
        if (check == std::end(kChecks)) {
            return fail(Code::invalid,
                        "--allow-unchecked {} is not one of revocation, "
                        "qe-identity, tcb-info",
                        name);
        }
        rules.may_be_unchecked.insert(*check);
    }
    for (const std::string& name : command.accept) {
        auto status = std::ranges::find(kStatus, name, tcb_status_name);
        if (status == std::end(kStatus)) {
            return fail(Code::invalid, "--accept-status {} is none of Intel's that may be accepted",
                        name);
        }
        rules.accepted_status.insert(*status);
    }
    if (!command.report_data.empty()) {
        Bytes bytes = TRY(parse_hex_option("--report-data", command.report_data, 64));
        std::ranges::copy(bytes, rules.report_data.emplace().begin());
    }
    return rules;
}

Result<Verdict> verify_quote(const Context& context, const TdxCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    TdxRules rules = TRY(rules_of(command));
    TdxCollateral collateral = TRY(collateral_of(command));
    Bytes quote = TRY(read_evidence(command.quote));
    VerifiedTdQuote verified =
        TRY(verify_tdx(quote, collateral, vendor_anchors(), rules, now, checks));
    Json facts = facts_of(verified.quote());
    if (verified.tcb()) {
        facts["tcb"] = Json{{"status", tcb_status_name(verified.tcb()->status)},
                            {"date", format_rfc3339(verified.tcb()->date)},
                            {"advisories", verified.tcb()->advisories},
                            {"evaluation", verified.tcb()->evaluation}};
    }
    std::string tcb =
        verified.tcb() ? std::string(tcb_status_name(verified.tcb()->status)) : "not judged";
    return Verdict{fmt::format("TD quote ({} root, TCB {})", tier_name(verified.tier()), tcb),
                   verified.not_checked(), std::move(facts)};
}

constexpr const char* kExamples = R"(Examples:
  vouchsafe verify tdx --quote quote.bin --tcb-info tcb.json --qe-identity qe.json \
      --tcb-chain chain.pem --crl root.crl --crl pck.crl
  vouchsafe verify tdx --quote quote.bin \
      --allow-unchecked revocation --allow-unchecked qe-identity --allow-unchecked tcb-info
Collateral is what Intel's PCS or a PCCS serves; the chain is in the answer's header
TCB-Info-Issuer-Chain. Intel's root is built in.)";

}  // namespace

void add_verify_tdx(Command verify, Context& context) {
    auto command = std::make_shared<TdxCommand>();
    Command made = verify.add("tdx", "the quote of an Intel trust domain");
    made.examples(kExamples);
    made.option("--quote", command->quote, "the quote, version 4 or 5", "FILE").required();
    made.option("--tcb-info", command->tcb_info, "Intel's TCB info of the platform", "FILE");
    made.option("--qe-identity", command->qe_identity, "Intel's identity of the TD quoting enclave",
                "FILE");
    made.option("--tcb-chain", command->tcb_chain, "the certificates that signed both, PEM",
                "FILE");
    made.option("--crl", command->crls, "revocation list: the root's, the PCK issuer's (repeat)",
                "FILE");
    made.option("--report-data", command->report_data, "what the guest put in, 64 bytes", "HEX");
    made.option("--accept-status", command->accept,
                "accept this of Intel's TCB statuses beside UpToDate (repeat)", "STATUS");
    add_verify_options(
        made, command->options,
        "accept that this is not checked: revocation, qe-identity, tcb-info (repeat)");
    made.run([&context, command] {
        return run_verify(context, "tdx",
                          [&](Checks& checks) { return verify_quote(context, *command, checks); });
    });
}

}  // namespace vouchsafe::app
