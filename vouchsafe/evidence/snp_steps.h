// The steps of verify_snp, for its sources alone: what they take is not verified yet.
#pragma once

#include "vouchsafe/evidence/snp_verify.h"

namespace vouchsafe::evidence {

// SnpChain is a leaf's way up to a pinned root, verified.
struct SnpChain {
    crypto::Certificate intermediate;
    const AmdRoot* root;  // borrows the anchors
};

// verify_snp_chain verifies the way from the leaf, of `kind`, to a pinned ARK of `product`: names,
// signatures, CA flags, dates. Fails with SNP-CHAIN-* and SNP-CERT-KIND.
Result<SnpChain> verify_snp_chain(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                                  SnpProduct product, SnpSigner kind, Time now, Checks& checks);

// check_snp_revocation holds the chain against the lists that came, and returns whether the ARK's
// was among them. Fails with SNP-CRL-* and SNP-REVOKED.
Result<bool> check_snp_revocation(const SnpEndorsements& endorsements, const SnpChain& chain,
                                  Time now, Checks& checks);

// check_snp_rules judges a genuine report by the rules.
Result<void> check_snp_rules(const SnpReport& report, SnpProduct product, const SnpRules& rules,
                             Checks& checks);

// hex_start shows the first 16 bytes.
std::string hex_start(ByteView bytes);

}  // namespace vouchsafe::evidence
