// The way from a PCK certificate to Intel's pinned root. For verify.cpp and
// verified_collateral.cpp alone.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::evidence {

// PckIssuer is a PCK CA that was verified under the pinned root.
struct PckIssuer {
    crypto::Certificate certificate;
    std::string pem;  // the certificate's and the root's: how the chain of a quote ends
};

// PckChain is what a quote brings: the PCK's certificate, its issuer's and the root.
struct PckChain {
    crypto::Certificate leaf;
    crypto::Certificate issuer;
    crypto::Certificate root;
};

// PckChainVerifier makes the checks TDX-CHAIN-*. Borrows what it is given. `root` is the pinned one
// or nullptr if there is none; `known`, which may be nullptr, was verified under it.
class PckChainVerifier {
  public:
    PckChainVerifier(const crypto::Certificate* root, const PckIssuer* known, Time now,
                     Checks& checks)
        : root_(root), known_(known), now_(now), checks_(checks) {}

    // read takes the PEM of a quote: three certificates in the form of RFC 7468 and nothing else.
    // What is known is not read again. Verifies nothing; fails with TDX-CHAIN-FORM.
    Result<PckChain> read(const std::string& pem);
    // verify verifies signatures, names and dates; the one signature that made `known` known is not
    // verified again. Returns the issuer.
    Result<PckIssuer> verify(const PckChain& chain);
    // verify_issuer reads and verifies a PCK CA without a PCK, from its PEM and the root's.
    Result<PckIssuer> verify_issuer(const std::string& pem);

  private:
    bool is_known(const crypto::Certificate& issuer) const;
    Result<void> check_root(const crypto::Certificate& found);
    Result<void> check_issuer_link(const crypto::Certificate& issuer,
                                   const crypto::Certificate& root);
    Result<void> check_link(const Result<void>& signature, const crypto::Certificate& issuer,
                            std::string_view field);
    Result<void> check_ca(const crypto::Certificate& issuer);
    Result<void> check_dates(const crypto::Certificate& certificate, std::string_view field);

    const crypto::Certificate* root_;
    const PckIssuer* known_;
    Time now_;
    Checks& checks_;
};

}  // namespace vouchsafe::evidence
