#include "vouchsafe/audit/entry_form.h"

#include "vouchsafe/audit/entry_dictionary.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/compression.h"

namespace vouchsafe::audit {

namespace {

constexpr uint8_t kCompressed1 =
    1;  // a frame follows that kEntryDictionary1 opens; JSON begins '{'

const CompressionDictionary& dictionary1() {
    static const CompressionDictionary made(kEntryDictionary1);
    return made;
}

}  // namespace

Bytes stored_entry(ByteView entry) {
    Bytes out = dictionary1().compress(entry);
    if (out.size() + 1 >= entry.size()) return to_bytes(entry);
    out.insert(out.begin(), kCompressed1);
    return out;
}

Bytes entry_of(Bytes stored) {
    if (stored.empty() || stored.front() != kCompressed1) return stored;
    auto entry = dictionary1().decompress(ByteView(stored).subspan(1), kMaxEntrySize);
    return entry ? std::move(*entry) : stored;
}

}  // namespace vouchsafe::audit
