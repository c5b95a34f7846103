// The collateral of a lab: what AMD's KDS is for real machines. One revocation list of the
// simulated ARK with nothing on it; there are no others.
#pragma once

#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/lab/simulated_root.h"

namespace vouchsafe::lab {

// collateral_pack_of is the pack of a data directory, of either kind: DIR/collateral.
attest::CollateralPack collateral_pack_of(const Path& data_directory);

// ensure_lab_collateral writes the list if there is none: valid as long as the ARK itself, because
// nobody would renew it. A list that is there is left alone.
Result<void> ensure_lab_collateral(const Path& data_directory, const SimulatedRoot& root);

}  // namespace vouchsafe::lab
