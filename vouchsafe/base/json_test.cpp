#include "vouchsafe/base/json.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe {
namespace {

TEST(ParseJson, RefusesDuplicateKeys) {
    EXPECT_FALSE(parse_json(R"({"a":1,"a":2})"));
    EXPECT_EQ(parse_json(R"({"a":1,"\u0061":2})").error().message,
              R"(the member "a" appears twice)");
    const std::string name(9000, 'n');
    EXPECT_LT(parse_json("{\"" + name + "\":1,\"" + name + "\":2}").error().message.size(), 200u);
    EXPECT_TRUE(parse_json(R"([{"a":1},{"a":2}])"));
    EXPECT_TRUE(parse_json(R"({"a":{"a":2}})"));
}

TEST(ParseJson, LimitsDepthAndSize) {
    JsonLimits limits{100, 3};
    EXPECT_TRUE(parse_json("[[[1]]]", limits));
    EXPECT_FALSE(parse_json("[[[[1]]]]", limits));
    EXPECT_FALSE(parse_json(R"({"a":[{"b":[]}]})", limits));
    EXPECT_FALSE(parse_json("\"" + std::string(100, 'x') + "\"", limits));
    EXPECT_FALSE(parse_json(std::string(500000, '['), {1 << 20, 32}));
}

TEST(ParseJson, LimitsTheNumberOfValues) {
    JsonLimits limits;
    limits.max_values = 5;
    EXPECT_TRUE(parse_json(R"({"a":[1,"",null]})", limits));
    EXPECT_FALSE(parse_json(R"({"a":[1,"",null,{}]})", limits));
}

TEST(ParseJson, RefusesWhatIsNoJson) {
    for (const char* text : {"", "{", "{}x", "{} {}", "[1,]", "nul", "'a'", "01", "\"\xff\"",
                             "\"\\ud800\"", "1e999", "NaN", "{\"a\":1,}", "// c\n1"}) {
        EXPECT_FALSE(parse_json(text)) << text;
    }
    EXPECT_FALSE(parse_json_object("[]"));
    EXPECT_TRUE(parse_json_object(" {} "));
}

TEST(ParseJson, RefusesANulAndWhatStandsBehindIt) {
    using namespace std::string_view_literals;
    EXPECT_EQ(parse_json("{}\0"sv).error().code, Code::invalid);
    EXPECT_EQ(parse_json("{}\0{\"hidden\":1}"sv).error().code, Code::invalid);
    EXPECT_TRUE(parse_json("\"\\u0000\""sv));
}

TEST(DumpJsonAscii, KeepsBase64UrlFreeOfItsOwnAlphabet) {
    Json claims{{"a", "x>?~\x7f"}, {"b", "\xc3\xa9\xf0\x9f\x94\x91"}, {"c", "<&\"\\\n"}};
    std::string text = dump_json_ascii(claims);
    EXPECT_EQ(text.find_first_of(">?~\x7f"), std::string::npos);
    EXPECT_EQ(*parse_json(text), claims);
    for (int shift = 0; shift < 3; ++shift) {
        std::string encoded = encode_base64url(as_bytes(std::string(shift, ' ') + text));
        EXPECT_EQ(encoded.find_first_of("-_"), std::string::npos);
    }
}

TEST(JsonMembers, AreTypedAndNamed) {
    Json json =
        *parse_json(R"({"s":"x","i":-3,"big":18446744073709551615,"f":1.5,"b":true,"n":null})");
    EXPECT_EQ(*json_string(json, "s"), "x");
    EXPECT_EQ(*json_integer(json, "i"), -3);
    EXPECT_FALSE(json_integer(json, "big"));
    EXPECT_FALSE(json_integer(json, "f"));
    EXPECT_FALSE(json_integer(json, "s"));
    EXPECT_EQ(json_string(json, "i").error().message, "the member 'i' must be a string");
    EXPECT_EQ(json_string(json, "z").error().message, "the member 'z' is missing");
    EXPECT_TRUE(*json_bool(json, "b"));
    EXPECT_EQ(*json_optional_string(json, "n"), std::nullopt);
    EXPECT_EQ(*json_optional_string(json, "z"), std::nullopt);
    EXPECT_FALSE(json_optional_string(json, "i"));
    EXPECT_FALSE(json_string(Json::array(), "s"));
    EXPECT_NE(find_member_ignore_case(json, "S"), nullptr);
}

TEST(Json, ShowsForeignValuesInPrintableAsciiAndCut) {
    EXPECT_EQ(show_json(MUST(parse_json(R"({"b":[1,true],"a":null})"))),
              R"({"a":null,"b":[1,true]})");
    EXPECT_EQ(show_json("a\x1b[2J\x7f\u009b\u202e\n\xff"),
              R"("a\u001b[2J\u007f\u009b\u202e\n\ufffd")");
    EXPECT_EQ(show_json(std::string(118, 'x')).size(), 120U);
    EXPECT_EQ(show_json(std::string(119, 'x')), "\"" + std::string(116, 'x') + "...");
    EXPECT_EQ(show_json(std::string(100, 'x'), 8), "\"xxxx...");
}

}  // namespace
}  // namespace vouchsafe
