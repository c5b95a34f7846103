// What the verification of a quote finds out about who vouches for it, whatever the quote is of.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tdx/collateral.h"
#include "vouchsafe/evidence/tdx/pck.h"

namespace vouchsafe::evidence {

struct QuoteVerdict {
    Tier tier;
    PckInfo pck;
    crypto::Certificate signer;  // the PCK certificate
    std::optional<TdTcb> tcb;    // nullopt if the TCB was not checked
    std::vector<std::string> not_checked;
};

}  // namespace vouchsafe::evidence
