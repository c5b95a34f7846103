// What the expressions of a template mean: its functions, and the values that stand for
// parameters, variables, loops and the place of a deployment (Azure's "Template functions"). Pure,
// except that who calls says how resources are looked up.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/expression.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxLoop = 800;              // rounds of a copy loop; Azure's limit
inline constexpr size_t kMaxPlannedResources = 800;  // of a deployment; Azure's limit
// An expression that names a variable, that names the next one, and so on, takes stack.
inline constexpr size_t kMaxNesting = 400;  // evaluations within each other
// A record has room for two such values within each other, and its own members.
inline constexpr size_t kMaxValueDepth = 48;  // levels of arrays and objects in a value

// Budget bounds what one deployment may compute and make, with all that is nested in it: texts that
// double in each variable would otherwise fill the memory with a page of template.
struct Budget {
    size_t steps = 200'000;
    size_t bytes = 32 << 20;  // of values, counted whenever one is made
    size_t resources = kMaxPlannedResources;
    size_t nesting = 0;  // of evaluations at this moment

    Result<void> step();
    // spend fails for a value that is too deep, too.
    Result<void> spend(const Json& value);
};

// Place is where a template is deployed.
struct Place {
    Json resource_group, subscription, tenant;  // what the functions of these names return
    std::string deployment;                     // its name
    std::string now;                            // for utcNow: "20260701T120000Z"
    std::vector<std::string> regions = {};      // those with zones, for pickZones
    Json deployer = nullptr;                    // what the function of this name returns
};

// LambdaScope holds the variables of a lambda under way, and leads to those around it.
struct LambdaScope {
    const LambdaScope* outer = nullptr;
    std::vector<std::pair<std::string, const Json*>> variables;  // borrowed; names in lower case
};

// Bindings is what expressions can see.
struct Bindings {
    const Place* place = nullptr;  // borrowed
    std::function<Result<Json>(const std::string& name)> parameter = {};
    std::function<Result<Json>(const std::string& name)> variable = {};
    // reference: the properties of a resource by id or name, or the whole. Absent where Azure does
    // not allow it (names, parameters, variables).
    std::function<Result<Json>(const std::string& resource, bool whole)> reference = {};
    // references: an array of those, for a copy loop with a symbolic name.
    std::function<Result<Json>(const std::string& loop, bool whole)> references = {};
    // Functions of the template's own, by "namespace.name".
    std::function<Result<Json>(const std::string& name, const std::vector<Json>& arguments)>
        own_function = {};
    std::map<std::string, int64_t> loops = {};  // by name, in lower case
    std::string innermost = {};                 // of the loops; "": none
    const LambdaScope* lambda = nullptr;        // borrowed
    bool defaults = false;  // of parameters are evaluated: newGuid and utcNow work there alone
    // All texts mean themselves: they are what an outer template's expressions came to.
    bool literal = false;
    Budget* budget = nullptr;
};

// evaluate fails with Code::invalid for an unknown function, a wrong number or type of arguments,
// and when the budget is spent, and with what `parameter`, `variable` and `reference` fail with.
Result<Json> evaluate(const Expression& expression, const Bindings& bindings);

// evaluate_text takes a string as it stands in a template: an expression, or a text.
Result<Json> evaluate_text(std::string_view text, const Bindings& bindings);

// evaluate_tree evaluates all texts in a value, and the loops in objects: "copy":
// [{"name","count","input"}]. `path` is where it stands, for errors: "resources[0].properties".
// A nested template that is evaluated by itself stays as it is (has_inner_scope).
Result<Json> evaluate_tree(const Json& value, const Bindings& bindings, const std::string& path);

// evaluate_loops makes the members that the array "copy" of an object stands for; nothing if there
// is none.
Result<Json> evaluate_loops(const Json& object, const Bindings& bindings, const std::string& path);

// has_inner_scope tells of the properties of a nested deployment whether its template is evaluated
// by itself: "expressionEvaluationOptions": {"scope": "inner"}.
bool has_inner_scope(const Json& properties);

// check_functions tells whether all functions exist and have a number of arguments they can have.
// `own` are the names of those that the template defines, in lower case.
Result<void> check_functions(const Expression& expression, const std::set<std::string>& own = {});

// check_depth refuses a value that has more than kMaxValueDepth levels.
Result<void> check_depth(const Json& value);

// make_resource_id is "{scope}/providers/{namespace}/{type}/{name}/{type}/{name}". Code::invalid
// unless a type "Namespace/type[/type]" has as many types as there are names.
Result<std::string> make_resource_id(std::string_view scope, std::string_view type,
                                     const std::vector<std::string>& names);
std::vector<std::string> split_path(std::string_view path);  // at '/', without empty parts

}  // namespace vouchsafe::cloud
