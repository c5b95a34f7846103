#include "vouchsafe/evidence/snp/steps.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::Crl;

namespace {

// RFC 5280, 5.1.2.5: every list has a next update. Without one it would be in force for ever.
Result<void> check_dates(const Crl& crl, Time now, Checks& checks) {
    std::optional<Time> next = crl.next_update();
    bool in_force = next && crl.this_update() <= now && now <= *next;
    return checks.require(
        in_force, "SNP-CRL-DATES", crl.issuer(),
        fmt::format("in force from {} to {}", format_rfc3339(crl.this_update()),
                    next ? format_rfc3339(*next) : "a date that the list must state"),
        format_rfc3339(now));
}

Result<void> check_list(const Crl& crl, const Certificate& issuer,
                        std::initializer_list<Certificate> issued, Time now, Checks& checks) {
    auto signature = crl.verify_signed_by(issuer);
    TRY(checks.require(signature.has_value(), "SNP-CRL-SIGNATURE", crl.issuer(),
                       fmt::format("signed by {}", issuer.subject()),
                       signature ? "signed" : signature.error().message));
    TRY(check_dates(crl, now, checks));
    for (const Certificate& certificate : issued) {
        bool revoked = TRY(crl.revokes(certificate));
        TRY(checks.require(!revoked, "SNP-REVOKED", certificate.subject(), "on no revocation list",
                           revoked ? fmt::format("serial number {} on the list of {}",
                                                 certificate.serial_hex(), issuer.subject())
                                   : "not on the list"));
    }
    return {};
}

}  // namespace

Result<void> check_snp_revocation(const SnpEndorsements& endorsements, Time now, SnpChain& chain,
                                  Checks& checks) {
    for (const Crl& crl : endorsements.crls) {
        Bytes issuer = crl.issuer_der();
        if (equal(issuer, chain.ark.subject_der())) {
            TRY(check_list(crl, chain.ark, {chain.ark, chain.intermediate}, now, checks));
            chain.revocation_checked = true;
        } else if (equal(issuer, chain.intermediate.subject_der())) {
            TRY(check_list(crl, chain.intermediate, {endorsements.leaf}, now, checks));
        } else {
            continue;
        }
        chain.narrow(crl.this_update(), crl.next_update().value_or(now));
    }
    return {};
}

}  // namespace vouchsafe::evidence
