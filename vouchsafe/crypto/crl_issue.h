// Issuing certificate revocation lists (RFC 5280, 5), for roots of our own: the lab's and the
// tests'. Reading and verifying them is crl.h's.
#pragma once

#include "vouchsafe/crypto/crl.h"

namespace vouchsafe::crypto {

struct CrlSpec {
    Time this_update;
    std::optional<Time> next_update;
    uint64_t number = 1;               // RFC 5280, 5.2.3: greater in each later list
    std::vector<Certificate> revoked;  // by serial number, as of this_update
};

// issue_crl makes a complete list of `issuer`, version 2, with its number and the issuer's key
// identifier. Code::invalid if the key is not the issuer's or does not fit `signature`, if another
// than the issuer issued a certificate on it, or if a date cannot stand in a list.
Result<Crl> issue_crl(const CrlSpec& spec, const Certificate& issuer, const PrivateKey& issuer_key,
                      CertSignature signature);

}  // namespace vouchsafe::crypto
