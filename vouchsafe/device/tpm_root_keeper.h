// A root key that this machine's TPM keeps: the file holds it sealed, and the TPM gives it back
// while the named PCRs are as when it was sealed.
#pragma once

#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/device/tpm.h"

namespace vouchsafe::device {

// keep_in_tpm uses the TPM at `tcti` (Tpm::open) each time anew. With PCRs the key is lost once
// they change for good, by an update of firmware, say: keep a way back (another keeper, before).
// Without any it keeps under those of the key that it recovered last, if it did: a key that
// replaces another one is not sealed any looser by itself.
std::unique_ptr<crypto::RootKeeper> keep_in_tpm(std::string tcti, std::vector<uint32_t> pcrs);

}  // namespace vouchsafe::device
