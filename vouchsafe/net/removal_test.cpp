// What net/ refuses unread is refused by a reader of HTTP, which nothing removes: see
// base/removal_table.h.
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/net/wire.h"

namespace vouchsafe::net {
namespace {

using namespace vouchsafe::testing;

TEST(NetCheckRemoval, EveryCheckDecidesACase) {
    auto too_long = [] {
        RequestParser parser({.max_body = 3});
        std::string input = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
        if (parser.feed(input) != RequestParser::Progress::refused) return std::string(kAccepted);
        return parser.refusal().headers.get("x-vouchsafe-check");
    };
    expect_every_check_decides("net", {{"HTTP-REQUEST", {too_long, kStillRefused}}});
}

}  // namespace
}  // namespace vouchsafe::net
