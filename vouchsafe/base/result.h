// Result<T>: what every function that can fail returns. Expected failures are values; exceptions
// mean a bug or no memory.
//
//     Result<Key> load(std::string_view name) {
//         auto bytes = TRY(read(name));          // returns the error to our caller
//         TRY(check(bytes));                     // the same for Result<void>
//         return Key{std::move(bytes)};
//     }
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "vouchsafe/base/check.h"

namespace vouchsafe {

// Code is the kind of an error. code_info() is the only place that maps it to the outside.
enum class Code {
    invalid,          // the caller sent something malformed
    unauthenticated,  // no credentials, or none that hold
    forbidden,        // known, but not allowed
    not_found,
    conflict,      // exists already, or the state does not allow it
    bad_evidence,  // evidence, a signature or a tag does not verify
    expired,       // outside its validity
    unsupported,   // understood, but not built
    unavailable,   // a service, device or file is not there now
    io,            // reading or writing failed
    internal,      // a bug in this program
};

struct CodeInfo {
    std::string_view name;
    int http_status;
    std::string_view azure_code;  // `error.code` in Azure's error envelope
    int exit_code;                // of the command line
};

const CodeInfo& code_info(Code code);

// Error is a failure: a kind, one sentence for a person, and if a verifier said no the checks made
// up to and including the failed one, which is the last. Never contains secrets.
struct Error {
    // Not inline: every call that can fail would otherwise carry copies of all of these.
    Error() noexcept;
    Error(Code kind, std::string sentence, std::vector<Check> made = {}, std::string request = {});
    Error(const Error& other);
    Error(Error&& other) noexcept;
    Error& operator=(const Error& other);
    Error& operator=(Error&& other) noexcept;
    ~Error();

    Code code = Code::internal;
    std::string message;
    std::vector<Check> checks;
    // request_id names the request that another service refused: its owner finds the checks there.
    std::string request_id;

    // reason returns the check that failed, or nullptr if this is not a verifier's refusal.
    const Check* reason() const {
        return checks.empty() || checks.back().passed ? nullptr : &checks.back();
    }
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  public:
    using tl::expected<T, Error>::expected;
};

template <typename... Args>
tl::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...), {}});
}
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

// with_context puts "context: " before the message of an error, for example the file's name.
template <typename T>
Result<T> with_context(Result<T> result, std::string_view context) {
    if (!result) result.error().message = fmt::format("{}: {}", context, result.error().message);
    return result;
}

namespace detail {
template <typename T>
T take(Result<T>& result) {
    return std::move(*result);
}
inline void take(Result<void>&) {}
[[noreturn]] void die(const char* expression, const char* file, int line, const Error& error);
}  // namespace detail

// TRY evaluates to the value, or returns the error from the enclosing function. May be nested. Not
// for coroutines: GCC 12.2 crashes on co_await inside a statement expression.
#define TRY(...) VS_TRY(VS_UNIQUE(vs_result_), __VA_ARGS__)

// MUST is TRY where failure is a bug: it ends the process.
#define MUST(...) VS_MUST(VS_UNIQUE(vs_result_), #__VA_ARGS__, __VA_ARGS__)

#define VS_CONCAT_INNER(a, b) a##b
#define VS_CONCAT(a, b) VS_CONCAT_INNER(a, b)
#define VS_UNIQUE(prefix) VS_CONCAT(prefix, __COUNTER__)
#define VS_TRY(result, ...)                                               \
    ({                                                                    \
        auto result = (__VA_ARGS__);                                      \
        if (!result) return ::vouchsafe::fail(std::move(result.error())); \
        ::vouchsafe::detail::take(result);                                \
    })
#define VS_MUST(result, text, ...)                                                       \
    ({                                                                                   \
        auto result = (__VA_ARGS__);                                                     \
        if (!result) ::vouchsafe::detail::die(text, __FILE__, __LINE__, result.error()); \
        ::vouchsafe::detail::take(result);                                               \
    })

// Checks collects what a verifier compared, in order. Not thread-safe; one per verification.
class Checks {
  public:
    // require records the check and fails with the checks so far if `ok` is false. `code` must be
    // in the catalogue; anything else is a bug and ends the process.
    Result<void> require(bool ok, std::string_view code, std::string_view field,
                         std::string expected, std::string found);

    // refuse records a check that failed.
    tl::unexpected<Error> refuse(std::string_view code, std::string_view field,
                                 std::string expected, std::string found);

    // repeat adds checks that were made before and hold still.
    void repeat(std::vector<Check> passed);

    const std::vector<Check>& list() const { return list_; }
    // take moves them out: nothing is listed any more.
    std::vector<Check> take() { return std::exchange(list_, {}); }

  private:
    std::vector<Check> list_;
};

}  // namespace vouchsafe
