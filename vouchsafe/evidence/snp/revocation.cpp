#include "vouchsafe/evidence/revocation.h"

#include "vouchsafe/evidence/snp/steps.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::Crl;

namespace {

constexpr RevocationCodes kCodes{"SNP-CRL-SIGNATURE", "SNP-CRL-DATES", "SNP-REVOKED"};

}  // namespace

Result<void> check_snp_revocation(const SnpEndorsements& endorsements, Time now, SnpChain& chain,
                                  Checks& checks) {
    const Certificate by_ark[] = {chain.ark, chain.intermediate};
    const Certificate by_intermediate[] = {endorsements.leaf};
    for (const Crl& crl : endorsements.crls) {
        Bytes issuer = crl.issuer_der();
        if (equal(issuer, chain.ark.subject_der())) {
            TRY(check_crl(crl, chain.ark, by_ark, kCodes, now, checks, endorsements.links));
            chain.revocation_checked = true;
        } else if (equal(issuer, chain.intermediate.subject_der())) {
            TRY(check_crl(crl, chain.intermediate, by_intermediate, kCodes, now, checks,
                          endorsements.links));
        } else {
            continue;
        }
        chain.narrow(crl.this_update(), crl.next_update().value_or(now));
    }
    return {};
}

}  // namespace vouchsafe::evidence
