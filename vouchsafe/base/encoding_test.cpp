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
