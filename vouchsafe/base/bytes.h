// Bytes from outside and the only two ways to take them apart or put them together: Reader, which
// knows its bounds, and Writer. No struct is ever laid over a buffer.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using MutableByteView = std::span<uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}
inline Bytes to_bytes(std::string_view text) {
    return to_bytes(as_bytes(text));
}
inline std::string to_text(ByteView bytes) {
    return std::string(as_text(bytes));
}

// equal compares public bytes. For secrets there is equal_ct in secret.h.
inline bool equal(ByteView a, ByteView b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
bool all_zero(ByteView bytes);
inline void append(Bytes& out, ByteView more) {
    out.insert(out.end(), more.begin(), more.end());
}

// Reader walks over bytes it borrows. Every read says what it was reading, so that an error names
// the field: "AttestationReport: 4 bytes wanted at 0x1a0, 2 left (chip_id)".
class Reader {
  public:
    explicit Reader(ByteView bytes, std::string_view name = "data") : bytes_(bytes), name_(name) {}

    size_t offset() const { return offset_; }
    size_t left() const { return bytes_.size() - offset_; }
    bool done() const { return left() == 0; }

    Result<ByteView> take(size_t count, std::string_view field);
    Result<ByteView> rest(std::string_view field) { return take(left(), field); }
    Result<void> skip(size_t count, std::string_view field);

    Result<uint8_t> u8(std::string_view field);
    Result<uint16_t> u16_le(std::string_view field);
    Result<uint32_t> u32_le(std::string_view field);
    Result<uint64_t> u64_le(std::string_view field);
    Result<uint16_t> u16_be(std::string_view field);
    Result<uint32_t> u32_be(std::string_view field);
    Result<uint64_t> u64_be(std::string_view field);

    template <size_t N>
    Result<std::array<uint8_t, N>> array(std::string_view field) {
        ByteView view = TRY(take(N, field));
        std::array<uint8_t, N> out;
        std::memcpy(out.data(), view.data(), N);
        return out;
    }

    // end fails with Code::invalid unless everything was read.
    Result<void> end() const;

  private:
    ByteView bytes_;
    std::string name_;
    size_t offset_ = 0;
};

// Writer appends to bytes it owns.
class Writer {
  public:
    Writer& u8(uint8_t value);
    Writer& u16_le(uint16_t value);
    Writer& u32_le(uint32_t value);
    Writer& u64_le(uint64_t value);
    Writer& u16_be(uint16_t value);
    Writer& u32_be(uint32_t value);
    Writer& u64_be(uint64_t value);
    Writer& bytes(ByteView value);
    Writer& zeros(size_t count);

    const Bytes& view() const { return out_; }
    Bytes take() { return std::move(out_); }

  private:
    Bytes out_;
};

}  // namespace vouchsafe
