// A service's signing key in its store: made at the first start, found at every other.
#pragma once

#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::jose {

// KeyRecord says where a service keeps its signing key and what a new one is like.
struct KeyRecord {
    std::string_view table;
    std::string id;           // key of the record
    Path root_file;           // root key that seals the private half: open_root_key
    std::string context;      // binds the record to its place (sealed_blob.h)
    std::string common_name;  // of the certificate
    Seconds lifetime;         // of the certificate
};

// open_root_key reads the root key under which the records of `table` are sealed, or makes the
// first one. Code::not_found if the file is missing and there are records: a fresh key would open
// none of them, and stand where the true one is to be restored. Else errors of
// RootKey::load_or_create and of the store.
Result<crypto::RootKey> open_root_key(store::Store& store, std::string_view table,
                                      const Path& root_file);

// load_or_create returns the stored key, or makes and stores the first one. Of two processes that
// start at once the second finds the first one's key inside its transaction. Errors: those of the
// store, of open_root_key, and of SigningKey::from_record.
Result<SigningKey> load_or_create(store::Store& store, const KeyRecord& place, Time now);

}  // namespace vouchsafe::jose
