#include "vouchsafe/base/encoding.h"

#include <algorithm>
#include <array>

#include "vouchsafe/base/base64_wide.h"

namespace vouchsafe {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";
using Table = std::array<int8_t, 256>;

// Alphabet is one of RFC 4648, 4 and 5. Of the characters for 62 and 63 either counts, and the
// first of each is written.
struct Alphabet {
    Base64Ends ends;
    std::array<char, 64> digits;
    Table values;  // -1: none
};

constexpr Alphabet make_alphabet(const Base64Ends& ends) {
    Alphabet out{ends, {}, {}};
    constexpr std::string_view kCommon =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::copy(kCommon.begin(), kCommon.end(), out.digits.begin());
    out.digits[62] = ends.for_62[0];
    out.digits[63] = ends.for_63[0];
    out.values.fill(-1);
    for (size_t i = 0; i < out.digits.size(); ++i) {
        out.values[static_cast<uint8_t>(out.digits[i])] = static_cast<int8_t>(i);
    }
    out.values[static_cast<uint8_t>(ends.for_62[1])] = 62;
    out.values[static_cast<uint8_t>(ends.for_63[1])] = 63;
    return out;
}
constexpr Alphabet kStandard = make_alphabet({{'+', '+'}, {'/', '/'}});
constexpr Alphabet kUrl = make_alphabet({{'-', '-'}, {'_', '_'}});
constexpr Alphabet kAny = make_alphabet({{'+', '-'}, {'/', '_'}});

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string encode(ByteView bytes, const Alphabet& alphabet, bool pad) {
    auto digit = [&](uint32_t word, int shift) { return alphabet.digits[(word >> shift) & 63]; };
    const size_t rest = bytes.size() % 3;
    const size_t digits_of_rest = rest == 0 ? 0 : pad ? 4 : rest + 1;
    std::string out(bytes.size() / 3 * 4 + digits_of_rest, '=');
    size_t i = encode_base64_wide(bytes, alphabet.ends, out);
    char* to = out.data() + i / 3 * 4;
    for (; i + 3 <= bytes.size(); i += 3, to += 4) {
        uint32_t word = uint32_t{bytes[i]} << 16 | uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
        to[0] = digit(word, 18);
        to[1] = digit(word, 12);
        to[2] = digit(word, 6);
        to[3] = digit(word, 0);
    }
    if (rest == 0) return out;
    uint32_t word = uint32_t{bytes[i]} << 16;
    if (rest == 2) word |= uint32_t{bytes[i + 1]} << 8;
    to[0] = digit(word, 18);
    to[1] = digit(word, 12);
    if (rest == 2) to[2] = digit(word, 6);
    return out;
}

tl::unexpected<Error> outside_alphabet() {
    return fail(Code::invalid, "base64 has a character outside its alphabet");
}

Result<Bytes> decode(std::string_view text, const Alphabet& alphabet) {
    if (text.size() % 4 == 1) return fail(Code::invalid, "base64 has an impossible length");
    auto value = [&](size_t i) { return int{alphabet.values[static_cast<uint8_t>(text[i])]}; };
    Bytes out(text.size() * 3 / 4);
    const std::optional<size_t> wide = decode_base64_wide(text, alphabet.ends, out);
    if (!wide) return outside_alphabet();
    size_t i = *wide;
    uint8_t* to = out.data() + i / 4 * 3;
    for (; i + 4 <= text.size(); i += 4, to += 3) {
        int a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
        if ((a | b | c | d) < 0) return outside_alphabet();
        auto word = static_cast<uint32_t>(a << 18 | b << 12 | c << 6 | d);
        to[0] = static_cast<uint8_t>(word >> 16);
        to[1] = static_cast<uint8_t>(word >> 8);
        to[2] = static_cast<uint8_t>(word);
    }
    if (i == text.size()) return out;
    bool three = text.size() - i == 3;
    int a = value(i), b = value(i + 1), c = three ? value(i + 2) : 0;
    if ((a | b | c) < 0) return outside_alphabet();
    auto word = static_cast<uint32_t>(a << 10 | b << 4 | c >> 2);
    bool stray = three ? (c & 3) != 0 : (b & 15) != 0;
    if (stray) return fail(Code::invalid, "base64 has stray bits after its end");
    to[0] = static_cast<uint8_t>(word >> 8);
    if (three) to[1] = static_cast<uint8_t>(word);
    return out;
}

std::string_view strip_padding(std::string_view text) {
    if (text.ends_with("==")) return text.substr(0, text.size() - 2);
    if (text.ends_with("=")) return text.substr(0, text.size() - 1);
    return text;
}

}  // namespace

std::string encode_hex(ByteView bytes) {
    std::string out(bytes.size() * 2, '0');
    char* to = out.data();
    for (uint8_t byte : bytes) {
        *to++ = kHex[byte >> 4];
        *to++ = kHex[byte & 15];
    }
    return out;
}

Result<Bytes> decode_hex(std::string_view text) {
    if (text.size() % 2 != 0) return fail(Code::invalid, "hex has an odd number of digits");
    Bytes out;
    out.reserve(text.size() / 2);
    for (size_t i = 0; i < text.size(); i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return fail(Code::invalid, "hex has a character that is no digit");
        out.push_back(static_cast<uint8_t>(high * 16 + low));
    }
    return out;
}

std::string encode_base64(ByteView bytes) {
    return encode(bytes, kStandard, true);
}
std::string encode_base64url(ByteView bytes) {
    return encode(bytes, kUrl, false);
}

Result<Bytes> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return fail(Code::invalid, "base64 is not padded to a multiple of 4");
    return decode(strip_padding(text), kStandard);
}

Result<Bytes> decode_base64url(std::string_view text) {
    return decode(text, kUrl);
}

Result<Bytes> decode_base64_any(std::string_view text) {
    std::string_view bare = strip_padding(text);
    if (bare.size() != text.size() && text.size() % 4 != 0) {
        return fail(Code::invalid, "base64 has wrong padding");
    }
    return decode(bare, kAny);
}

std::string encode_percent(std::string_view text) {
    constexpr std::string_view kUnreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (char c : text) {
        if (kUnreserved.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        auto byte = static_cast<uint8_t>(c);
        out += '%';
        out += "0123456789ABCDEF"[byte >> 4];
        out += "0123456789ABCDEF"[byte & 15];
    }
    return out;
}

Result<std::string> decode_percent(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) return fail(Code::invalid, "a percent escape is incomplete");
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

bool equal_ignore_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char one, char other) { return lower(one) == lower(other); });
}

std::string normalize_url(std::string_view url) {
    constexpr std::string_view kSchemeCharacters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.";
    if (url.ends_with('/')) url.remove_suffix(1);
    size_t scheme_end = url.find_first_not_of(kSchemeCharacters);
    if (scheme_end == std::string_view::npos || !url.substr(scheme_end).starts_with("://")) {
        return std::string(url);
    }
    size_t host_end = std::min(url.find_first_of("/?#", scheme_end + 3), url.size());
    return to_lower(url.substr(0, host_end)) + std::string(url.substr(host_end));
}

bool is_utf8(std::string_view text) {
    ByteView bytes = as_bytes(text);
    for (size_t i = 0; i < bytes.size();) {
        uint8_t lead = bytes[i++];
        if (lead < 0x80) continue;
        size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        if (lead < 0xC2 || lead > 0xF4 || bytes.size() - i < more) return false;
        uint32_t point = lead & (0x3F >> more);
        for (size_t k = 0; k < more; ++k) {
            uint8_t next = bytes[i++];
            if ((next & 0xC0) != 0x80) return false;
            point = (point << 6) | (next & 0x3F);
        }
        static constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (point < kSmallest[more] || surrogate || point > 0x10FFFF) return false;
    }
    return true;
}

bool is_guid(std::string_view text) {
    if (text.size() != 36) return false;
    for (size_t i = 0; i < text.size(); ++i) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
            return false;
        }
    }
    return true;
}

}  // namespace vouchsafe
