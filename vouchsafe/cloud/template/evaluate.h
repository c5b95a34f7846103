// What the expressions of a template mean: its functions, and the values that stand for
// parameters, variables, loops and the place of a deployment (Azure's "Template functions"). Pure,
// except that who calls says how resources are looked up.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/cloud/template/expression.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxLoop = 800;  // rounds of a copy loop; Azure's limit

// Budget bounds what one deployment may compute: texts that double in each variable would
// otherwise fill the memory with a page of template.
struct Budget {
    size_t steps = 200'000;
    size_t bytes = 32 << 20;  // of values, counted whenever one is made

    Result<void> step();
    Result<void> spend(const Json& value);
};

// Bindings is what expressions can see.
struct Bindings {
    Json resource_group, subscription, tenant, deployment;  // the objects of these functions
    std::function<Result<Json>(const std::string& name)> parameter;
    std::function<Result<Json>(const std::string& name)> variable;
    // reference: the properties of a resource by id or name, or the whole. Absent where Azure does
    // not allow it (names, parameters, variables).
    std::function<Result<Json>(const std::string& resource, bool whole)> reference;
    std::map<std::string, int64_t> loops = {};  // by name, in lower case
    std::string innermost = {};                 // of the loops; "": none
    bool defaults = false;  // of parameters are evaluated: newGuid and utcNow work there alone
    std::string now = {};   // utcNow
    Budget* budget = nullptr;
};

// evaluate fails with Code::invalid for an unknown function, a wrong number or type of arguments,
// and when the budget is spent, and with what `parameter`, `variable` and `reference` fail with.
Result<Json> evaluate(const Expression& expression, const Bindings& bindings);

// evaluate_text takes a string as it stands in a template: an expression, or a text.
Result<Json> evaluate_text(std::string_view text, const Bindings& bindings);

// evaluate_tree evaluates all texts in a value, and the loops in objects: "copy":
// [{"name","count","input"}]. `path` is where it stands, for errors: "resources[0].properties".
Result<Json> evaluate_tree(const Json& value, const Bindings& bindings, const std::string& path);

// evaluate_loops makes the members that the array "copy" of an object stands for; nothing if there
// is none.
Result<Json> evaluate_loops(const Json& object, const Bindings& bindings, const std::string& path);

// check_functions tells whether all functions exist and have a number of arguments they can have.
Result<void> check_functions(const Expression& expression);

// make_resource_id is "{scope}/providers/{namespace}/{type}/{name}/{type}/{name}". Code::invalid
// unless a type "Namespace/type[/type]" has as many types as there are names.
Result<std::string> make_resource_id(std::string_view scope, std::string_view type,
                                     const std::vector<std::string>& names);
std::vector<std::string> split_path(std::string_view path);  // at '/', without empty parts

}  // namespace vouchsafe::cloud
