// How an entry's bytes are stored: compressed, since entries are mostly the same words, and what a
// store writes is what an append costs. docs/formats/audit-log.md, "Compressed entries". Private to
// audit/.
#pragma once

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::audit {

// stored_entry is the value to store for an entry's bytes: compressed if that is shorter.
Bytes stored_entry(ByteView entry);

// entry_of gives back the bytes. A value of no known form, or one that is damaged, stays what it
// is: that hashes to another leaf than the tree has, by which it is found. At most kMaxEntrySize
// bytes come of a compressed one.
Bytes entry_of(Bytes stored);

}  // namespace vouchsafe::audit
