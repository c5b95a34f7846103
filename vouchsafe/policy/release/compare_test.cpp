#include "vouchsafe/policy/release/compare.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::policy {
namespace {

std::optional<std::string> text_of(std::string_view json) {
    return comparable_text(MUST(parse_json(json)));
}

TEST(Compare, GivesScalarsTheirTextualForm) {
    EXPECT_EQ(text_of("\"sevsnpvm\""), "sevsnpvm");
    EXPECT_EQ(text_of("\"\""), "");
    EXPECT_EQ(text_of("true"), "true");
    EXPECT_EQ(text_of("false"), "false");
    EXPECT_EQ(text_of("115"), "115");
    EXPECT_EQ(text_of("-7"), "-7");
    EXPECT_EQ(text_of("18446744073709551615"), "18446744073709551615");
    EXPECT_EQ(text_of("-9223372036854775808"), "-9223372036854775808");
}

TEST(Compare, WritesNumbersAsPlainDecimals) {
    EXPECT_EQ(text_of("3.0"), "3");
    EXPECT_EQ(text_of("1e3"), "1000");
    EXPECT_EQ(text_of("2.50"), "2.5");
    EXPECT_EQ(text_of("1e-7"), "0.0000001");
    EXPECT_EQ(text_of("-0.0"), "0");
    EXPECT_EQ(text_of("-0"), "0");
    EXPECT_EQ(text_of("0.1"), "0.1");
    EXPECT_EQ(text_of("9007199254740991.0"), "9007199254740991");
    EXPECT_GT(text_of("5e-324")->size(), 300U);
}

TEST(Compare, HasNoTextForWhatMustNotMatch) {
    for (std::string_view json :
         {"null", "[]", "[\"a\"]", "{}", "9007199254740992.0", "18446744073709551616", "-1e300"}) {
        EXPECT_EQ(text_of(json), std::nullopt) << json;
    }
}

TEST(Compare, OrdersNumbersOfAnyLengthExactly) {
    const std::vector<std::string> ascending = {"-99999999999999999999999999",
                                                "-10",
                                                "-9.5",
                                                "-9.25",
                                                "-0.001",
                                                "0",
                                                "0.001",
                                                "0.01",
                                                "1",
                                                "9",
                                                "9.000000000000000000001",
                                                "10",
                                                "10.5",
                                                "18446744073709551615",
                                                "18446744073709551616",
                                                "99999999999999999999999999"};
    for (size_t i = 0; i < ascending.size(); ++i) {
        for (size_t k = 0; k < ascending.size(); ++k) {
            EXPECT_EQ(compare_numbers(ascending[i], ascending[k]), i < k   ? -1
                                                                   : i > k ? 1
                                                                           : 0)
                << ascending[i] << " and " << ascending[k];
        }
    }
    EXPECT_EQ(compare_numbers("-0", "0.00"), 0);
    EXPECT_EQ(compare_numbers("007", "7.0"), 0);
}

TEST(Compare, HasNoOrderForWhatIsNoDecimalNumber) {
    for (std::string_view text : {"", "-", "a", "true", "0x10", "1e3", " 1", "1 ", "+1", ".5", "5.",
                                  "1.2.3", "--1", "1,000", "inf", "NaN", "\xd9\xa1"}) {
        EXPECT_EQ(compare_numbers(text, "1"), std::nullopt) << text;
        EXPECT_EQ(compare_numbers("1", text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace vouchsafe::policy
