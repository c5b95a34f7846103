// A deployment template, taken apart into the resources to make and the order to make them in:
// parameters, variables, loops, conditions, children, dependsOn. Pure but for what `reference` is
// given to look resources up with.
//
// Not here, and refused by name: nested and linked templates, functions of a template's own,
// list*() functions, parameters from a vault.
#pragma once

#include <memory>

#include "vouchsafe/cloud/template/evaluate.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxPlannedResources = 800;  // of a template; Azure's limit

// Place is where a template is deployed.
struct Place {
    Json resource_group, subscription, tenant;  // what the functions of these names return
    std::string deployment;                     // its name
    std::string now;                            // for utcNow: "20260701T120000Z"
};

// PlannedResource is one resource to make. Its body is not evaluated before its turn comes.
struct PlannedResource {
    std::string id;
    std::string type, name;  // "a/b" of a child
    std::string api_version;
};

// Plan is immutable, and not thread-safe, for its values are found as they are needed.
class Plan {
  public:
    using Reference = std::function<Result<Json>(const std::string& id, bool whole)>;

    // make evaluates what names and orders the resources, and reads every expression. `parameters`
    // is an object of {"value": ...}. Code::invalid with the place in the template: an unknown or
    // missing parameter, a cycle in dependsOn, an unknown function.
    static Result<std::unique_ptr<Plan>> make(Json document, Json parameters, Place place);
    ~Plan();

    // resources are in an order in which each comes after what it depends on; those whose condition
    // is false are not among them.
    const std::vector<PlannedResource>& resources() const;

    // body is what to put, of resource number `index`; `reference` finds those that exist. check is
    // body for a template that is not deployed yet: what needs a reference is left out.
    Result<Json> body(size_t index, const Reference& reference) const;
    Result<void> check(size_t index) const;
    // outputs is {"name": {"type", "value"}}.
    Result<Json> outputs(const Reference& reference) const;
    // parameters as an answer shows them: {"name": {"type", "value"}}, secure ones without a value.
    Json shown_parameters() const;
    const Json& document() const;

  private:
    struct Impl;
    explicit Plan(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::cloud
