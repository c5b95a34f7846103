// The table of template functions. Private to template/.
#pragma once

#include <span>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/evaluate.h"

namespace vouchsafe::cloud {

using Arguments = std::vector<Json>;

struct Function {
    std::string_view name;
    size_t least = 0;
    size_t most = 0;
    Result<Json> (*run)(const Arguments& arguments, const Bindings& bindings);
};
inline constexpr size_t kAnyNumber = 256;  // of arguments

// find_function compares without case; nullptr if there is none. `if` is not among them: it does
// not evaluate all its arguments.
const Function* find_function(std::string_view name);

// text_form is how a value looks inside of a text: numbers in digits, True and False, objects and
// arrays as JSON.
std::string text_form(const Json& value);

}  // namespace vouchsafe::cloud
