// The tables of template functions, a file for each kind, and what they share. Private to
// template/.
#pragma once

#include <span>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/evaluate.h"

namespace vouchsafe::cloud {

using Arguments = std::vector<Json>;

struct Function {
    std::string_view name;  // in lower case
    size_t least = 0;
    size_t most = 0;
    Result<Json> (*run)(const Arguments& arguments, const Bindings& bindings);
};
inline constexpr size_t kAnyNumber = 256;  // of arguments

// find_function compares without case; nullptr if there is none.
const Function* find_function(std::string_view name);
// Each table is sorted by name.
std::span<const Function> list_functions();  // functions_list.cpp
std::span<const Function> text_functions();  // functions_text.cpp
std::span<const Function> date_functions();  // functions_date.cpp
std::span<const Function> cidr_functions();  // functions_cidr.cpp

// Form is a function that does not evaluate all its arguments, or some of them often: if, and those
// that take lambdas.
struct Form {
    std::string_view name;  // in lower case
    size_t least = 0;
    size_t most = 0;
    Result<Json> (*run)(const Expression& call, const Bindings& bindings);
};
const Form* find_form(std::string_view name);  // as find_function

// Argument readers: each fails with a sentence that says which argument is wrong.
Result<std::string> text_at(const Arguments& arguments, size_t at);
Result<int64_t> number_at(const Arguments& arguments, size_t at);
Result<bool> bool_at(const Arguments& arguments, size_t at);
Result<std::vector<std::string>> texts_from(const Arguments& arguments, size_t first);
tl::unexpected<Error> wrong_type(std::string_view wanted);  // "it takes ..."

// text_form is how a value looks inside of a text: numbers in digits, True and False, objects and
// arrays as JSON.
std::string text_form(const Json& value);

// format_date writes a time as .NET does with a standard or custom format string, in its invariant
// culture. Code::invalid for a format it does not know.
Result<std::string> format_date(int64_t time, std::string_view format);

}  // namespace vouchsafe::cloud
