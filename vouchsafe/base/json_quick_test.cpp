#include "vouchsafe/base/json_quick.h"

#include <gtest/gtest.h>

namespace vouchsafe {
namespace {

std::string nested(size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

// What the quick reader may take, it must take as the careful one does.
void expect_agreement(std::string_view text, const JsonLimits& limits = {}) {
    auto quick = parse_json_quick(text, limits);
    auto careful = parse_json_carefully(text, limits);
    if (!quick) return;
    ASSERT_TRUE(careful) << text;
    EXPECT_EQ(*quick, *careful) << text;
    EXPECT_EQ(quick->type(), careful->type()) << text;
    EXPECT_EQ(quick->dump(), careful->dump()) << text;
}

TEST(QuickJson, ReadsWhatClientsSend) {
    for (std::string_view text :
         {R"({"a":[1,-2,3.5,1e3,true,false,null,"text",{}],"b":{"c":[]}})", " 7 ", R"("ü\n\"\\")",
          "18446744073709551615", "-9223372036854775808", "[0,-0,0.1,1e-400]"}) {
        EXPECT_TRUE(parse_json_quick(text, {})) << text;
        expect_agreement(text);
    }
}

TEST(QuickJson, TakesMinusZeroForZeroAsTheCarefulReaderDoes) {
    for (std::string_view text : {"0", "-0", " -0 "}) {
        expect_agreement(text);
        EXPECT_TRUE(MUST(parse_json_carefully(text, {})).is_number_unsigned()) << text;
    }
    EXPECT_TRUE(MUST(parse_json_carefully("[1,-0,\"\\u0061\"]", {}))[1].is_number_unsigned());
    EXPECT_TRUE(MUST(parse_json("-0.0")).is_number_float());
    expect_agreement("-0.0");
}

TEST(QuickJson, LeavesTheUnusualToTheCarefulReader) {
    const std::string_view careful[] = {R"({"a":1,"a":2})",
                                        R"({"a":1,"\u0061":2})",
                                        R"("\ud800")",
                                        R"("\udc00")",
                                        "[1,]",
                                        "{}{}",
                                        "18446744073709551616",
                                        "1e400",
                                        "01",
                                        "\"\x01\"",
                                        "\"\xff\"",
                                        "\"\xed\xa0\x80\"",
                                        "\xef\xbb\xbf[]",
                                        "",
                                        "  ",
                                        "nul"};
    for (std::string_view text : careful) {
        EXPECT_FALSE(parse_json_quick(text, {})) << text;
    }
}

TEST(QuickJson, KeepsTheLimits) {
    for (size_t depth : {30u, 31u, 32u, 33u, 34u, 1000u}) {
        SCOPED_TRACE(depth);
        expect_agreement(nested(depth));
        expect_agreement(nested(depth), {.max_depth = 64});
        expect_agreement("{\"a\":" + nested(depth) + "}");
    }
    const JsonLimits few{.max_values = 3};
    EXPECT_TRUE(parse_json_quick("[1,2]", few));
    EXPECT_FALSE(parse_json_quick("[1,2,3]", few));
}

TEST(QuickJson, ReadsLongTextsAndForgetsThemBetweenReads) {
    const std::string item(1000, 'x');
    for (size_t count : {1u, 60u, 64u, 70u, 500u, 2u}) {
        Json many = Json::array();
        for (size_t i = 0; i < count; ++i) many.push_back(item);
        const std::string text = many.dump();
        auto quick = parse_json_quick(text, {});
        ASSERT_TRUE(quick) << count;
        EXPECT_EQ(*quick, many) << count;
    }
    // The most room that strings can take of a text.
    std::string empty = "[\"\"";
    for (int i = 0; i < 20000; ++i) empty += ",\"\"";
    empty += "]";
    EXPECT_EQ(parse_json_quick(empty, {})->size(), 20001u);
}

// Texts are looked at in blocks: each byte, in each place of one and behind it.
TEST(QuickJson, WritesEachByteAsTheLibraryDoes) {
    for (size_t size : {1u, 15u, 16u, 17u, 33u, 70u}) {
        for (size_t at = 0; at<size; at += size> 20 ? 7 : 1) {
            for (int c = 0; c < 256; ++c) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(c);
                const Json json = {{text, text}};
                const auto careful = [&](bool ascii) {
                    return json.dump(-1, ' ', ascii, Json::error_handler_t::replace);
                };
                ASSERT_EQ(dump_json(json), careful(false)) << c;
                ASSERT_EQ(dump_json_ascii(json), escape_for_guests(careful(true))) << c;
            }
        }
    }
}

TEST(QuickJson, WritesAsTheLibraryDoes) {
    for (std::string_view text :
         {R"({"b":[1,-2,3.5,1e300,true,false,null],"a":{"":[],"q\"":"\\"}})", R"("ü€𝄞\n\t\u007f")",
          "18446744073709551615", "-9223372036854775808", "[]", "{}", "\"~?>\""}) {
        Json json = MUST(parse_json_carefully(text, {}));
        EXPECT_EQ(dump_json(json), json.dump()) << text;
        EXPECT_EQ(MUST(parse_json(dump_json_ascii(json))), json) << text;
        EXPECT_EQ(dump_json_ascii(json).find_first_of("~?>"), std::string::npos) << text;
    }
    const Json broken = std::string("a\xff");
    EXPECT_EQ(dump_json(broken), "\"a\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace vouchsafe
