// The certificates of a virtual TPM's keys: of the attestation key (NV index 0x01C101D0 on Azure)
// and of the endorsement key. Chain to a pinned root, and which of the two it is.
//
// What tells the two apart is the key usage: an attestation key signs, an endorsement key decrypts
// (RSA) or agrees on keys (EC). The extended key usage and the TPM's attributes in subjectAltName
// do not: genuine AK certificates of Google have those of an EK, and others have neither.
#pragma once

#include <span>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/evidence/anchors/anchors.h"

namespace vouchsafe::evidence {

enum class VtpmKey { attestation, endorsement };
std::string_view vtpm_key_name(VtpmKey key);  // "attestation key", "endorsement key"

// VerifiedVtpmCertificate exists only if one of the functions below said yes.
class VerifiedVtpmCertificate {
  public:
    const crypto::Certificate& certificate() const { return path_.front(); }
    const crypto::Certificate& root() const { return path_.back(); }  // the pinned one it ends in
    // The verified path, for check_path_revocation: revocation is not looked at here.
    std::span<const crypto::Certificate> path() const { return path_; }
    VtpmKey key() const { return key_; }
    Tier tier() const { return tier_; }

  private:
    friend class VtpmCertificateVerifier;  // ak_cert.cpp alone
    VerifiedVtpmCertificate(std::vector<crypto::Certificate> path, VtpmKey key, Tier tier)
        : path_(std::move(path)), key_(key), tier_(tier) {}
    std::vector<crypto::Certificate> path_;
    VtpmKey key_;
    Tier tier_;
};
using VerifiedAkCertificate = VerifiedVtpmCertificate;  // of an attestation key

// verify_ak_certificate reads the certificate (DER with zero padding behind it, as NV indices hold
// it, or PEM, with or without intermediates behind the leaf), follows it through those
// intermediates and the known ones to a root in `anchors.ak_roots`, checks every validity at `now`,
// and requires that it certifies `ak` as an attestation key. Codes AK-CERT-*.
//
// As an attestation key's is taken: usage digitalSignature and nothing that encrypts or issues, no
// CA; if extended key usages are stated, an EK's or an AK's among them. All recorded ones are so.
Result<VerifiedAkCertificate> verify_ak_certificate(ByteView certificate,
                                                    const crypto::PublicKey& ak,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks);

// verify_vtpm_certificate does the same for whatever key the certificate is of, and also under
// Google's roots. It must be a certificate of such a `key` (AK-CERT-USAGE); as an endorsement key's
// is taken: usage keyEncipherment (RSA) or keyAgreement (EC) without digitalSignature, no CA; if
// extended key usages are stated, an EK's among them.
Result<VerifiedVtpmCertificate> verify_vtpm_certificate(ByteView certificate, VtpmKey key,
                                                        const TrustAnchors& anchors, Time now,
                                                        Checks& checks);

}  // namespace vouchsafe::evidence
