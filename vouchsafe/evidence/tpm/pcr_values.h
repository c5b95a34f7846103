// PCR values as tools leave them in files.
#pragma once

#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

// parse_pcr_values reads one of these forms, each bank in the order it comes:
// - the output of tpm2_pcrread: "  sha256:", then lines "    7 : 0x3D45..." (or "7: 0x...");
// - lines "sha256 7 3d45...";
// - bytes: 24 registers one behind the other, of SHA-1 (480 bytes), SHA-256 (768) or SHA-384
// (1152). Empty lines and lines that begin with '#' are passed over. Code::invalid if it is none of
// them, at a register above 23 or one given twice, and at a value that has not the size of its
// bank.
Result<std::vector<PcrBank>> parse_pcr_values(ByteView bytes);

}  // namespace vouchsafe::evidence
