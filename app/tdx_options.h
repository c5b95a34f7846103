// Options of the commands that verify a quote of a trust domain or an SGX enclave: Intel's
// collateral, and what to accept.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::app {

struct TdxOptions {
    std::string tcb_info, qe_identity, tcb_chain;
    std::vector<std::string> accept;
};
void add_tdx_options(Command command, TdxOptions& options);

// What --allow-unchecked takes for a quote.
inline constexpr const char* kTdxUncheckedText =
    "accept that this is not checked: revocation, qe-identity, tcb-info";

// read_tdx_collateral reads the files. A revocation list of `crls` says itself whether it is the
// root's or that of the PCKs' issuer.
Result<evidence::TdxCollateral> read_tdx_collateral(const TdxOptions& options,
                                                    const std::vector<std::string>& crls);

// tdx_rules_of gives the rules that the options make. Fails with Code::invalid for names that are
// none of Intel's, or of what can go unchecked.
Result<evidence::TdxRules> tdx_rules_of(const TdxOptions& options,
                                        const std::vector<std::string>& allow_unchecked);

// tcb_facts is Intel's judgement as it is told, and tcb_words the same in a word or two.
Json tcb_facts(const std::optional<evidence::TdTcb>& tcb);
std::string tcb_words(const std::optional<evidence::TdTcb>& tcb);

}  // namespace vouchsafe::app
