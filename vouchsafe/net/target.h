// The request target and the authority of a URL, taken apart. For net/, its fuzzers, and who hands
// a request to a handler without a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::net {

// Authority is host[:port] (RFC 3986, 3.2) without user name.
struct Authority {
    std::string host;              // lower case; an IPv6 literal keeps its brackets
    std::optional<uint16_t> port;  // 1..65535
};

// parse_authority accepts host names (letters, digits, '-', '_', '.'), dotted IPv4 addresses, and
// IPv6 literals in brackets. Other spellings of an IPv4 address ("127.1", "0x7f000001") are
// refused, because libraries disagree about them. Code::invalid.
Result<Authority> parse_authority(std::string_view text);

struct Target {
    std::string authority;  // of the absolute form "http://host/path" (RFC 9112, 3.2.2); else ""
    // Decoded segments without empty ones. They are text, never a path: ".", ".." and decoded
    // slashes have no meaning.
    std::vector<std::string> path;
    // Decoded names and values in order, duplicates included; '+' is a space.
    std::vector<std::pair<std::string, std::string>> query;
};

// parse_target takes a request target in origin or absolute form. Code::invalid for the other forms
// (CONNECT's and OPTIONS's), for percent escapes that are not two hex digits, and for characters
// that a URL cannot hold.
Result<Target> parse_target(std::string_view text);

// check_url_characters fails unless `text` (path and query) has only characters that RFC 3986
// allows unescaped, and escapes of two hex digits.
Result<void> check_url_characters(std::string_view text);

}  // namespace vouchsafe::net
