// Certificate revocation lists over a certification path (RFC 5280, 6.3): each certificate needs
// the list of its issuer, in force now.
#pragma once

#include <span>
#include <vector>

#include "vouchsafe/evidence/known_links.h"
#include "vouchsafe/evidence/unchecked.h"

namespace vouchsafe::evidence {

// RevocationCodes names the checks of one kind of evidence.
struct RevocationCodes {
    std::string_view signature;
    std::string_view dates;
    std::string_view revoked;
};

// check_crl checks a list that `issuer` is said to have signed: signature, dates at `now` (a list
// without a next update would be in force for ever and is refused), and that none of `issued` is on
// it; each of these must be of that issuer. `known`: signatures that held before, or nullptr.
Result<void> check_crl(const crypto::Crl& crl, const crypto::Certificate& issuer,
                       std::span<const crypto::Certificate> issued, const RevocationCodes& codes,
                       Time now, Checks& checks, KnownLinks* known = nullptr);

// What --allow-unchecked and `not_checked` call it.
inline constexpr std::string_view kRevocation = "revocation";

// check_path_revocation goes over a path that is verified already: leaf first, trust anchor last.
// Every certificate but the anchor needs a list of its issuer among `lists`; if one has none,
// "revocation" is left out as `unchecked` says, once. Lists of others are of no use and skipped.
// Codes CERT-CRL-SIGNATURE, CERT-CRL-DATES, CERT-REVOKED.
Result<void> check_path_revocation(std::span<const crypto::Certificate> path,
                                   const std::vector<crypto::Crl>& lists, Unchecked& unchecked,
                                   Time now, Checks& checks);

}  // namespace vouchsafe::evidence
