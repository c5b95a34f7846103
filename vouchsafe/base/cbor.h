// The one door to the CBOR library (libcbor). Include this everywhere else.
//
// CBOR (RFC 8949) as signed statements use it. Untrusted bytes come in only through parse_cbor. It
// accepts one encoding of each value: definite lengths, shortest heads (RFC 8949, 4.2.1, but for
// the order of a map's keys), text in UTF-8; so what was parsed can be written back byte for byte.
// Nothing is allocated by a length that was not compared with what is left of the input.
// No floating-point numbers, and no simple values but false, true, null and undefined: they are
// refused.
#pragma once

#include <optional>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

// Cbor is one value with all that is in it.
struct Cbor {
    enum class Kind {
        unsigned_integer,
        negative_integer,
        bytes,
        text,
        array,
        map,
        tag,
        boolean,
        null,
        undefined,
    };

    Kind kind = Kind::undefined;
    // unsigned_integer: the value; negative_integer: -1 - value; tag: its number; boolean: 0 or 1.
    uint64_t number = 0;
    Bytes string;             // bytes and text
    std::vector<Cbor> items;  // array: its elements; map: key, value, key, value...; tag: one

    static Cbor of(int64_t value);
    static Cbor of_bytes(ByteView value);
    static Cbor of_text(std::string_view value);
    static Cbor of_array(std::vector<Cbor> items);
    static Cbor of_map(std::vector<Cbor> keys_and_values);
    static Cbor of_tag(uint64_t number, Cbor content);

    bool operator==(const Cbor&) const = default;

    bool is(Kind other) const { return kind == other; }
    // to_integer is nullopt for another kind and outside of 64 bits with sign.
    std::optional<int64_t> to_integer() const;
    // to_text is nullopt for another kind. Borrowed.
    std::optional<std::string_view> to_text() const;
    // find returns the value of a map's key, nullptr if there is none or this is no map. Borrowed.
    const Cbor* find(int64_t key) const;
    const Cbor* find(std::string_view key) const;
};

struct CborLimits {
    size_t max_bytes = 1 << 20;
    size_t max_depth = 16;    // an array of integers has depth 2
    size_t max_items = 4096;  // all values together, keys among them
};

// parse_cbor reads exactly one value. Code::invalid, with a sentence that says where: bytes that
// are cut off or left over, indefinite lengths, lengths not in shortest form, keys that appear
// twice in a map (RFC 8949, 5.6), kinds not listed above, anything beyond the limits.
Result<Cbor> parse_cbor(ByteView bytes, const CborLimits& limits = {});

// encode_cbor is the opposite. Keys keep the order they have.
Bytes encode_cbor(const Cbor& value);

}  // namespace vouchsafe
