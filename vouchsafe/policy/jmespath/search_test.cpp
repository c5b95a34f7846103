#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/jmespath/jmespath.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;
using testing::HasSubstr;

namespace {

std::string expression_of(const Json& expression_case) {
    if (expression_case.contains("expression")) return expression_case["expression"];
    const Json& parts = expression_case["repeated"];
    std::string out = parts["before"];
    for (int i = 0; i < parts["times"].get<int>(); ++i) out += parts["unit"].get<std::string>();
    out += parts["middle"].get<std::string>();
    for (int i = 0; i < parts["times"].get<int>(); ++i) out += parts.value("after", "");
    return out;
}

std::string search_error(const Json& document, std::string_view expression) {
    auto found = jmespath::search(document, expression);
    return found ? dump_json(*found) : found.error().message;
}

}  // namespace

TEST(Jmespath, GivesWhatEachCaseSays) {
    Bytes file = MUST(read_file(std::string(VS_SOURCE_DIR) + "/tests/vectors/jmespath/cases.json"));
    Json topics = MUST(parse_json(as_text(file), {.max_depth = 64}));
    size_t cases = 0;
    for (const Json& topic : topics) {
        for (const Json& one : topic["cases"]) {
            std::string expression = expression_of(one);
            SCOPED_TRACE(topic["topic"].get<std::string>() + ": " + expression.substr(0, 100));
            auto found = jmespath::search(topic["given"], expression);
            ++cases;
            if (one.contains("error")) {
                ASSERT_FALSE(found) << dump_json(*found);
                EXPECT_EQ(found.error().code, Code::invalid);
                EXPECT_THAT(found.error().message,
                            testing::StartsWith("JMESPath " + one["error"].get<std::string>()));
            } else {
                ASSERT_TRUE(found) << found.error().message;
                EXPECT_EQ(dump_json(*found), dump_json(one["result"]));
            }
        }
    }
    EXPECT_GT(cases, 600u);
}

TEST(Jmespath, SyntaxErrorsNameTheCharacterAndWhatWasExpected) {
    EXPECT_EQ(search_error({}, "a.b["),
              "JMESPath syntax, character 5: found the end, expected a number, ':', '*' or '?'");
    EXPECT_EQ(search_error({}, "a = b"), "JMESPath syntax, character 3: '=' found; write '=='");
    EXPECT_EQ(search_error({}, "'\xC3\xA9' b"),
              "JMESPath syntax, character 5: found \"b\", expected an operator or the end");
    EXPECT_EQ(search_error({}, "\xff"), "JMESPath syntax: this is not UTF-8");
    EXPECT_EQ(search_error({}, "nothing(@)"),
              "JMESPath unknown-function: there is no function nothing()");
    EXPECT_EQ(search_error({}, "not_null()"),
              "JMESPath invalid-arity: not_null() takes at least 1, not 0");
}

TEST(Jmespath, KnowsAzuresFunctionInItsDialectAlone) {
    Json given = {{"f", "\\Windows\\WdBoot.SYS"}};
    jmespath::StepBudget budget;
    constexpr std::string_view kExpression = "equals_ignore_case(f, '\\windows\\wdboot.sys')";
    EXPECT_EQ(MUST(jmespath::search(given, kExpression, jmespath::Dialect::azure, budget)), true);
    EXPECT_LT(budget.left, jmespath::kMaxSearchSteps);
    EXPECT_THAT(search_error(given, kExpression), HasSubstr("unknown-function"));
    EXPECT_TRUE(jmespath::check_syntax(kExpression, jmespath::Dialect::azure));
    EXPECT_FALSE(jmespath::check_syntax(kExpression, jmespath::Dialect::standard));
    EXPECT_THAT(MUST(jmespath::search(given, "equals_ignore_case(f, 'x')", jmespath::Dialect::azure,
                                      budget)),
                Json(false));
}

TEST(Jmespath, HostileExpressionsEndInAnErrorSoon) {
    Json list = Json::array();
    for (int i = 0; i < 1000; ++i) list.push_back(std::string(100, 'a'));
    std::string doubling = "[@, @]";
    for (int i = 0; i < 60; ++i) doubling += " | [@, @]";
    constexpr std::string_view kLimit = "JMESPath limit: the expression takes too many steps";
    EXPECT_EQ(search_error(list, doubling), kLimit);
    EXPECT_EQ(search_error(list,
                           "map(&length(map(&@, `[1,2,3]`)), @) | [@,@,@,@] | [] | "
                           "map(&contains(['x'], @), @) | length(@)"),
              "4000");
    EXPECT_EQ(search_error(Json{{"l", list}},
                           "map(&[@, @, @], l[]) | [*][*].[@,@,@,@][] | "
                           "map(&join(',', @), @) | [@,@,@,@][][] | sort(@)"),
              kLimit);
    std::string same(400000, 'a');
    EXPECT_EQ(search_error(Json{{"a", same}, {"b", same.substr(1) + "b"}}, "contains(a, b)"),
              "false");
    EXPECT_EQ(search_error(Json{{"a", same}, {"b", same.substr(200000) + "b"}}, "contains(a, b)"),
              kLimit);
    EXPECT_THAT(search_error({}, std::string(jmespath::kMaxExpressionBytes + 1, ' ')),
                HasSubstr("JMESPath limit: an expression of 65537 bytes"));
    std::string wide = "[a";
    for (size_t i = 0; i < jmespath::kMaxExpressionNodes; ++i) wide += ",a";
    EXPECT_EQ(search_error({}, wide + "]"), "JMESPath limit: more than 8192 nodes");
    EXPECT_EQ(search_error({{"a", 1}}, "[" + std::string(16300, 'a') + "]"), "[null]");
}

TEST(Jmespath, ABudgetIsSharedBySearches) {
    jmespath::StepBudget budget{5};
    Json given = {{"a", 1}};
    EXPECT_TRUE(jmespath::search(given, "a", jmespath::Dialect::standard, budget));
    EXPECT_TRUE(jmespath::search(given, "a", jmespath::Dialect::standard, budget));
    EXPECT_FALSE(jmespath::search(given, "a", jmespath::Dialect::standard, budget));
    EXPECT_EQ(budget.left, 0u);
}
