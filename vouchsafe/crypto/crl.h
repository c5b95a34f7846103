// Certificate revocation lists (RFC 5280, 5): reading them, and verifying them one link at a time,
// as x509.h does for certificates. Only complete lists of one issuer are read; what a list of
// another kind would mean (delta, indirect, for some reasons only) it says in critical extensions,
// and a list with one is refused.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/x509.h"

struct X509_crl_st;  // OpenSSL's X509_CRL

namespace vouchsafe::crypto {

// Crl is shared, immutable and thread-safe.
class Crl {
  public:
    // parse_any reads one list, as strict DER of at most 4 MiB without trailing bytes, or as one
    // PEM block "X509 CRL" in text of at most 1 MiB. Code::invalid otherwise, also for malformed
    // dates and for critical extensions of the list or of an entry.
    static Result<Crl> parse_any(ByteView der_or_pem);

    Bytes der() const;
    std::string issuer() const;  // RFC 2253
    Bytes issuer_der() const;
    Time this_update() const;
    // next_update is nullopt for a list that promises no next one.
    std::optional<Time> next_update() const;
    size_t entries() const;

    // verify_signed_by checks that the names chain, that the issuer's key usage, if it states one,
    // allows signing lists (RFC 5280, 6.3.3 (f)), and the signature: RSA PKCS#1 or ECDSA with
    // SHA-256, SHA-384 or SHA-512, or RSASSA-PSS in AMD's form (SHA-384, MGF1 SHA-384, salt 48).
    // No dates, no CA flag. Code::bad_evidence if it fails.
    Result<void> verify_signed_by(const Certificate& issuer) const;

    // revokes tells whether the certificate's serial number is on the list. Code::invalid if
    // another than the list's issuer issued the certificate: then the list says nothing about it.
    Result<bool> revokes(const Certificate& certificate) const;

    X509_crl_st* handle() const { return crl_.get(); }  // for crypto/ and net/tls alone

  private:
    explicit Crl(std::shared_ptr<X509_crl_st> crl) : crl_(std::move(crl)) {}
    static Result<Crl> parse_der(ByteView der);

    std::shared_ptr<X509_crl_st> crl_;
};

}  // namespace vouchsafe::crypto
