// Where verified endorsements come from: made from the chain that came with a report, or kept from
// an earlier report of the same machine by whoever implements this. A report itself may have been
// verified before too: a machine shows the same one until it starts again.
#pragma once

#include <memory>

#include "vouchsafe/evidence/snp/verify.h"

namespace vouchsafe::evidence {

class SnpEndorser {
  public:
    virtual ~SnpEndorser() = default;

    // endorse returns the verified endorsements that `chain` (PEM or DER, hostile) amounts to at
    // `now`. `checks` holds the checks that were made, now or before, or the one that failed.
    virtual Result<std::shared_ptr<const VerifiedSnpEndorsements>> endorse(ByteView chain, Time now,
                                                                           Checks& checks) = 0;

    // holds tells whether `signature` (r and s, 48 bytes each) over `data` was made with the key
    // that is endorsed. Who remembers that it held, of exactly this key, data and signature, need
    // not verify it again.
    virtual bool holds(const VerifiedSnpEndorsements& endorsements, ByteView data,
                       ByteView signature);
};

// FreshSnpEndorser verifies each chain anew. Borrows both.
class FreshSnpEndorser final : public SnpEndorser {
  public:
    FreshSnpEndorser(const TrustAnchors& anchors, const std::vector<crypto::Crl>& crls)
        : anchors_(anchors), crls_(crls) {}
    Result<std::shared_ptr<const VerifiedSnpEndorsements>> endorse(ByteView chain, Time now,
                                                                   Checks& checks) override;

  private:
    const TrustAnchors& anchors_;
    const std::vector<crypto::Crl>& crls_;
};

// verify_snp verifies a report under the endorsements that `endorser` gives for `chain`. Order and
// codes as verify_snp of verify.h.
Result<VerifiedSnpReport> verify_snp(ByteView report, ByteView chain, SnpEndorser& endorser,
                                     const SnpRules& rules, Time now, Checks& checks);

}  // namespace vouchsafe::evidence
