#include "vouchsafe/attest/request/raw_json.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {
namespace {

std::string raw(std::string_view json, const std::vector<std::string_view>& path) {
    EXPECT_TRUE(parse_json(json)) << json;
    auto found = find_raw(json, path);
    return found ? std::string(*found) : "(" + found.error().message + ")";
}

TEST(RawJson, GivesEveryKindOfValueAsItWasWritten) {
    const std::string_view json =
        "{ \"a\" : [1, {\"b\":2}, \"]\"],\n \"Key\" : { \"n\":\"A\\\"}\", \"e\" :3 } ,"
        "\"t\":\"x\\\\\", \"f\": false,\"n\":-1.5e3 }";
    EXPECT_EQ(raw(json, {"a"}), "[1, {\"b\":2}, \"]\"]");
    EXPECT_EQ(raw(json, {"key"}), "{ \"n\":\"A\\\"}\", \"e\" :3 }");
    EXPECT_EQ(raw(json, {"Key", "n"}), "\"A\\\"}\"");
    EXPECT_EQ(raw(json, {"KEY", "e"}), "3");
    EXPECT_EQ(raw(json, {"t"}), "\"x\\\\\"");
    EXPECT_EQ(raw(json, {"f"}), "false");
    EXPECT_EQ(raw(json, {"n"}), "-1.5e3");
    EXPECT_EQ(raw(json, {}), json);
}

TEST(RawJson, FindsNothingWhereNothingIsOrUnderAnEscapedName) {
    EXPECT_EQ(raw("{}", {"a"}), "(a does not stand there as such)");
    EXPECT_EQ(raw("[{\"a\":1}]", {"a"}), "(a does not stand there as such)");
    EXPECT_EQ(raw("{\"a\":1}", {"a", "b"}), "(b does not stand there as such)");
    EXPECT_EQ(raw("{\"\\u0061\":1}", {"a"}), "(a does not stand there as such)");
    EXPECT_EQ(raw("{\"x\":{\"a\":1}}", {"a"}), "(a does not stand there as such)");
}

}  // namespace
}  // namespace vouchsafe::attest
