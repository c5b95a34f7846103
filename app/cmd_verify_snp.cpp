// verify snp, hcl: what an AMD processor says of a machine, bare and inside Azure's HCL report.
#include <charconv>
#include <sstream>

#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "vouchsafe/evidence/azure/hcl_verify.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct SnpCommand {
    VerifyOptions options;
    std::string report, cert, chain, ak;
    std::vector<std::string> crls;
    std::string report_data, measurement, host_data, min_tcb;
    bool allow_debug = false;
    unsigned vmpl = 0;
};

uint8_t* component_of(SnpTcb& tcb, std::string_view name) {
    if (name == "bootloader") return &tcb.bootloader;
    if (name == "tee") return &tcb.tee;
    if (name == "snp") return &tcb.snp;
    if (name == "microcode") return &tcb.microcode;
    if (name == "fmc") return &tcb.fmc.emplace(uint8_t{0});
    return nullptr;
}

// parse_tcb reads "bootloader=4,snp=24,microcode=219"; a component that is not named has no
// minimum.
Result<SnpTcb> parse_tcb(const std::string& text) {
    SnpTcb out;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        size_t equals = part.find('=');
        uint8_t* component =
            equals == std::string::npos ? nullptr : component_of(out, part.substr(0, equals));
        const char* end = part.data() + part.size();
        bool number = component != nullptr && equals + 1 < part.size();
        if (number) {
            auto [stop, error] = std::from_chars(part.data() + equals + 1, end, *component);
            number = stop == end && error == std::errc();
        }
        if (!number) {
            return fail(Code::invalid,
                        "--min-tcb takes NAME=0..255 for bootloader, tee, snp, microcode and fmc, "
                        "separated by commas");
        }
    }
    return out;
}

template <size_t N>
Result<void> expect(const char* option, const std::string& hex,
                    std::optional<std::array<uint8_t, N>>& out) {
    if (hex.empty()) return {};
    Bytes bytes = TRY(parse_hex_option(option, hex, N));
    std::ranges::copy(bytes, out.emplace().begin());
    return {};
}

Result<SnpRules> rules_of(const SnpCommand& command) {
    SnpRules rules;
    rules.vmpl = command.vmpl;
    rules.allow_debug = command.allow_debug;
    for (const std::string& name : command.options.allow_unchecked) {
        if (name != kSnpRevocation) {
            return fail(Code::invalid, "--allow-unchecked takes revocation, not {}", name);
        }
        rules.allow_unchecked.insert(name);
    }
    TRY(expect("--report-data", command.report_data, rules.report_data));
    TRY(expect("--measurement", command.measurement, rules.measurement));
    TRY(expect("--host-data", command.host_data, rules.host_data));
    if (command.min_tcb.empty()) return rules;
    SnpTcb floor = TRY(parse_tcb(command.min_tcb));
    for (SnpProduct product : {SnpProduct::milan, SnpProduct::genoa, SnpProduct::turin}) {
        rules.minimum_tcb.reported[product] = floor;
    }
    return rules;
}

Result<SnpEndorsements> endorsements_of(const SnpCommand& command, Checks& checks) {
    SnpEndorsements out = TRY(read_snp_endorsements(command.cert, command.chain, checks));
    for (const std::string& file : command.crls) {
        Bytes bytes = TRY(read_evidence(file));
        out.crls.push_back(TRY(with_context(crypto::Crl::parse_any(bytes), file)));
    }
    return out;
}

std::string sentence_of(const VerifiedSnpReport& verified, std::string_view what) {
    return fmt::format("{} of a {} machine ({} root)", what, product_name(verified.product()),
                       tier_name(verified.tier()));
}

Result<Verdict> verify_report(const Context& context, const SnpCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    SnpRules rules = TRY(rules_of(command));
    Bytes report = TRY(read_evidence(command.report));
    SnpEndorsements endorsements = TRY(endorsements_of(command, checks));
    VerifiedSnpReport verified =
        TRY(verify_snp(report, endorsements, vendor_anchors(), rules, now, checks));
    return Verdict{sentence_of(verified, "SEV-SNP report"), verified.not_checked(),
                   facts_of(verified.report(), verified.product())};
}

Result<Verdict> verify_hcl_report(const Context& context, const SnpCommand& command,
                                  Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    HclRules rules{TRY(rules_of(command)), std::nullopt};
    if (!command.ak.empty()) rules.ak = TRY(read_ak(command.ak)).key;
    Bytes nv = TRY(read_evidence(command.report));
    SnpEndorsements endorsements = TRY(endorsements_of(command, checks));
    VerifiedHclReport verified =
        TRY(verify_hcl(nv, endorsements, vendor_anchors(), rules, now, checks));
    Json facts = facts_of(verified.claims());
    facts["hcl"] = facts_of(verified.report());
    facts["snp"] = facts_of(verified.snp().report(), verified.snp().product());
    return Verdict{sentence_of(verified.snp(), "HCL report"), verified.snp().not_checked(),
                   std::move(facts)};
}

constexpr const char* kSnpExamples = R"(Examples:
  vouchsafe verify snp --report report.bin --cert vcek.der --crl milan.crl
  vouchsafe verify snp --report report.bin --cert vcek.pem --allow-unchecked revocation \
      --min-tcb bootloader=4,snp=24,microcode=219 --report-data 0102...
AMD's roots and intermediates are built in; a certificate from a file never becomes a root.)";

constexpr const char* kHclExamples = R"(Examples:
  tpm2_nvread 0x01400001 -o hcl.bin
  curl -H Metadata:true http://169.254.169.254/metadata/THIM/amd/certification > thim.json
  vouchsafe verify hcl --report hcl.bin --cert thim.json --ak ak.pub --allow-unchecked revocation)";

void add_common(Command made, SnpCommand& command) {
    made.option("--cert", command.cert, "VCEK or VLEK: DER, PEM, or Azure's THIM answer", "FILE")
        .required();
    made.option("--chain", command.chain, "its issuers as PEM, if they are not built in", "FILE");
    made.option("--crl", command.crls, "AMD's revocation list (repeat)", "FILE");
    made.option("--min-tcb", command.min_tcb, "least reported TCB, e.g. snp=24,microcode=219",
                "SPEC");
    made.flag("--allow-debug", command.allow_debug, "accept a machine whose memory can be read");
    add_verify_options(made, command.options, "accept that this is not checked: revocation");
}

}  // namespace

void add_verify_snp(Command verify, Context& context) {
    auto snp = std::make_shared<SnpCommand>();
    Command made = verify.add("snp", "an AMD SEV-SNP attestation report");
    made.examples(kSnpExamples);
    made.option("--report", snp->report, "the report, 1184 bytes", "FILE").required();
    add_common(made, *snp);
    made.option("--report-data", snp->report_data, "what the guest put in, 64 bytes", "HEX");
    made.option("--measurement", snp->measurement, "the launch measurement, 48 bytes", "HEX");
    made.option("--host-data", snp->host_data, "what the host put in, 32 bytes", "HEX");
    made.option("--vmpl", snp->vmpl, "privilege level that asked for it", "0..3");
    made.run([&context, snp] {
        return run_verify(context, "snp",
                          [&](Checks& checks) { return verify_report(context, *snp, checks); });
    });

    auto hcl = std::make_shared<SnpCommand>();
    made = verify.add("hcl", "Azure's HCL report: a hardware report and the keys bound to it");
    made.examples(kHclExamples);
    made.option("--report", hcl->report, "content of NV index 0x01400001", "FILE").required();
    add_common(made, *hcl);
    made.option("--ak", hcl->ak, "attestation key that must be the one in the report", "FILE");
    made.run([&context, hcl] {
        return run_verify(context, "hcl",
                          [&](Checks& checks) { return verify_hcl_report(context, *hcl, checks); });
    });
}

}  // namespace vouchsafe::app
