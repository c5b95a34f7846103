#include "vouchsafe/base/log.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe {
namespace {

static_assert(!std::is_constructible_v<LogField, std::string_view, const SecretBytes&>);
static_assert(!std::is_constructible_v<LogField, std::string_view, const Secret<32>&>);

std::string captured(LogFormat format) {
    set_log(LogLevel::info, format);
    testing::internal::CaptureStderr();
    log_event(LogLevel::debug, "not shown");
    log_event(LogLevel::info, "key released", {{"key", "a b\nc"}, {"count", 3}, {"ok", true}});
    set_log(LogLevel::warn, LogFormat::text);
    return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesOneJsonObjectALine) {
    std::string line = captured(LogFormat::json);
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    Json json = *parse_json(line);
    EXPECT_EQ(json["message"], "key released");
    EXPECT_EQ(json["key"], "a b\nc");
    EXPECT_EQ(json["count"], 3);
    EXPECT_EQ(json["ok"], true);
}

TEST(Log, EscapesControlCharactersInText) {
    std::string line = captured(LogFormat::text);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_NE(line.find(R"(key="a b\nc" count=3 ok=true)"), std::string::npos) << line;
}

}  // namespace
}  // namespace vouchsafe
