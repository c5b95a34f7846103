// A deployment template, taken apart into the resources to make and the order to make them in:
// parameters, variables, loops, conditions, children, dependsOn, and the templates nested in it,
// each a plan of its own. Pure but for what `reference` is given to look resources up with.
//
// Not here, and refused by name: linked templates, list*() functions, parameters from a vault,
// deployments into another subscription or outside of resource groups.
#pragma once

#include <memory>

#include "vouchsafe/cloud/template/evaluate.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxNestedLevels = 5;  // of deployments within a deployment; Azure's limit
// Azure's limits, of each template by itself.
inline constexpr size_t kMaxTemplateParameters = 256;
inline constexpr size_t kMaxTemplateVariables = 256;
inline constexpr size_t kMaxTemplateOutputs = 64;
inline constexpr size_t kMaxDeploymentName = 64;  // characters; Azure's limit

// PlannedResource is one resource to make. Its body is not evaluated before its turn comes.
struct PlannedResource {
    std::string id;
    std::string type, name;  // "a/b" of a child
    std::string api_version;
    bool deployment = false;  // a nested one: see Plan::nested
};

// Plan is not thread-safe, for its values are found as they are needed.
class Plan {
  public:
    // Reference finds the properties of a resource, or the whole. Code::unavailable tells that it
    // is not known yet.
    using Reference = std::function<Result<Json>(const std::string& id, bool whole)>;
    // Group returns the object of another resource group that a nested template goes to:
    // Code::not_found, or Code::forbidden for who may not deploy there.
    using Group = std::function<Result<Json>(const std::string& name)>;

    // make evaluates what names and orders the resources, reads every expression, and does the same
    // with the nested templates, as far as their parameters are known before anything is deployed.
    // `parameters` is an object of {"value": ...}. Code::invalid with the place in the template: an
    // unknown or missing parameter, a cycle in dependsOn, an unknown function. Else what `group`
    // fails with.
    static Result<std::unique_ptr<Plan>> make(Json document, Json parameters, Place place,
                                              Group group = {});
    ~Plan();

    // resources are in an order in which each comes after what it depends on; those whose condition
    // is false are not among them.
    const std::vector<PlannedResource>& resources() const;

    // body is what to put, of resource number `index`; `reference` finds those that exist. check is
    // body for a template that is not deployed yet: what needs a reference is left out. Of a nested
    // deployment, check goes through all of its resources.
    Result<Json> body(size_t index, const Reference& reference) const;
    Result<void> check(size_t index) const;
    // nested is the plan of resource number `index`, a deployment whose turn has come. This plan
    // owns it. known_nested is it as far as it is known now, or nullptr.
    Result<const Plan*> nested(size_t index, const Reference& reference) const;
    const Plan* known_nested(size_t index) const;
    // outputs is {"name": {"type", "value"}}, secure ones without a value.
    Result<Json> outputs(const Reference& reference) const;
    // parameters as an answer shows them: {"name": {"type", "value"}}, secure ones without a value.
    Json shown_parameters() const;
    // document is the template as it was written. An outer template's secrets may have gone into
    // one with outer scope, and the document is there for everybody to read.
    const Json& document() const;

    struct Impl;

  private:
    explicit Plan(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::cloud
