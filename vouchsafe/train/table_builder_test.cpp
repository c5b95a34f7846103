#include "vouchsafe/train/table_builder.h"

#include <gtest/gtest.h>

#include <thread>

namespace vouchsafe::train {
namespace {

TEST(TableBuilder, JoinsPiecesCutAtEveryPairOfPlaces) {
    std::string csv =
        "\xef\xbb\xbf"
        "a,b,y\r\n1.25,-3,0\r\n\r\n4,5e1,1\n7,8,0";
    for (size_t first = 0; first <= csv.size(); ++first) {
        for (size_t second = first; second <= csv.size(); ++second) {
            TableBuilder builder({.label = "y"}, std::nullopt);
            CsvRows scratch;
            ByteView text = as_bytes(csv);
            MUST(builder.add(0, text.first(first), scratch));
            MUST(builder.add(1, text.subspan(first, second - first), scratch));
            MUST(builder.add(2, text.subspan(second), scratch));
            Table table = MUST(std::move(builder).finish());
            ASSERT_EQ(table.rows(), 3U) << first << " " << second;
            std::vector<float> values(table.expose_values().begin(), table.expose_values().end());
            EXPECT_EQ(values, (std::vector<float>{1.25, -3, 4, 50, 7, 8}));
        }
    }
}

TEST(TableBuilder, AnAbortFreesThoseWhoWait) {
    TableBuilder builder({.label = "y"}, std::nullopt);
    Result<void> waited;
    std::thread waiter([&] {
        CsvRows scratch;
        waited = builder.add(1, as_bytes("1,0\n"), scratch);  // piece 0 never comes
    });
    builder.abort(0);
    waiter.join();
    EXPECT_EQ(waited.error().code, Code::unavailable);
}

}  // namespace
}  // namespace vouchsafe::train
