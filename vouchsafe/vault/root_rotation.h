// Replacing a vault's root key while vaults run on the same store: a fresh key is put before the
// old one, every data key is wrapped anew, and the old key is dropped. What is encrypted under the
// data keys stays as it is.
#pragma once

#include <functional>
#include <memory>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/store/store.h"
#include "vouchsafe/vault/config.h"

namespace vouchsafe::vault {

struct RootRotation {
    const Config& config;  // directory and allow_simulated, as the vault's
    store::Store& store;
    crypto::RootKeeper& now;                   // keeps the key that there is
    std::shared_ptr<crypto::RootKeeper> next;  // will keep the new one
    const Clock& clock;
    std::function<void(size_t done)> progress = nullptr;  // how many were looked at
};

struct Rewrapped {
    uint64_t generation = 0;  // of the new root key
    size_t count = 0;         // how many data keys were wrapped anew
};

// rewrap_root may be called again after it failed or was killed, with the same `next`: then it goes
// on with the key that was begun. Its beginning and its end are in the audit log. Code::conflict
// if another one is at work, if the file is another keeper's, or if the store is under another root
// key than the file's; Code::not_found if there is no
// vault; Code::io or Code::bad_evidence if something does not open: then both keys stay.
Result<Rewrapped> rewrap_root(const RootRotation& rotation);

}  // namespace vouchsafe::vault
