// The steps of verify_snp, for its sources alone: what they take is not verified yet.
#pragma once

#include "vouchsafe/evidence/snp_verify.h"

namespace vouchsafe::evidence {

// verify_snp_chain verifies the way from the leaf, of `kind`, to a pinned ARK of `product`: names,
// signatures, CA flags, dates. Fails with SNP-CHAIN-* and SNP-CERT-KIND.
Result<void> verify_snp_chain(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                              SnpProduct product, SnpSigner kind, Time now, Checks& checks);

// check_snp_rules judges a genuine report by the rules.
Result<void> check_snp_rules(const SnpReport& report, SnpProduct product, const SnpRules& rules,
                             Checks& checks);

// hex_start shows the first 16 bytes.
std::string hex_start(ByteView bytes);

}  // namespace vouchsafe::evidence
