// The commands of `admin` that have files of their own.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

// add_admin_keys adds rotate-key and signing-keys: they work on any data directory, beside a
// running attestation service.
void add_admin_keys(Command group, Context& context);
// add_admin_backup adds backup and restore.
void add_admin_backup(Command group, Context& context);

}  // namespace vouchsafe::app
