#include "vouchsafe/base/clock.h"

#include <gtest/gtest.h>

namespace vouchsafe {
namespace {

TEST(Rfc3339, RoundTrips) {
    EXPECT_EQ(to_unix(*parse_rfc3339("1970-01-01T00:00:00Z")), 0);
    EXPECT_EQ(to_unix(*parse_rfc3339("2026-07-01")), 1782864000);
    EXPECT_EQ(format_rfc3339(from_unix(1782864001)), "2026-07-01T00:00:01Z");
    EXPECT_EQ(*parse_rfc3339("2026-07-01T02:00:00+02:00"), *parse_rfc3339("2026-07-01T00:00:00Z"));
    EXPECT_EQ(*parse_rfc3339("2026-07-01T00:00:00.123Z"), *parse_rfc3339("2026-07-01"));
}

TEST(Rfc3339, WritesAllNumbersWithTheirZeros) {
    for (const char* text : {"0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
                             "2026-10-09T08:07:06Z", "9999-12-31T10:20:30Z"}) {
        EXPECT_EQ(format_rfc3339(*parse_rfc3339(text)), text);
    }
    EXPECT_EQ(format_rfc3339(from_unix(253402300800)), "10000-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(from_unix(-62198755200)), "-001-01-01T00:00:00Z");
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
    for (const char* text :
         {"", "2026", "2026-13-01", "2026-02-30", "2026-07-01T", "2026-07-01T25:00:00Z",
          "2026-07-01T00:00:00", "2026-07-01T00:00:00+2", "2026-07-01T00:00:00.Z", "-026-07-01",
          "2026-07-01x00:00:00Z", "2026-07-01T00:00:00ZZ"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(OffsetClock, MovesAnotherClock) {
    FixedClock fixed(from_unix(1000));
    OffsetClock early(fixed, Seconds{-600});
    EXPECT_EQ(to_unix(early.now()), 400);
    fixed.set(from_unix(2000));
    EXPECT_EQ(to_unix(early.now()), 1400);
}

}  // namespace
}  // namespace vouchsafe
