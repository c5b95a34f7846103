// The keys under which the state of machines' TPMs is encrypted, as the cloud does it with a
// confidential machine's guest state. Without a disk encryption set the lab keeps the key:
//
//     DIR/vms/ID/state.key       the key (platform-managed)
//     DIR/vms/ID/state.key.json  the key, wrapped by a key of a vault (customer-managed)
//
// With one, the machine's state opens only while the set's identity may use the set's key: each
// start unwraps it in the vault, by a request like any other, with a token of the set's identity.
// The vault judges and records it.
#pragma once

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/lab/vm_spec.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::lab {

struct VmKeysWorld {
    identity::Service& identity;
    net::Handler vault;  // of all vaults
    FindResource find;   // disk encryption sets
};

// open_state_key returns the key of the machine in `folder`, made at the first time. A set that has
// another active key by now has the state key wrapped by that one. Refused as by Azure with
// KeyVaultAccessForbidden if the set's identity may not use the key, or the key is disabled; with
// KeyVaultKeyNotFound if the key or its vault is gone. Thread-safe for different machines.
cloud::Outcome<SecretBytes> open_state_key(const VmKeysWorld& world, const Path& folder,
                                           const VmSpec& machine);

}  // namespace vouchsafe::lab
