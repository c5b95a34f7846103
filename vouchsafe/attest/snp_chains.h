// Certificate chains of AMD processors that were verified already: the next report of the same
// processor brings the same chain, and reading and verifying it again is a third of what a request
// costs. What is kept is bound to the chain's bytes and to the revocation lists that it was held
// against; a newer list, or a date that has passed, has it verified again. So are the signatures of
// reports: a machine brings the same report with each request until it starts again.
#pragma once

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/attest/kept.h"
#include "vouchsafe/evidence/snp/endorser.h"

namespace vouchsafe::attest {

// KeptSnpChain is what one chain amounted to. Immutable.
struct KeptSnpChain {
    std::shared_ptr<const evidence::VerifiedSnpEndorsements> endorsements;
    std::vector<PiecePtr> lists;  // that it was held against
    std::vector<Check> checks;    // that were made then
};

// HeldSignature stands for a signature that held: of which key, over what, is in its digest.
struct HeldSignature {};

// KeptSnpChains holds chains that verified, by the digest of their bytes; some 15 kB each. Their
// issuers' certificates are those of all processors of a line: the first chain of a new processor
// has them read already, and their signatures and those of revocation lists verified. And
// signatures of reports that held, by the digest of the certificate, the data and the signature.
struct KeptSnpChains {
    Kept<KeptSnpChain, 1024> chains;
    evidence::ReadCertificates issuers;
    evidence::KnownLinks links;
    Kept<HeldSignature, 1024> signatures;
};

// KeepingEndorser is the endorser of one request. Borrows all; each may be nullptr but `anchors`.
class KeepingEndorser final : public evidence::SnpEndorser {
  public:
    KeepingEndorser(const evidence::TrustAnchors& anchors, CollateralStore* collateral,
                    KeptSnpChains* kept)
        : anchors_(anchors), collateral_(collateral), kept_(kept) {}

    Result<std::shared_ptr<const evidence::VerifiedSnpEndorsements>> endorse(
        ByteView chain, Time now, Checks& checks) override;
    bool holds(const evidence::VerifiedSnpEndorsements& endorsements, ByteView data,
               ByteView signature) override;

    // missing_lists names the revocation lists that the chain needs and nobody has; "" if none.
    const std::string& missing_lists() const { return missing_lists_; }
    // lists are those that the chain was held against.
    const std::vector<PiecePtr>& lists() const { return lists_; }

  private:
    HeldSnp lists_for(const evidence::SnpCertificate& leaf);

    const evidence::TrustAnchors& anchors_;
    CollateralStore* collateral_;
    KeptSnpChains* kept_;
    std::string missing_lists_;
    std::vector<PiecePtr> lists_;
};

}  // namespace vouchsafe::attest
