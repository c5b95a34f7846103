// Backup and restore of one key or secret with all its versions (azure-api A.3). Private to vault/.
//
// A backup is base64url of a blob that only this installation opens, sealed with AES-256-GCM
// (crypto/sealed_blob.h) under a key of its own: 32 random bytes, made with the first backup and
// kept in vault_meta "backup", sealed under the root key. So backups stay good when the root key
// changes. As on Azure a backup restores into any vault of the same tenant and subscription: both
// are bound to it, as are the collection and the kind of data directory.
//
// docs/formats/vault-backup.md has the format of the plaintext.
#pragma once

#include "vouchsafe/vault/object_kind.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxBackupVersions = 500;  // Azure's; A.3
inline constexpr size_t kMaxBackup = 3 << 20;      // bytes of the blob

// backup_object fails with Code::invalid for an object of more versions or bytes than these.
Result<Json> backup_object(Core& core, Call& call);
// restore_object fails with Code::invalid for a blob that is not ours or was changed,
// Code::conflict if the name is taken, and VAULT-NAME-FREE.
Result<Json> restore_object(Core& core, Call& call);

}  // namespace vouchsafe::vault
