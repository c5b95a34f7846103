// Backups: all records of a store in one file, the same whichever engine the store has, so that a
// backup also moves a store from one engine to the other. docs/formats/backup.md describes it.
//
// A backup has what the store has: keys are sealed under the service's root key, which is not in
// it. Whoever has the file learns names, policies and the audit log. Its checksum finds damage, not
// an attacker; the audit tree in it can be held against heads that were kept elsewhere.
#pragma once

#include <functional>

#include "vouchsafe/audit/merkle.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::audit {

struct Backup {
    std::string service;  // whose store it is
    Time made;
    uint64_t records = 0;
    TreeHead log;  // the audit log's; empty if the service has none
};

// Sink takes the next bytes of a backup; Source fills its argument with the next bytes and returns
// how many there were, fewer only at the end.
using Sink = std::function<Result<void>(ByteView)>;
using Source = std::function<Result<size_t>(MutableByteView)>;

// back_up writes all records as they are at one moment, while others read and write, and verifies
// the audit log. AUDIT-TREE if that is damaged. The service's name has at most 64 bytes.
Result<Backup> back_up(store::Store& store, std::string_view service, Time now, const Sink& sink,
                       Checks& checks);

// restore reads a backup into an empty store: all of it, or nothing if it fails. Code::conflict if
// the store has a record or the backup is of another service; Code::invalid if it is damaged;
// AUDIT-TREE or AUDIT-HEAD if its audit log does not verify.
Result<Backup> restore(store::Store& store, std::string_view service, const Source& source,
                       Checks& checks);

}  // namespace vouchsafe::audit
