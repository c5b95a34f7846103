#include "vouchsafe/base/result.h"

#include <gtest/gtest.h>

#include <set>

namespace vouchsafe {
namespace {

Result<int> half(int value) {
    if (value % 2 != 0) return fail(Code::invalid, "{} is odd", value);
    return value / 2;
}
Result<int> quarter(int value) {
    return TRY(half(TRY(half(value))));
}
Result<void> only_even(int value) {
    TRY(half(value));
    return {};
}
Result<std::unique_ptr<int>> boxed(int value) {
    return std::make_unique<int>(TRY(half(value)));
}

TEST(Result, TryPassesValuesAndErrorsOn) {
    EXPECT_EQ(*quarter(12), 3);
    EXPECT_EQ(quarter(6).error().message, "3 is odd");
    EXPECT_TRUE(only_even(2));
    EXPECT_EQ(only_even(3).error().code, Code::invalid);
}

TEST(Result, CarriesMoveOnlyValues) {
    EXPECT_EQ(**boxed(8), 4);
    EXPECT_FALSE(boxed(7));
}

TEST(Result, ContextNamesWhatWasRead) {
    auto result = with_context(half(3), "model.bin");
    EXPECT_EQ(result.error().message, "model.bin: 3 is odd");
}

TEST(ResultDeathTest, MustEndsTheProcessOnFailure) {
    EXPECT_EQ(MUST(half(2)), 1);
    EXPECT_DEATH(MUST(half(1)), "1 is odd");
}

TEST(Code, EveryKindMapsToTheOutside) {
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        const CodeInfo& info = code_info(static_cast<Code>(i));
        EXPECT_FALSE(info.name.empty());
        EXPECT_GE(info.http_status, 400);
        EXPECT_NE(info.exit_code, 0) << info.name;
    }
}

TEST(Checks, KeepsTheOrderAndStopsAtTheFailure) {
    Checks checks;
    EXPECT_TRUE(checks.require(true, "SNP-SIZE", "report", "1184", "1184"));
    auto refused = checks.require(false, "SEAL-TAG", "frame 3", "a valid tag", "another tag");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::bad_evidence);
    ASSERT_NE(refused.error().reason(), nullptr);
    EXPECT_EQ(refused.error().reason()->code, "SEAL-TAG");
    EXPECT_EQ(refused.error().reason()->field, "frame 3");
    EXPECT_EQ(refused.error().checks.size(), 2U);
    EXPECT_TRUE(refused.error().checks.front().passed);
}

TEST(ChecksDeathTest, RefusesACodeThatIsNotInTheCatalogue) {
    Checks checks;
    EXPECT_DEATH((void)checks.require(true, "NO-SUCH-CODE", "f", "a", "a"), "NO-SUCH-CODE");
}

TEST(Catalogue, IsCompleteAndHasNoDuplicates) {
    std::set<std::string_view> seen;
    for (const CheckInfo& info : check_catalog()) {
        EXPECT_TRUE(seen.insert(info.code).second) << info.code;
        EXPECT_FALSE(info.what.empty()) << info.code;
        EXPECT_FALSE(info.source.empty()) << info.code;
        EXPECT_FALSE(info.remedy.empty()) << info.code;
        EXPECT_TRUE(info.what.ends_with('.')) << info.code;
        EXPECT_TRUE(info.remedy.ends_with('.')) << info.code;
        EXPECT_EQ(info.code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"),
                  std::string_view::npos)
            << info.code;
    }
}

}  // namespace
}  // namespace vouchsafe
