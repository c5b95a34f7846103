// Requests parse the same whether their bytes arrive at once or one by one, and within the limits.
#include <cstdlib>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/net/wire.h"

using namespace vouchsafe;
using Progress = net::RequestParser::Progress;

namespace {

constexpr net::WireLimits kLimits{.max_header = 512, .max_body = 64, .connect = true};

// parse feeds `step` bytes at a time and returns what came out, as text.
std::string parse(std::string_view text, size_t step) {
    net::RequestParser parser(kLimits);
    std::string input;
    Progress progress = Progress::more;
    while (!text.empty() && (progress == Progress::more || progress == Progress::wants_continue)) {
        input += text.substr(0, step);
        text.remove_prefix(std::min(step, text.size()));
        progress = parser.feed(input);
        if (progress == Progress::wants_continue) progress = parser.feed(input);
    }
    // When a fault is noticed may differ, and which of two: a request comes out, or none.
    if (progress != Progress::done) return "none";
    bool keep_alive = parser.keep_alive();
    net::Request request = parser.take();
    if (request.body.size() > kLimits.max_body) std::abort();
    std::string out = fmt::format("{} {} {} {} {} {}", keep_alive, request.method, request.target,
                                  request.host, request.body, input.size() + text.size());
    for (const auto& [name, value] : request.headers.all()) out += "\n" + name + ":" + value;
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    if (parse(text, size) != parse(text, 1)) std::abort();
    return 0;
}
