#include "app/snp_options.h"

#include <charconv>
#include <set>
#include <sstream>

#include "app/evidence_files.h"
#include "app/unchecked_options.h"

namespace vouchsafe::app {

using namespace evidence;

namespace {

uint8_t* component_of(SnpTcb& tcb, std::string_view name) {
    if (name == "bootloader") return &tcb.bootloader;
    if (name == "tee") return &tcb.tee;
    if (name == "snp") return &tcb.snp;
    if (name == "microcode") return &tcb.microcode;
    if (name == "fmc") return &tcb.fmc.emplace(uint8_t{0});
    return nullptr;
}

// pem_of gives any accepted form of certificates as PEM.
Result<std::string> pem_of(const std::string& file) {
    Bytes bytes = TRY(read_evidence(file));
    if (is_pem(bytes) && bytes[0] != '{') return to_text(bytes);
    if (!bytes.empty() && bytes[0] == '{') {
        Json thim = TRY(with_context(parse_json_object(as_text(bytes)), file));
        return TRY(json_string(thim, "vcekCert")) + TRY(json_string(thim, "certificateChain"));
    }
    return TRY(with_context(crypto::Certificate::parse_der(bytes), file)).pem();
}

}  // namespace

Result<SnpTcb> parse_tcb(const std::string& text) {
    SnpTcb out;
    std::set<std::string> named;
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
        if (!number || !named.insert(part.substr(0, equals)).second) {
            return fail(Code::invalid,
                        "--min-tcb takes NAME=0..255 for bootloader, tee, snp, microcode and fmc, "
                        "each once, separated by commas");
        }
    }
    return out;
}

void add_snp_options(Command command, SnpOptions& options) {
    command.option("--cert", options.cert, "VCEK or VLEK: DER, PEM, or Azure's THIM answer",
                   "FILE");
    command.option("--chain", options.chain, "its issuers as PEM, if they are not built in",
                   "FILE");
    command.option("--min-tcb", options.min_tcb, "least reported TCB, e.g. snp=24,microcode=219",
                   "SPEC");
}

Result<SnpEndorsements> read_snp_endorsements(const SnpOptions& options,
                                              const std::vector<std::string>& crls,
                                              Checks& checks) {
    if (options.cert.empty()) {
        return fail(Code::invalid, "an SEV-SNP report needs its VCEK or VLEK: give --cert");
    }
    std::string pem = TRY(pem_of(options.cert));
    if (!options.chain.empty()) pem += "\n" + TRY(pem_of(options.chain));
    SnpEndorsements out = TRY(SnpEndorsements::parse(as_bytes(pem), checks));
    out.crls = TRY(read_crls(crls));
    return out;
}

Result<SnpRules> snp_rules_of(const SnpOptions& options,
                              const std::vector<std::string>& allow_unchecked) {
    SnpRules rules;
    for (const std::string& name : allow_unchecked) {
        if (name != kRevocation) {
            return fail(Code::invalid, "--allow-unchecked takes revocation, not {}", name);
        }
        rules.allow_unchecked.insert(name);
    }
    if (options.min_tcb.empty()) return rules;
    SnpTcb floor = TRY(parse_tcb(options.min_tcb));
    for (SnpProduct product : {SnpProduct::milan, SnpProduct::genoa, SnpProduct::turin}) {
        rules.minimum_tcb.reported[product] = floor;
    }
    return rules;
}

std::string snp_sentence(const VerifiedSnpReport& verified, std::string_view what) {
    return fmt::format("{} of a {} machine ({} root)", what, product_name(verified.product()),
                       tier_name(verified.tier()));
}

}  // namespace vouchsafe::app
