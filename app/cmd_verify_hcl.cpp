// verify hcl: Azure's HCL report, of an AMD or an Intel machine.
#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "app/snp_options.h"
#include "app/tdx_options.h"
#include "vouchsafe/evidence/azure/hcl_verify.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct HclCommand {
    VerifyOptions options;
    SnpOptions snp;
    TdxOptions tdx;
    std::string report, quote, ak;
    std::vector<std::string> crls;
    bool allow_debug = false;
};

// What both kinds of machines need beside their own.
struct Given {
    Bytes nv;
    std::optional<crypto::PublicKey> ak;
    Time now;
};

Json hcl_facts(const HclReport& report, const RuntimeClaims& claims) {
    Json facts = facts_of(claims);
    facts["hcl"] = facts_of(report);
    return facts;
}

Result<Verdict> verify_amd(const HclCommand& command, const Given& given, Checks& checks) {
    SnpRules rules = TRY(snp_rules_of(command.snp, command.options.allow_unchecked));
    rules.allow_debug = command.allow_debug;
    SnpEndorsements endorsements = TRY(read_snp_endorsements(command.snp, command.crls, checks));
    VerifiedHclReport verified = TRY(
        verify_hcl(given.nv, endorsements, vendor_anchors(), rules, given.ak, given.now, checks));
    Json facts = hcl_facts(verified.report(), verified.claims());
    facts["snp"] = facts_of(verified.snp().report(), verified.snp().product());
    return Verdict{snp_sentence(verified.snp(), "HCL report"), verified.snp().not_checked(),
                   std::move(facts)};
}

Result<Verdict> verify_intel(const HclCommand& command, const Given& given, Checks& checks) {
    if (command.quote.empty()) {
        return fail(Code::invalid,
                    "this is the report of a TDX machine, which only a quote of it can prove: give "
                    "--quote (Azure: POST the TDREPORT to 169.254.169.254/acc/tdquote)");
    }
    TdxRules rules = TRY(tdx_rules_of(command.tdx, command.options.allow_unchecked));
    rules.allow_debug = command.allow_debug;
    TdxCollateral collateral = TRY(read_tdx_collateral(command.tdx, command.crls));
    Bytes quote = TRY(read_evidence(command.quote));
    VerifiedTdHclReport verified = TRY(verify_td_hcl(given.nv, quote, collateral, vendor_anchors(),
                                                     rules, given.ak, given.now, checks));
    Json facts = hcl_facts(verified.report(), verified.claims());
    facts["tdx"] = facts_of(verified.quote().quote());
    if (verified.quote().tcb()) facts["tcb"] = tcb_facts(verified.quote().tcb());
    return Verdict{
        fmt::format("HCL report of a TDX machine ({} root, TCB {})",
                    tier_name(verified.quote().tier()), tcb_words(verified.quote().tcb())),
        verified.quote().not_checked(), std::move(facts)};
}

Result<Verdict> verify_report(const Context& context, const HclCommand& command, Checks& checks) {
    Given given;
    given.now = TRY(judged_at(context, command.options));
    given.nv = TRY(read_evidence(command.report));
    if (!command.ak.empty()) given.ak = TRY(read_ak(command.ak)).key;
    auto report = HclReport::parse(given.nv);
    bool intel = report && report->type == HclReportType::tdx;
    return intel ? verify_intel(command, given, checks) : verify_amd(command, given, checks);
}

constexpr const char* kVerifyHclExamples =
    R"(Examples, in an Azure machine on AMD, and with the files of one on Intel:
  tpm2_nvread 0x01400001 -o hcl.bin
  curl -H Metadata:true http://169.254.169.254/metadata/THIM/amd/certification > thim.json
  vouchsafe verify hcl --report hcl.bin --cert thim.json --ak ak.pub --crl milan.crl
  vouchsafe verify hcl --report hcl.bin --quote td-quote.bin --ak ak.pub \
      --allow-unchecked revocation,qe-identity,tcb-info)";

}  // namespace

void add_verify_hcl(Command verify, Context& context) {
    auto hcl = std::make_shared<HclCommand>();
    Command made =
        verify.add("hcl", "Azure's HCL report: a hardware report and the keys bound to it");
    made.examples(kVerifyHclExamples);
    made.option("--report", hcl->report, "content of NV index 0x01400001", "FILE").required();
    made.option("--ak", hcl->ak, "attestation key that must be the one in the report", "FILE");
    made.option("--crl", hcl->crls, "revocation list of AMD or Intel (repeat)", "FILE");
    made.flag("--allow-debug", hcl->allow_debug, "accept a machine whose memory can be read");
    add_snp_options(made.group("On AMD"), hcl->snp);
    Command intel = made.group("On Intel");
    intel.option("--quote", hcl->quote, "the TD quote of the TDREPORT in it", "FILE");
    add_tdx_options(intel, hcl->tdx);
    add_verify_options(made, hcl->options, kTdxUncheckedText);
    made.run([&context, hcl] {
        return run_verify(context, "hcl", hcl->options,
                          [&](Checks& checks) { return verify_report(context, *hcl, checks); });
    });
}

}  // namespace vouchsafe::app
