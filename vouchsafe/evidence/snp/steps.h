// The steps of verify_snp, for its sources alone: what they take is not verified yet.
#pragma once

#include <algorithm>

#include "vouchsafe/evidence/snp/verify.h"

namespace vouchsafe::evidence {

// SnpChain is a leaf's way up to a pinned root, verified.
struct SnpChain {
    crypto::Certificate intermediate;
    crypto::Certificate ark;
    // While this holds: the narrowest of all dates of certificates and lists.
    Time valid_from, valid_to;
    bool revocation_checked = false;

    void narrow(Time from, Time to) {
        valid_from = std::max(valid_from, from);
        valid_to = std::min(valid_to, to);
    }
};

// verify_snp_chain verifies the way from the leaf, of `kind`, to a pinned ARK of `product`: names,
// signatures, CA flags, dates. Fails with SNP-CHAIN-* and SNP-CERT-KIND.
Result<SnpChain> verify_snp_chain(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                                  SnpProduct product, SnpSigner kind, Time now, Checks& checks);

// check_snp_revocation holds the chain against the lists that came; revocation_checked is then
// whether the ARK's was among them. Fails with SNP-CRL-* and SNP-REVOKED.
Result<void> check_snp_revocation(const SnpEndorsements& endorsements, Time now, SnpChain& chain,
                                  Checks& checks);

// check_snp_rules judges a genuine report by the rules.
Result<void> check_snp_rules(const SnpReport& report, SnpProduct product, const SnpRules& rules,
                             Checks& checks);

// hex_start shows the first 16 bytes.
std::string hex_start(ByteView bytes);

}  // namespace vouchsafe::evidence
