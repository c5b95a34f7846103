// A root key that an HSM keeps: the file holds it encrypted, under an AES-256 key that never leaves
// the token.
#pragma once

#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/vault/hsm/hsm.h"

namespace vouchsafe::vault {

// keep_in_hsm logs in each time anew, and stays logged in no longer than that, unless the process
// uses the token otherwise. The key in the token is the one with this label; keep makes one if
// there is none. What is kept:
//
//   {"label": "vouchsafe root", "key": CKA_ID in hex, "iv": 12 bytes, "sealed": ciphertext || tag}
//
// in base64; AES-256-GCM with "vouchsafe root key in an HSM 1" as additional data, the tag checked
// by the token. Code::invalid for an empty label.
//
// The key that keep uses was made in the token and never left it, by what the token says of it:
// else who could put one there once, with the label, would know what keeps the next root key. A
// PIN that was refused is wiped and not shown again by this keeper: tokens count.
Result<std::unique_ptr<crypto::RootKeeper>> keep_in_hsm(HsmSettings settings, SharedPin pin,
                                                        std::string label);

}  // namespace vouchsafe::vault
