// Certificates of attestation keys that were verified already: a machine that renews its token
// brings the same one, and its AK with it.
#pragma once

#include "vouchsafe/attest/kept.h"
#include "vouchsafe/evidence/tpm/ak_endorser.h"

namespace vouchsafe::attest {

// KeptAk is what one certificate amounted to, for the key it was verified for. Immutable.
struct KeptAk {
    evidence::VerifiedAkCertificate certificate;
    crypto::PublicKey key;
    Time valid_from, valid_to;  // of the whole path
    std::vector<Check> checks;  // that were made then
};

// KeptAks holds certificates that verified, by the digest of their bytes; some 10 kB each.
using KeptAks = Kept<KeptAk, 1024>;

// KeepingAkEndorser is the endorser of one request. Borrows both; `kept` may be nullptr.
class KeepingAkEndorser final : public evidence::AkEndorser {
  public:
    KeepingAkEndorser(const evidence::TrustAnchors& anchors, KeptAks* kept)
        : anchors_(anchors), kept_(kept) {}

    Result<evidence::VerifiedAkCertificate> endorse(ByteView certificate,
                                                    const crypto::PublicKey& ak, Time now,
                                                    Checks& checks) override;

  private:
    const evidence::TrustAnchors& anchors_;
    KeptAks* kept_;
};

}  // namespace vouchsafe::attest
