// Errors as Azure Resource Manager tells them: a status, a code ("ResourceNotFound") and a sentence
// (azure-api E.1). Its codes are many and its clients read them, so they stand beside the table of
// base/result.h, and an Error becomes a Problem by that table.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::cloud {

struct Problem {
    int status = 500;
    std::string code;
    std::string message;
    std::vector<Problem> details = {};
    std::string target = {};  // the resource that it is about; "": not told

    Problem(int http_status, std::string_view azure_code, std::string sentence,
            std::vector<Problem> more = {})
        : status(http_status),
          code(azure_code),
          message(std::move(sentence)),
          details(std::move(more)) {}
    // What went wrong in this program is written to the log and not told.
    Problem(const Error& error);  // NOLINT: TRY hands errors on

    Json to_json() const;  // {"code","message","target"?,"details"?}
};

// Outcome is Result with a Problem. TRY takes both, and a Result's error becomes a Problem.
template <typename T>
class [[nodiscard]] Outcome : public tl::expected<T, Problem> {
  public:
    using tl::expected<T, Problem>::expected;
    Outcome(Result<T> result)  // NOLINT: as TRY does it
        : tl::expected<T, Problem>(
              std::move(result).map_error([](const Error& error) { return Problem(error); })) {}
};

template <typename... Args>
tl::unexpected<Problem> refuse(int status, std::string_view code,
                               fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Problem>(
        Problem(status, code, fmt::format(format, std::forward<Args>(args)...)));
}

tl::unexpected<Problem> no_resource(std::string_view id);    // 404 ResourceNotFound
tl::unexpected<Problem> no_group(std::string_view name);     // 404 ResourceGroupNotFound
tl::unexpected<Problem> no_method(std::string_view method);  // 405

}  // namespace vouchsafe::cloud

// For TRY.
namespace vouchsafe {
inline tl::unexpected<cloud::Problem> fail(cloud::Problem problem) {
    return tl::unexpected<cloud::Problem>(std::move(problem));
}
namespace detail {
template <typename T>
T take(cloud::Outcome<T>& outcome) {
    return std::move(*outcome);
}
inline void take(cloud::Outcome<void>&) {}
}  // namespace detail
}  // namespace vouchsafe
