// The certificate of a vTPM's attestation key (TPM NV index 0x01C101D0 on Azure): chain to a pinned
// root.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/evidence/anchors/anchors.h"

namespace vouchsafe::evidence {

// VerifiedAkCertificate exists only if verify_ak_certificate said yes.
class VerifiedAkCertificate {
  public:
    const crypto::Certificate& certificate() const { return certificate_; }
    Tier tier() const { return tier_; }

  private:
    friend struct AkVerifier;  // ak_cert.cpp alone
    VerifiedAkCertificate(crypto::Certificate certificate, Tier tier)
        : certificate_(std::move(certificate)), tier_(tier) {}
    crypto::Certificate certificate_;
    Tier tier_;
};

// verify_ak_certificate reads the certificate (DER with zero padding behind it, as NV indices hold
// it, or PEM, with or without intermediates behind the leaf), follows it through those
// intermediates and the known ones to a root of `anchors`, checks every validity at `now`, and
// requires that it certifies `ak`. Codes AK-CERT-*.
Result<VerifiedAkCertificate> verify_ak_certificate(ByteView certificate,
                                                    const crypto::PublicKey& ak,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks);

}  // namespace vouchsafe::evidence
