#include "vouchsafe/evidence/revocation.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::Crl;

namespace {

constexpr RevocationCodes kPathCodes{"CERT-CRL-SIGNATURE", "CERT-CRL-DATES", "CERT-REVOKED"};

// RFC 5280, 5.1.2.5: every list has a next update. Without one it would be in force for ever.
Result<void> check_dates(const Crl& crl, std::string_view code, Time now, Checks& checks) {
    std::optional<Time> next = crl.next_update();
    bool in_force = next && crl.this_update() <= now && now <= *next;
    return checks.require(
        in_force, code, crl.issuer(),
        fmt::format("in force from {} to {}", format_rfc3339(crl.this_update()),
                    next ? format_rfc3339(*next) : "a date that the list must state"),
        format_rfc3339(now));
}

// check_issued checks one certificate against every list of its issuer, and returns whether there
// is any.
Result<bool> check_issued(const Certificate& certificate, const Certificate& issuer,
                          const std::vector<Crl>& lists, Time now, Checks& checks) {
    bool found = false;
    for (const Crl& crl : lists) {
        if (!equal(crl.issuer_der(), issuer.subject_der())) continue;
        TRY(check_crl(crl, issuer, {&certificate, 1}, kPathCodes, now, checks));
        found = true;
    }
    return found;
}

}  // namespace

Result<void> check_crl(const Crl& crl, const Certificate& issuer,
                       std::span<const Certificate> issued, const RevocationCodes& codes, Time now,
                       Checks& checks, KnownLinks* known) {
    auto signature = verify_link(crl, issuer, known);
    TRY(checks.require(signature.has_value(), codes.signature, crl.issuer(),
                       fmt::format("signed by {}", issuer.subject()),
                       signature ? "signed" : signature.error().message));
    TRY(check_dates(crl, codes.dates, now, checks));
    for (const Certificate& certificate : issued) {
        bool revoked = TRY(crl.revokes(certificate));
        TRY(checks.require(!revoked, codes.revoked, certificate.subject(), "on no revocation list",
                           revoked ? fmt::format("serial number {} on the list of {}",
                                                 certificate.serial_hex(), issuer.subject())
                                   : "not on the list"));
    }
    return {};
}

Result<void> check_path_revocation(std::span<const Certificate> path, const std::vector<Crl>& lists,
                                   Unchecked& unchecked, Time now, Checks& checks) {
    bool complete = true;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
        complete &= TRY(check_issued(path[i], path[i + 1], lists, now, checks));
    }
    return complete ? Result<void>() : unchecked.leave_out(kRevocation, checks);
}

}  // namespace vouchsafe::evidence
