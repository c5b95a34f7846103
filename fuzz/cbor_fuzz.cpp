// CBOR. Oracles: what is accepted is written back byte for byte, and reads the same again; what is
// refused says so as malformed input; tighter limits accept nothing more.
#include <cstdlib>

#include "vouchsafe/base/cbor.h"

using namespace vouchsafe;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

size_t count(const Cbor& value) {
    size_t out = 1;
    for (const Cbor& item : value.items) out += count(item);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    auto value = parse_cbor(bytes);
    auto tight = parse_cbor(bytes, {.max_bytes = 256, .max_depth = 3, .max_items = 16});
    if (!value) {
        require(value.error().code == Code::invalid && !tight);
        return 0;
    }
    Bytes again = encode_cbor(*value);
    require(equal(again, bytes));
    require(parse_cbor(again) == *value);
    size_t items = count(*value);
    require(items <= size && items <= CborLimits{}.max_items);
    require(!tight || (*tight == *value && items <= 16 && size <= 256));
    return 0;
}
