// A request target that parses means the same when it is written out again from its parts.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/net/target.h"

using namespace vouchsafe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Result<net::Target> first = net::parse_target(as_text({data, size}));
    if (!first) return 0;
    std::string text = first->authority.empty() ? "/" : "http://" + first->authority + "/";
    for (const std::string& segment : first->path) text += encode_percent(segment) + "/";
    text += "?";
    for (const auto& [name, value] : first->query) {
        text += encode_percent(name) + "=" + encode_percent(value) + "&";
    }
    net::Target second = MUST(net::parse_target(text));
    bool same = first->authority == second.authority && first->path == second.path &&
                first->query == second.query;
    if (!same) std::abort();
    return 0;
}
