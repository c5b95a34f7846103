// Stored audit entries. Oracle: an entry that is stored and opened is as it was; what is opened is
// no longer than an entry may be, or is the value itself.
#include <cstdlib>

#include "vouchsafe/audit/entry_form.h"
#include "vouchsafe/audit/log.h"

using namespace vouchsafe;
using namespace vouchsafe::audit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const Bytes stored(data, data + size);
    const Bytes opened = entry_of(stored);
    if (opened.size() > kMaxEntrySize && opened != stored) std::abort();
    const bool entry_like = size > 0 && size <= kMaxEntrySize && data[0] == '{';
    if (entry_like && entry_of(stored_entry(stored)) != stored) std::abort();
    return 0;
}
