// Where an attestation service keeps its signing keys, and how their changes are recorded: the same
// for a running service and for its operator's commands.
#pragma once

#include "vouchsafe/attest/config.h"
#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/jose/signing_keys.h"

namespace vouchsafe::attest {

// open_signing_keys opens the keys of config.issuer, or makes the first one. Borrows what it is
// given. What is done by command is recorded as done by "operator", the rest by "service"; actions:
// "signing-keys/rotate", "signing-keys/withdraw" for compromised ones, "signing-keys/drop" for
// those that ended. Errors as jose::SigningKeys::open.
Result<std::unique_ptr<jose::SigningKeys>> open_signing_keys(const Config& config,
                                                             store::Store& store, audit::Log& audit,
                                                             const Clock& clock);

// open_checkpoints returns who signs the log of a store's providers, which is one for all of them,
// with a key under the root key in `directory`, that of the service. Borrows store and clock.
Result<std::unique_ptr<audit::CheckpointWriter>> open_checkpoints(const Path& directory,
                                                                  store::Store& store,
                                                                  const Clock& clock);

// erase_signing_keys erases the keys of an issuer, and returns how many records that were.
Result<size_t> erase_signing_keys(store::Transaction& tx, const std::string& issuer);

// issuers_with_keys returns the issuers that have signing keys in a store.
Result<std::vector<std::string>> issuers_with_keys(store::Store& store);

}  // namespace vouchsafe::attest
