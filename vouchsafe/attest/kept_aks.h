// Certificates of attestation keys that were verified already, and the runtime data that hold these
// keys: a machine that renews its token brings the same ones, and its AK with them.
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

// KeptRuntime is what runtime data say. Immutable; nothing of it ends with time.
struct KeptRuntime {
    evidence::RuntimeClaims claims;
    std::vector<Check> checks;  // that were made when they were read
};

// KeptRuntimes holds runtime data that a genuine report vouched for and that could be read, by the
// digest of their bytes. Genuine ones have some 2 kB, and what is longer is not kept: JSON can take
// 20 times its size in memory.
inline constexpr size_t kMaxKeptRuntime = 4 << 10;
using KeptRuntimes = Kept<KeptRuntime, 1024>;

// KeepingAkEndorser is the endorser of one request. Borrows all; what keeps may be nullptr.
class KeepingAkEndorser final : public evidence::AkEndorser {
  public:
    KeepingAkEndorser(const evidence::TrustAnchors& anchors, KeptAks* kept,
                      KeptRuntimes* runtimes = nullptr)
        : anchors_(anchors), kept_(kept), runtimes_(runtimes) {}

    Result<evidence::VerifiedAkCertificate> endorse(ByteView certificate,
                                                    const crypto::PublicKey& ak, Time now,
                                                    Checks& checks) override;
    Result<evidence::RuntimeClaims> read_runtime(ByteView json, Checks& checks) override;

  private:
    const evidence::TrustAnchors& anchors_;
    KeptAks* kept_;
    KeptRuntimes* runtimes_;
};

}  // namespace vouchsafe::attest
