#include "vouchsafe/base/bytes.h"

#include <algorithm>

namespace vouchsafe {

namespace {
template <typename T>
T load_le(ByteView bytes) {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(T{bytes[i]} << (8 * i));
    return value;
}
template <typename T>
T load_be(ByteView bytes) {
    T value = 0;
    for (uint8_t byte : bytes) value = static_cast<T>((uint64_t{value} << 8) | byte);
    return value;
}
template <typename T>
void store_le(Bytes& out, T value) {
    for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}
template <typename T>
void store_be(Bytes& out, T value) {
    for (size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}
}  // namespace

bool all_zero(ByteView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

Result<ByteView> Reader::take(size_t count, std::string_view field) {
    if (count > left()) {
        return fail(Code::invalid, "{}: {} bytes wanted at {:#x}, {} left ({})", name_, count,
                    offset_, left(), field);
    }
    ByteView out = bytes_.subspan(offset_, count);
    offset_ += count;
    return out;
}

Result<void> Reader::skip(size_t count, std::string_view field) {
    TRY(take(count, field));
    return {};
}

Result<uint8_t> Reader::u8(std::string_view field) {
    return TRY(take(1, field))[0];
}
Result<uint16_t> Reader::u16_le(std::string_view f) {
    return load_le<uint16_t>(TRY(take(2, f)));
}
Result<uint32_t> Reader::u32_le(std::string_view f) {
    return load_le<uint32_t>(TRY(take(4, f)));
}
Result<uint64_t> Reader::u64_le(std::string_view f) {
    return load_le<uint64_t>(TRY(take(8, f)));
}
Result<uint16_t> Reader::u16_be(std::string_view f) {
    return load_be<uint16_t>(TRY(take(2, f)));
}
Result<uint32_t> Reader::u32_be(std::string_view f) {
    return load_be<uint32_t>(TRY(take(4, f)));
}
Result<uint64_t> Reader::u64_be(std::string_view f) {
    return load_be<uint64_t>(TRY(take(8, f)));
}

Result<void> Reader::end() const {
    if (done()) return {};
    return fail(Code::invalid, "{}: {} bytes left over at {:#x}", name_, left(), offset_);
}

Writer& Writer::u8(uint8_t value) {
    out_.push_back(value);
    return *this;
}
Writer& Writer::u16_le(uint16_t value) {
    store_le(out_, value);
    return *this;
}
Writer& Writer::u32_le(uint32_t value) {
    store_le(out_, value);
    return *this;
}
Writer& Writer::u64_le(uint64_t value) {
    store_le(out_, value);
    return *this;
}
Writer& Writer::u16_be(uint16_t value) {
    store_be(out_, value);
    return *this;
}
Writer& Writer::u32_be(uint32_t value) {
    store_be(out_, value);
    return *this;
}
Writer& Writer::u64_be(uint64_t value) {
    store_be(out_, value);
    return *this;
}
Writer& Writer::bytes(ByteView value) {
    append(out_, value);
    return *this;
}
Writer& Writer::zeros(size_t count) {
    out_.resize(out_.size() + count);
    return *this;
}

}  // namespace vouchsafe
