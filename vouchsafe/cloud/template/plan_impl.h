// The inside of Plan, shared by the files that do its parts: plan.cpp (values), order.cpp (which
// resources, in which order), nested.cpp (templates within it). Private to template/.
#pragma once

#include <map>
#include <set>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/parameters.h"
#include "vouchsafe/cloud/template/plan.h"

namespace vouchsafe::cloud {

inline constexpr std::string_view kDeploymentType = "Microsoft.Resources/deployments";

// References are first arguments of calls of reference, each once, by their text.
using References = std::map<std::string, Expression>;

// Step is a PlannedResource with what it takes to evaluate and to order it.
struct Step {
    PlannedResource planned;
    const Json* source = nullptr;  // as it stands in the template, borrowed from it
    std::string path;              // there
    std::string symbol;            // its name in a template with symbolic names
    std::string loop;              // the name of its copy loop, in lower case
    std::map<std::string, int64_t> loops;
    std::string parent;  // id of the resource it is written within
    std::string group;   // name of the resource group that a nested deployment names; "": the same
    bool wanted = true;  // its condition
    bool existing = false;  // it is only referred to
};

// Around is what a plan has of those that it is nested in.
struct Around {
    std::shared_ptr<Budget> budget;
    Plan::Group group;
    std::vector<std::string> within;  // ids of its deployment and those around it, in lower case
    bool literal = false;             // its texts were evaluated by the outer template
    std::set<std::string> unknown;    // parameters whose values are not known yet, in lower case
    Json written;                     // the template before that; null: as it is
};

struct Plan::Impl {
    Json document;
    Json given;  // parameters
    Place place;
    Around around;
    std::vector<Step> steps;  // in order, wanted ones
    std::vector<Step> unwanted, existing;
    // Numbers in `steps`, by what dependsOn and reference may call them, in lower case.
    std::map<std::string, std::vector<size_t>> by_symbol, by_name;
    std::map<std::string, size_t> existing_by_symbol;  // numbers in `existing`
    std::set<std::string> other_names;                 // of unwanted and existing ones
    std::vector<PlannedResource> resources;
    // What calls of reference in a resource name, read once for all rounds of its loop.
    std::map<const Json*, References> references;
    std::map<std::string, const Json*> own_functions;           // "namespace.name" in lower case
    mutable std::map<std::string, Json> parameters, variables;  // by name in lower case
    mutable std::set<std::string> under_way;                    // what is computed, against cycles

    // NestedPlan is what is known of the nested deployment with the same number in `steps`.
    struct NestedPlan {
        std::unique_ptr<Plan> plan;
        bool complete = false;  // nothing in it waits for a reference
    };
    mutable std::vector<NestedPlan> nested;

    // plan.cpp
    static Result<std::unique_ptr<Plan>> make(Json document, Json parameters, Place place,
                                              Around around);
    Bindings bindings(const Plan::Reference* reference = nullptr) const;
    Bindings bindings_of(const Step& step, const Plan::Reference* reference) const;
    Result<Json> parameter(const std::string& name) const;
    Result<Json> variable(const std::string& name) const;
    Result<Json> find_variable(const std::string& name) const;
    Result<Json> call_own(const std::string& name, const std::vector<Json>& arguments) const;
    Result<Json> run_own(const Json& function, const std::vector<Json>& arguments) const;
    Result<Json> resolve(const std::string& entry, bool whole,
                         const Plan::Reference& reference) const;
    Result<Json> resolve_loop(const std::string& entry, bool whole,
                              const Plan::Reference& reference) const;
    Result<Json> body(const Step& step, const Plan::Reference* reference) const;
    Result<void> read_functions();
    Result<void> read_parameters();
    Result<Json> default_of(const std::string& name, const Json& fallback) const;
    Result<void> read_parameter(const std::string& name, const Json& declared) const;
    Result<void> prepare();

    // order.cpp
    Result<void> add_all(const Json& resources, const std::string& path, const Step* parent);
    Result<void> add(const Json& source, const std::string& path, const std::string& symbol,
                     const Step* parent);
    Result<void> add_one(const Json& source, Step step, const Step* parent);
    Result<void> name_step(Step& step, const Step* parent) const;
    Result<std::string> scope_of(Step& step, const Bindings& see) const;
    Result<std::vector<std::string>> dependencies(const Step& step);
    const std::vector<size_t>* find_steps(const std::string& entry) const;
    const Step* find_existing(const std::string& entry) const;
    void index();
    Result<void> order();

    // nested.cpp
    // look_into_nested plans all nested deployments as far as they are known.
    Result<void> look_into_nested();
    Result<NestedPlan> plan_nested(const Step& step, const Plan::Reference& reference) const;
    Result<Place> place_of(const Step& step) const;
};

// text_of evaluates a text member of a step's source; Code::invalid if it is another thing or
// empty.
Result<std::string> text_of(const Step& step, const char* member, const Bindings& see);

// not_yet is the reference for what is evaluated before the deployment: Code::unavailable.
const Plan::Reference& not_yet();

// collect_references gathers the first argument of each call of reference. Nested templates that
// are evaluated by themselves have their own.
void collect_references(const Json& value, References& out);

}  // namespace vouchsafe::cloud
