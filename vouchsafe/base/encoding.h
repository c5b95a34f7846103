// Text encodings of bytes. Decoders are strict unless their name says otherwise: no white space, no
// stray bits, nothing after the end.
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

std::string encode_hex(ByteView bytes);  // lower case
Result<Bytes> decode_hex(std::string_view text);

std::string encode_base64(ByteView bytes);     // standard alphabet, padded
std::string encode_base64url(ByteView bytes);  // URL alphabet, unpadded

// Unused low bits of the last character must be zero in all three (RFC 4648, 3.5).
Result<Bytes> decode_base64(std::string_view text);     // standard alphabet, padded
Result<Bytes> decode_base64url(std::string_view text);  // URL alphabet, unpadded (RFC 7515, 2)
// decode_base64_any accepts both alphabets, padded or not: what Azure's clients send (azure-api
// 0.5).
Result<Bytes> decode_base64_any(std::string_view text);

std::string encode_percent(std::string_view text);  // RFC 3986 unreserved characters stay
Result<std::string> decode_percent(std::string_view text);

std::string to_lower(std::string_view text);  // ASCII only
bool equal_ignore_case(std::string_view a, std::string_view b);

// is_utf8 tells whether the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

// is_guid: 8-4-4-4-12 hex digits, in either case.
bool is_guid(std::string_view text);

// normalize_url strips one trailing slash and lower-cases scheme and host, the form in which
// issuers and authorities are compared (azure-api A.8). Text that is no URL only loses its slash.
std::string normalize_url(std::string_view url);

}  // namespace vouchsafe
