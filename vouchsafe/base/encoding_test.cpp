#include "vouchsafe/base/encoding.h"

#include <gtest/gtest.h>

namespace vouchsafe {
namespace {

TEST(Base64, MatchesTheVectorsOfRfc4648) {
    const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
    for (auto [plain, encoded] : cases) {
        EXPECT_EQ(encode_base64(as_bytes(plain)), encoded);
        EXPECT_EQ(to_text(*decode_base64(encoded)), plain);
    }
    EXPECT_EQ(encode_base64url(Bytes{0xfb, 0xff, 0xfe}), "-__-");
    EXPECT_EQ(*decode_base64url("-__-"), (Bytes{0xfb, 0xff, 0xfe}));
}

TEST(Base64, StrictDecodersRefuseWhatIsNotTheirs) {
    EXPECT_FALSE(decode_base64url("-__-="));
    EXPECT_FALSE(decode_base64url("+//+"));
    EXPECT_FALSE(decode_base64("-__-"));
    EXPECT_FALSE(decode_base64("Zg"));
    EXPECT_FALSE(decode_base64("Zg= ="));
    EXPECT_FALSE(decode_base64url("A"));
    EXPECT_FALSE(decode_base64url("Zh"));  // stray bits
    EXPECT_FALSE(decode_base64url("Zm9v\n"));
}

TEST(Base64, AnyAcceptsWhatClientsSend) {
    for (const char* text : {"-_8=", "-_8", "+/8=", "+/8"}) {
        EXPECT_EQ(*decode_base64_any(text), (Bytes{0xfb, 0xff})) << text;
    }
    EXPECT_FALSE(decode_base64_any("-_8=="));
    EXPECT_FALSE(decode_base64_any("-_8 "));
}

// slow_decode is RFC 4648, 4 and 5, one bit after the other.
std::optional<Bytes> slow_decode(std::string_view text, std::string_view digits,
                                 std::string_view alternatives = "") {
    Bytes out;
    uint32_t bits = 0;
    int held = 0;
    for (char c : text) {
        size_t value = digits.find(c);
        if (value == digits.npos && alternatives.find(c) != alternatives.npos) {
            value = 62 + alternatives.find(c);
        }
        if (value == digits.npos) return std::nullopt;
        for (int bit = 5; bit >= 0; --bit) {
            bits = bits << 1 | (value >> bit & 1);
            if (++held < 8) continue;
            out.push_back(static_cast<uint8_t>(bits));
            bits = 0;
            held = 0;
        }
    }
    if (held >= 6 || bits != 0) return std::nullopt;
    return out;
}

const std::string kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const std::string kStandardDigits = kLetters + "+/";
const std::string kUrlDigits = kLetters + "-_";

Bytes random_looking(size_t size) {
    Bytes out(size);
    uint32_t state = static_cast<uint32_t>(size) + 1;
    for (uint8_t& byte : out) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<uint8_t>(state >> 24);
    }
    return out;
}

// Long texts are done in blocks: each length, and what is behind the last block.
TEST(Base64, OfAllLengthsIsWhatItIsBitByBit) {
    for (size_t size = 0; size <= 400; ++size) {
        const Bytes bytes = random_looking(size);
        const std::string url = encode_base64url(bytes);
        ASSERT_EQ(slow_decode(url, kUrlDigits), bytes) << size;
        ASSERT_EQ(*decode_base64url(url), bytes) << size;
        ASSERT_EQ(*decode_base64_any(url), bytes) << size;
        const std::string standard = encode_base64(bytes);
        ASSERT_EQ(standard.size(), (size + 2) / 3 * 4);
        ASSERT_EQ(slow_decode(standard.substr(0, url.size()), kStandardDigits), bytes) << size;
        ASSERT_EQ(standard.find_first_not_of('=', url.size()), standard.npos);
        ASSERT_EQ(*decode_base64(standard), bytes) << size;
        ASSERT_EQ(*decode_base64_any(standard), bytes) << size;
    }
}

TEST(Base64, TakesAndRefusesTheSameCharactersAtEachPlace) {
    for (size_t length : {31u, 32u, 43u, 44u, 75u, 76u, 107u, 108u, 140u}) {
        const std::string good = encode_base64url(random_looking(length * 3 / 4));
        for (size_t at = 0; at < good.size(); ++at) {
            for (int c = 0; c < 256; ++c) {
                std::string text = good;
                text[at] = static_cast<char>(c);
                auto url = decode_base64url(text);
                auto expected = slow_decode(text, kUrlDigits);
                ASSERT_EQ(url.has_value(), expected.has_value()) << at << " " << c;
                if (url) {
                    ASSERT_EQ(*url, *expected) << at << " " << c;
                }
                if (text.find('=') != text.npos) continue;  // padding
                auto any = decode_base64_any(text);
                expected = slow_decode(text, kUrlDigits, "+/");
                ASSERT_EQ(any.has_value(), expected.has_value()) << at << " " << c;
                if (any) {
                    ASSERT_EQ(*any, *expected) << at << " " << c;
                }
                if (text.size() % 4 != 0) continue;
                auto standard = decode_base64(text);
                expected = slow_decode(text, kStandardDigits);
                ASSERT_EQ(standard.has_value(), expected.has_value()) << at << " " << c;
                if (standard) {
                    ASSERT_EQ(*standard, *expected) << at << " " << c;
                }
            }
        }
    }
}

// What stands behind the view is neither read as a part of it nor written to.
TEST(Base64, KeepsToItsBounds) {
    const std::string text = encode_base64url(random_looking(300));
    for (size_t size = 0; size <= text.size(); ++size) {
        const std::string alone = text.substr(0, size);
        auto of_part = decode_base64url(std::string_view(text).substr(0, size));
        auto expected = slow_decode(alone, kUrlDigits);
        ASSERT_EQ(of_part.has_value(), expected.has_value()) << size;
        if (of_part) {
            ASSERT_EQ(*of_part, *expected) << size;
        }
    }
}

TEST(Hex, RoundTripsAndRefusesOddAndForeignDigits) {
    EXPECT_EQ(encode_hex(Bytes{0, 0xab, 0xff}), "00abff");
    EXPECT_EQ(*decode_hex("00ABff"), (Bytes{0, 0xab, 0xff}));
    EXPECT_FALSE(decode_hex("abc"));
    EXPECT_FALSE(decode_hex("0g"));
}

TEST(Percent, DecodesAndRefusesIncompleteEscapes) {
    EXPECT_EQ(*decode_percent("api%2Dversion"), "api-version");
    EXPECT_EQ(*decode_percent("a%2f"), "a/");
    EXPECT_FALSE(decode_percent("a%2"));
    EXPECT_FALSE(decode_percent("%"));
    EXPECT_FALSE(decode_percent("%zz"));
    EXPECT_EQ(encode_percent("a b/~"), "a%20b%2F~");
}

TEST(Url, NormalizesSchemeHostAndOneTrailingSlash) {
    EXPECT_EQ(normalize_url("HTTPS://Login.Example.COM:443/Tenant/V2/"),
              "https://login.example.com:443/Tenant/V2");
    EXPECT_EQ(normalize_url("https://a.example"), normalize_url("https://A.example/"));
    EXPECT_NE(normalize_url("https://a.example"), normalize_url("https://a.example//"));
    EXPECT_NE(normalize_url("https://a.example/x"), normalize_url("https://a.example/X"));
    EXPECT_EQ(normalize_url("https://A.example?Q=A"), "https://a.example?Q=A");
    EXPECT_EQ(normalize_url("No/Scheme://X"), "No/Scheme://X");
    EXPECT_EQ(normalize_url("Plain/"), "Plain");
    EXPECT_EQ(normalize_url(""), "");
}

TEST(Utf8, AcceptsWellFormedTextAndRefusesItsNearestNeighbours) {
    for (std::string_view good :
         {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(good)) << encode_hex(as_bytes(good));
    }
    for (std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf",
                                 "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                 "\xf5\x80\x80\x80", "\xff", "ok\xf0\x9f\x98"}) {
        EXPECT_FALSE(is_utf8(bad)) << encode_hex(as_bytes(bad));
    }
}

}  // namespace
}  // namespace vouchsafe
