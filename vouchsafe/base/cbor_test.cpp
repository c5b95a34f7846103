#include "vouchsafe/base/cbor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe {
namespace {

using ::testing::HasSubstr;

Result<Cbor> parse(std::string_view hex, const CborLimits& limits = {}) {
    return parse_cbor(*decode_hex(hex), limits);
}

std::string refusal(std::string_view hex, const CborLimits& limits = {}) {
    auto value = parse(hex, limits);
    if (value) return "accepted";
    EXPECT_EQ(value.error().code, Code::invalid);
    return value.error().message;
}

// RFC 8949, appendix A, without floating point and indefinite lengths.
TEST(Cbor, ReadsTheExamplesOfTheStandardAndWritesThemBack) {
    for (const char* hex : {"00",
                            "01",
                            "0a",
                            "17",
                            "1818",
                            "1819",
                            "1864",
                            "1903e8",
                            "1a000f4240",
                            "1b000000e8d4a51000",
                            "1bffffffffffffffff",
                            "3bffffffffffffffff",
                            "20",
                            "29",
                            "3863",
                            "3903e7",
                            "f4",
                            "f5",
                            "f6",
                            "f7",
                            "c11a514b67b0",
                            "c600",
                            "d200",
                            "d400",
                            "d819f6",
                            "dbffffffffffffffff00",
                            "d74401020304",
                            "d818456449455446",
                            "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
                            "40",
                            "4401020304",
                            "60",
                            "6161",
                            "6449455446",
                            "62225c",
                            "62c3bc",
                            "63e6b0b4",
                            "64f0908591",
                            "80",
                            "83010203",
                            "8301820203820405",
                            "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
                            "a0",
                            "a201020304",
                            "a26161016162820203",
                            "826161a161626163",
                            "a56161614161626142616361436164614461656145"}) {
        auto value = parse(hex);
        ASSERT_TRUE(value) << hex << value.error().message;
        EXPECT_EQ(encode_hex(encode_cbor(*value)), hex);
    }
}

TEST(Cbor, GivesNumbersTextsAndMembers) {
    EXPECT_EQ(parse("3903e7")->to_integer(), -1000);
    EXPECT_EQ(parse("1b7fffffffffffffff")->to_integer(), INT64_MAX);
    EXPECT_EQ(parse("3b7fffffffffffffff")->to_integer(), INT64_MIN);
    EXPECT_EQ(parse("1b8000000000000000")->to_integer(), std::nullopt);
    EXPECT_EQ(parse("3b8000000000000000")->to_integer(), std::nullopt);
    EXPECT_EQ(parse("40")->to_integer(), std::nullopt);
    EXPECT_EQ(parse("6449455446")->to_text(), "IETF");
    EXPECT_EQ(parse("4449455446")->to_text(), std::nullopt);
}

TEST(Cbor, FindsKeysByKindAndValue) {
    Cbor map = *parse("a3010261310320f5");
    ASSERT_NE(map.find(1), nullptr);
    EXPECT_EQ(map.find(1)->to_integer(), 2);
    EXPECT_EQ(map.find("1")->to_integer(), 3);
    EXPECT_EQ(map.find(-1)->kind, Cbor::Kind::boolean);
    EXPECT_EQ(map.find(2), nullptr);
    EXPECT_EQ(map.find("2"), nullptr);
    EXPECT_EQ(parse("820102")->find(1), nullptr);
}

TEST(Cbor, WritesWhatIsMadeHere) {
    Cbor made = Cbor::of_tag(
        18, Cbor::of_array({Cbor::of(-38), Cbor::of_bytes(Bytes(24, 7)), Cbor::of_text("a"),
                            Cbor::of_map({Cbor::of(1), Cbor::of(1000)})}));
    EXPECT_EQ(encode_hex(encode_cbor(made)),
              "d284382558180707070707070707070707070707070707070707070707076161a1011903e8");
    auto again = parse_cbor(encode_cbor(made));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, made);
}

TEST(Cbor, RefusesWhatIsCutOffOrLeftOver) {
    for (const char* hex : {"", "18", "19ff", "1b00000000000000", "41", "6261", "82", "8201", "a1",
                            "a101", "c1", "d8", "d9ff", "5affffffff00", "5bffffffffffffffff00"}) {
        EXPECT_NE(refusal(hex), "accepted") << hex;
    }
    EXPECT_THAT(refusal("0000"), HasSubstr("followed by 1 bytes"));
    EXPECT_THAT(refusal("82014102"), HasSubstr("accepted"));
    EXPECT_THAT(refusal("82014202"), HasSubstr("cut off"));
}

TEST(Cbor, RefusesCountsThatTheInputCannotHold) {
    for (const char* hex : {"9affffffff00", "9bffffffffffffffff", "baffffffff00",
                            "bb7fffffffffffffff00", "bbffffffffffffffff0000", "8301", "a20102"}) {
        EXPECT_THAT(refusal(hex), HasSubstr("entries where")) << hex;
    }
}

TEST(Cbor, RefusesEverySecondForm) {
    for (const char* hex : {"1817", "190018", "1a0000ffff", "1b00000000ffffffff", "3817", "5800",
                            "7800", "9800", "b800", "d801f6", "d811f6", "d90012f6", "5900015f"}) {
        EXPECT_THAT(refusal(hex), HasSubstr("shortest form")) << hex;
    }
}

TEST(Cbor, RefusesIndefiniteLengthsFloatsAndUnknownSimpleValues) {
    for (const char* hex : {"5f4101ff", "7f6161ff",   "9f01ff",
                            "bf0102ff", "ff",         "81ff",
                            "f90000",   "fa47c35000", "fb3ff199999999999a",
                            "e0",       "f3",         "f8ff",
                            "f814",     "1c",         "1d",
                            "1e",       "1f",         "3f",
                            "5c",       "fc",         "df00",
                            "dcf6"}) {
        EXPECT_THAT(refusal(hex), HasSubstr("not accepted")) << hex;
    }
}

TEST(Cbor, RefusesKeysThatAppearTwiceAndTextThatIsNotUtf8) {
    EXPECT_THAT(refusal("a201020103"), HasSubstr("twice"));
    EXPECT_THAT(refusal("a2616101616102"), HasSubstr("twice"));
    EXPECT_THAT(refusal("a280018002"), HasSubstr("twice"));
    EXPECT_EQ(refusal("a201022003"), "accepted");
    EXPECT_EQ(refusal("a2616101416102"), "accepted");  // text and bytes differ
    EXPECT_THAT(refusal("62c328"), HasSubstr("UTF-8"));
    EXPECT_EQ(refusal("42c328"), "accepted");
}

TEST(Cbor, StopsAtItsLimits) {
    EXPECT_EQ(refusal("81818100", {.max_depth = 4}), "accepted");
    EXPECT_THAT(refusal("81818100", {.max_depth = 3}), HasSubstr("deeper"));
    EXPECT_THAT(refusal("c1c1c100", {.max_depth = 3}), HasSubstr("deeper"));
    EXPECT_EQ(refusal("83010203", {.max_items = 4}), "accepted");
    EXPECT_THAT(refusal("83010203", {.max_items = 3}), HasSubstr("more than 3 items"));
    EXPECT_THAT(refusal("83010203", {.max_bytes = 3}), HasSubstr("longer than the limit"));
    Bytes deep(100000, 0x81);
    auto value = parse_cbor(deep);
    ASSERT_FALSE(value);
    EXPECT_THAT(value.error().message, HasSubstr("deeper"));
}

}  // namespace
}  // namespace vouchsafe
