// verify snp: what an AMD processor says of a machine.
#include "app/cmd_verify.h"
#include "app/snp_options.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct SnpCommand {
    VerifyOptions options;
    SnpOptions snp;
    std::string report, report_data, measurement, host_data;
    std::vector<std::string> crls;
    bool allow_debug = false;
    unsigned vmpl = 0;
};

template <size_t N>
Result<void> expect(const char* option, const std::string& hex,
                    std::optional<std::array<uint8_t, N>>& out) {
    if (hex.empty()) return {};
    Bytes bytes = TRY(parse_hex_option(option, hex, N));
    std::ranges::copy(bytes, out.emplace().begin());
    return {};
}

Result<SnpRules> rules_of(const SnpCommand& command) {
    SnpRules rules = TRY(snp_rules_of(command.snp, command.options.allow_unchecked));
    rules.vmpl = command.vmpl;
    rules.allow_debug = command.allow_debug;
    TRY(expect("--report-data", command.report_data, rules.report_data));
    TRY(expect("--measurement", command.measurement, rules.measurement));
    TRY(expect("--host-data", command.host_data, rules.host_data));
    return rules;
}

Result<Verdict> verify_report(const Context& context, const SnpCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    SnpRules rules = TRY(rules_of(command));
    Bytes report = TRY(read_evidence(command.report));
    SnpEndorsements endorsements = TRY(read_snp_endorsements(command.snp, command.crls, checks));
    VerifiedSnpReport verified =
        TRY(verify_snp(report, endorsements, vendor_anchors(), rules, now, checks));
    return Verdict{snp_sentence(verified, "SEV-SNP report"), verified.not_checked(),
                   facts_of(verified.report(), verified.product())};
}

constexpr const char* kVerifySnpExamples = R"(Examples:
  vouchsafe verify snp --report report.bin --cert vcek.der --crl milan.crl
  vouchsafe verify snp --report report.bin --cert vcek.pem --allow-unchecked revocation \
      --min-tcb bootloader=4,snp=24,microcode=219 --report-data 0102...
AMD's roots and intermediates are built in; a certificate from a file never becomes a root.)";

}  // namespace

void add_verify_snp(Command verify, Context& context) {
    auto snp = std::make_shared<SnpCommand>();
    Command made = verify.add("snp", "an AMD SEV-SNP attestation report");
    made.examples(kVerifySnpExamples);
    made.option("--report", snp->report, "the report, 1184 bytes", "FILE").required();
    add_snp_options(made, snp->snp);
    made.option("--crl", snp->crls, "AMD's revocation list (repeat)", "FILE");
    made.option("--report-data", snp->report_data, "what the guest put in, 64 bytes", "HEX");
    made.option("--measurement", snp->measurement, "the launch measurement, 48 bytes", "HEX");
    made.option("--host-data", snp->host_data, "what the host put in, 32 bytes", "HEX");
    made.option("--vmpl", snp->vmpl, "privilege level that asked for it", "0..3");
    made.flag("--allow-debug", snp->allow_debug, "accept a machine whose memory can be read");
    add_verify_options(made, snp->options, kSnpUncheckedText);
    made.run([&context, snp] {
        return run_verify(context, "snp", snp->options,
                          [&](Checks& checks) { return verify_report(context, *snp, checks); });
    });
}

}  // namespace vouchsafe::app
