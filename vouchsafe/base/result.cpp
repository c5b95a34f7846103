#include "vouchsafe/base/result.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#ifdef VS_CHECK_REMOVAL
#include "vouchsafe/base/check_removal.h"
#endif

namespace vouchsafe {

const CodeInfo& code_info(Code code) {
    static constexpr std::array<CodeInfo, 11> kTable{{
        {"invalid", 400, "BadParameter", 2},
        {"unauthenticated", 401, "Unauthorized", 1},
        {"forbidden", 403, "Forbidden", 1},
        {"not_found", 404, "NotFound", 1},
        {"conflict", 409, "Conflict", 1},
        {"bad_evidence", 400, "InvalidParameter", 1},
        {"expired", 403, "Forbidden", 1},
        {"unsupported", 501, "NotImplemented", 2},
        {"unavailable", 503, "ServiceUnavailable", 3},
        {"io", 500, "InternalServerError", 3},
        {"internal", 500, "InternalServerError", 4},
    }};
    return kTable.at(static_cast<size_t>(code));
}

Error::Error() noexcept = default;
Error::Error(Code kind, std::string sentence, std::vector<Check> made, std::string request)
    : code(kind),
      message(std::move(sentence)),
      checks(std::move(made)),
      request_id(std::move(request)) {}
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

namespace detail {
void die(const char* expression, const char* file, int line, const Error& error) {
    std::fprintf(stderr, "%s:%d: this must not fail: %s: %s\n", file, line, expression,
                 error.message.c_str());
    std::abort();
}
}  // namespace detail

namespace {
// What was found may come from an attacker: a check stays small whatever it is about.
std::string shortened(std::string text) {
    constexpr size_t kMax = 1000;
    if (text.size() <= kMax) return text;
    text.resize(kMax);
    return text + "...";
}

constexpr size_t kUsualChecks = 16;  // of a request

Result<void> record(std::vector<Check>& list, bool ok, std::string_view code,
                    std::string_view field, std::string expected, std::string found) {
    const CheckInfo* info = find_check_info(code);
    if (info == nullptr) {
        detail::die("check code in the catalogue", __FILE__, __LINE__,
                    Error{Code::internal, std::string(code), {}});
    }
    if (list.empty()) list.reserve(kUsualChecks);
    list.push_back({std::string(code), std::string(field), shortened(std::move(expected)),
                    shortened(std::move(found)), ok});
    if (ok) return {};
    const Check& last = list.back();
    return fail(Error{
        info->error,
        fmt::format("{}: {} is {}, expected {}", code, field, last.found, last.expected), list});
}
}  // namespace

#ifdef VS_CHECK_REMOVAL
#ifndef VS_SOURCE_DIR
#error "VS_CHECK_REMOVAL is for test programs alone"
#endif
namespace testing {
namespace {
std::string_view removed_code;
}
RemovedCheck::RemovedCheck(std::string_view code) {
    removed_code = code;
}
RemovedCheck::~RemovedCheck() {
    removed_code = {};
}
}  // namespace testing
#endif

Result<void> Checks::require(bool ok, std::string_view code, std::string_view field,
                             std::string expected, std::string found) {
#ifdef VS_CHECK_REMOVAL
    if (code == testing::removed_code) ok = true;
#endif
    return record(list_, ok, code, field, std::move(expected), std::move(found));
}

tl::unexpected<Error> Checks::refuse(std::string_view code, std::string_view field,
                                     std::string expected, std::string found) {
    return fail(std::move(
        record(list_, false, code, field, std::move(expected), std::move(found)).error()));
}

void Checks::repeat(std::vector<Check> passed) {
    list_.insert(list_.end(), std::move_iterator(passed.begin()), std::move_iterator(passed.end()));
}

}  // namespace vouchsafe
