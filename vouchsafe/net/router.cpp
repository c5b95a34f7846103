#include "vouchsafe/net/router.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/call_handler.h"
#include "vouchsafe/net/pending.h"
#include "vouchsafe/net/request_id.h"

namespace vouchsafe::net {

namespace {

bool is_parameter(std::string_view segment) {
    return segment.starts_with('{') && segment.ends_with('}');
}

bool takes_rest(const std::vector<std::string>& pattern) {
    return !pattern.empty() && pattern.back().ends_with("*}");
}

std::vector<std::string> split_pattern(std::string_view pattern) {
    std::vector<std::string> out;
    size_t start = 0;
    while (start < pattern.size()) {
        size_t end = std::min(pattern.find('/', start), pattern.size());
        if (end > start) out.emplace_back(pattern.substr(start, end - start));
        start = end + 1;
    }
    return out;
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
    const bool rest = takes_rest(pattern);
    const size_t named = pattern.size() - (rest ? 1 : 0);
    if (rest ? path.size() < named : path.size() != named) return false;
    return std::equal(path.begin(), path.begin() + static_cast<ptrdiff_t>(named), pattern.begin(),
                      [](const std::string& text, const std::string& segment) {
                          return is_parameter(segment) || equal_ignore_case(segment, text);
                      });
}

// beats tells whether `a` takes no rest and `b` does, or has a literal at the first place where the
// kinds of two patterns differ.
bool beats(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    if (takes_rest(a) != takes_rest(b)) return takes_rest(b);
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (is_parameter(a[i]) != is_parameter(b[i])) return is_parameter(b[i]);
    }
    return false;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
    rows_.push_back(
        {std::string(method), std::string(pattern), split_pattern(pattern), std::move(handler)});
}

Response Router::dispatch(Request& request) const {
    const Row* best = nullptr;
    std::vector<std::string> allowed;
    for (const Row& row : rows_) {
        if (!fits(row.segments, request.path)) continue;
        if (row.method != request.method) {
            allowed.push_back(row.method);
        } else if (best == nullptr || beats(row.segments, best->segments)) {
            best = &row;
        }
    }
    if (best != nullptr) {
        for (size_t i = 0; i < std::min(best->segments.size(), request.path.size()); ++i) {
            std::string_view segment = best->segments[i];
            if (!is_parameter(segment) || segment.ends_with("*}")) continue;
            std::string name(segment.substr(1, segment.size() - 2));
            request.params.emplace(std::move(name), request.path[i]);
        }
        return call_handler(best->handler, request);
    }
    if (allowed.empty()) {
        return error_response(404, code_info(Code::not_found).azure_code,
                              "There is nothing at this path.");
    }
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
    Response response =
        error_response(405, "MethodNotAllowed", "This path does not take this method.");
    response.headers.set("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    return response;
}

Response Router::handle(const Request& request) const {
    std::string request_id = crypto::time_ordered_uuid();
    const auto routed = std::make_shared<Request>(request);
    routed->params.clear();
    routed->params.emplace("request_id", request_id);
    Response response = dispatch(*routed);
    return finished(std::move(response), [routed, request_id](Response& answer) {
        identify(routed->headers, request_id, answer);
    });
}

std::string_view Router::route_of(const Request& request) const {
    const Row* best = nullptr;
    for (const Row& row : rows_) {
        if (!fits(row.segments, request.path)) continue;
        bool method = row.method == request.method;
        bool best_method = best != nullptr && best->method == request.method;
        if (best == nullptr || (method && !best_method) ||
            (method == best_method && beats(row.segments, best->segments))) {
            best = &row;
        }
    }
    return best == nullptr ? std::string_view() : best->pattern;
}

}  // namespace vouchsafe::net
