// Signatures of vendors' intermediate certificates and revocation lists that held: they are the
// same for all machines of a kind. What was signed, its signature and the issuer's certificate
// decide alone whether one holds, so their digest stands for it. Dates, uses and revocations are
// not looked at here and are judged each time.
#pragma once

#include "vouchsafe/base/kept.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::evidence {

// KnownLinks remembers the signatures used last. Thread-safe.
class KnownLinks {
  public:
    // verify fails as Certificate::verify_signed_by and Crl::verify_signed_by do.
    Result<void> verify(const crypto::Certificate& subject, const crypto::Certificate& issuer) {
        return verify(certificates_, subject, issuer);
    }
    Result<void> verify(const crypto::Crl& list, const crypto::Certificate& issuer) {
        return verify(lists_, list, issuer);
    }

  private:
    struct Held {};
    using Known = Kept<Held, 64>;

    // Both encodings say where they end: no two questions have the same bytes.
    template <typename Subject>
    static Result<void> verify(Known& known, const Subject& subject,
                               const crypto::Certificate& issuer) {
        crypto::Hasher hasher(crypto::HashAlg::sha256);
        hasher.update(subject.der());
        hasher.update(issuer.der());
        const Bytes digest = hasher.finish();
        if (known.find(digest) != nullptr) return {};
        TRY(subject.verify_signed_by(issuer));
        known.keep(digest, std::make_shared<const Held>());
        return {};
    }

    Known certificates_;
    Known lists_;
};

// verify_link asks `known`, or if that is nullptr verifies anew.
template <typename Subject>
Result<void> verify_link(const Subject& subject, const crypto::Certificate& issuer,
                         KnownLinks* known) {
    return known == nullptr ? subject.verify_signed_by(issuer) : known->verify(subject, issuer);
}

}  // namespace vouchsafe::evidence
