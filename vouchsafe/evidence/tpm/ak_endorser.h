// Where an attestation key's verified certificate comes from, and the claims in which hardware
// vouches for the key: verified and read from what came with the evidence, or kept from earlier
// evidence of the same machine by whoever implements this.
#pragma once

#include "vouchsafe/evidence/azure/hcl.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"

namespace vouchsafe::evidence {

class AkEndorser {
  public:
    virtual ~AkEndorser() = default;

    // endorse returns what `certificate` (hostile; forms as verify_ak_certificate) amounts to as
    // the certificate of `ak` at `now`. `checks` holds the checks that were made, now or before, or
    // the one that failed.
    virtual Result<VerifiedAkCertificate> endorse(ByteView certificate, const crypto::PublicKey& ak,
                                                  Time now, Checks& checks) = 0;

    // read_runtime is RuntimeClaims::parse, for runtime data that verified hardware vouched for.
    virtual Result<RuntimeClaims> read_runtime(ByteView json, Checks& checks) {
        return RuntimeClaims::parse(json, checks);
    }
};

// FreshAkEndorser verifies each certificate anew. Borrows the anchors.
class FreshAkEndorser final : public AkEndorser {
  public:
    explicit FreshAkEndorser(const TrustAnchors& anchors) : anchors_(anchors) {}
    Result<VerifiedAkCertificate> endorse(ByteView certificate, const crypto::PublicKey& ak,
                                          Time now, Checks& checks) override {
        return verify_ak_certificate(certificate, ak, anchors_, now, checks);
    }

  private:
    const TrustAnchors& anchors_;
};

}  // namespace vouchsafe::evidence
