// Base64 by vector instructions (AVX2), for the long middle of a text: encoding.cpp does the rest,
// and everything on processors without them. A request's evidence is decoded twice, so that a table
// takes a noticeable part of an appraisal. All characters take the same time.
#pragma once

#include <array>
#include <optional>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

// Base64Ends are the characters for 62 and 63, in which the alphabets differ: RFC 4648, 4 and 5.
// Either of two counts; where there is one, it stands twice, and the first is written.
struct Base64Ends {
    std::array<char, 2> for_62;
    std::array<char, 2> for_63;
};

// decode_base64_wide decodes whole blocks at the beginning of `text` to `out`, which has room for
// all of it, and returns how many characters these were, a multiple of 4; 0 if there are no such
// instructions. nullopt if a block has a character that is not of the alphabet.
std::optional<size_t> decode_base64_wide(std::string_view text, const Base64Ends& ends,
                                         MutableByteView out);

// encode_base64_wide encodes whole blocks at the beginning of `bytes` to `out`, which has room for
// all of it, and returns how many bytes these were, a multiple of 3.
size_t encode_base64_wide(ByteView bytes, const Base64Ends& ends, std::span<char> out);

}  // namespace vouchsafe
