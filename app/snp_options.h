// Options of the commands that verify an SEV-SNP report: AMD's certificates, and what to accept.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/snp/verify.h"

namespace vouchsafe::app {

struct SnpOptions {
    std::string cert, chain, min_tcb;
};
void add_snp_options(Command command, SnpOptions& options);

// parse_tcb reads "bootloader=4,snp=24,microcode=219"; a component that is not named has no
// minimum. Code::invalid.
Result<evidence::SnpTcb> parse_tcb(const std::string& text);

// What --allow-unchecked takes for an SEV-SNP report.
inline constexpr const char* kSnpUncheckedText = "accept that this is not checked: revocation";

// read_snp_endorsements reads the VCEK or VLEK and its issuers (DER, PEM in any order, or the JSON
// of Azure's certificate cache, THIM) and the revocation lists.
Result<evidence::SnpEndorsements> read_snp_endorsements(const SnpOptions& options,
                                                        const std::vector<std::string>& crls,
                                                        Checks& checks);

// snp_rules_of gives the rules that the options make. Fails with Code::invalid for a minimum that
// is none, and for names of what cannot go unchecked.
Result<evidence::SnpRules> snp_rules_of(const SnpOptions& options,
                                        const std::vector<std::string>& allow_unchecked);

// snp_sentence says what was verified: "SEV-SNP report of a Milan machine (hardware root)".
std::string snp_sentence(const evidence::VerifiedSnpReport& verified, std::string_view what);

}  // namespace vouchsafe::app
