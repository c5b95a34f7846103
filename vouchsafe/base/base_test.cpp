#include <gtest/gtest.h>
#include "vouchsafe/base/json.h"
using namespace vouchsafe;
TEST(Json, RefusesDuplicateKeys) { EXPECT_FALSE(parse_json(R"({"a":1,"\u0061":2})")); }
