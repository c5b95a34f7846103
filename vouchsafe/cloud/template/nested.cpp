// Templates within a template: resources of the type Microsoft.Resources/deployments.
//
// With inner scope (what Bicep makes of a module), the nested template sees its own parameters and
// variables, and the values of its parameters are expressions of the outer one. With outer scope,
// the default, all its expressions are the outer template's; what they come to is taken as it is.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/plan_impl.h"

namespace vouchsafe::cloud {

namespace {

// check_properties tells whether a nested deployment has a template that can be looked into.
Result<void> check_properties(const Json& properties, const std::string& path) {
    for (const char* link : {"templateLink", "parametersLink"}) {
        if (find_member_ignore_case(properties, link) == nullptr) continue;
        return fail(Code::invalid,
                    "{}.{}: linked templates are not supported, only those that stand in "
                    "properties.template",
                    path, link);
    }
    const Json* document = find_member(properties, "template");
    if (document == nullptr || !document->is_object()) {
        return fail(Code::invalid, "{}.template: a template is wanted", path);
    }
    const Json* options = find_member_ignore_case(properties, "expressionEvaluationOptions");
    if (options == nullptr || has_inner_scope(properties)) return {};
    const Json* scope = find_member_ignore_case(*options, "scope");
    for (const char* known : {"outer", "notSpecified"}) {
        if (scope == nullptr || (scope->is_string() &&
                                 equal_ignore_case(scope->get_ref<const std::string&>(), known))) {
            return {};
        }
    }
    return fail(Code::invalid, "{}.expressionEvaluationOptions.scope: 'inner' or 'outer' is wanted",
                path);
}

Result<void> check_mode(const Json& properties, const Bindings& see, const std::string& path) {
    const Json* given = find_member(properties, "mode");
    if (given == nullptr) return {};
    Json mode = TRY(evaluate_tree(*given, see, path + ".mode"));
    if (mode.is_string() && equal_ignore_case(mode.get_ref<const std::string&>(), "Incremental")) {
        return {};
    }
    return fail(Code::invalid, "{}.mode: only Incremental is supported", path);
}

// Given is what a nested template is given for its parameters.
struct Given {
    Json values = Json::object();
    std::set<std::string> unknown;  // in lower case: they wait for a reference
};

Result<Given> evaluate_given(const Json& properties, const Bindings& see, const std::string& path) {
    Given out;
    const Json* given = find_member(properties, "parameters");
    if (given == nullptr) return out;
    if (!given->is_object()) return fail(Code::invalid, "{}.parameters: an object is wanted", path);
    for (const auto& [name, argument] : given->items()) {
        Result<Json> value =
            evaluate_tree(argument, see, fmt::format("{}.parameters.{}", path, name));
        if (!value && value.error().code == Code::unavailable) {
            out.unknown.insert(to_lower(name));
            out.values[name] = Json::object();
        } else {
            out.values[name] = TRY(std::move(value));
        }
    }
    return out;
}

}  // namespace

Result<Place> Plan::Impl::place_of(const Step& step) const {
    Place out = place;
    out.deployment = step.planned.name;
    if (step.group.empty() ||
        equal_ignore_case(step.group, text_or_empty(place.resource_group, "name"))) {
        return out;
    }
    if (!around.group) {
        return fail(Code::invalid, "there is no resource group '{}'", step.group);
    }
    out.resource_group = TRY(around.group(step.group));
    return out;
}

Result<Plan::Impl::NestedPlan> Plan::Impl::plan_nested(const Step& step,
                                                       const Plan::Reference& reference) const {
    if (around.within.size() > kMaxNestedLevels) {
        return fail(Code::invalid, "{}: more than {} levels of nested deployments", step.path,
                    kMaxNestedLevels);
    }
    const std::string path = step.path + ".properties";
    const Json* properties = find_member(*step.source, "properties");
    if (properties == nullptr) return fail(Code::invalid, "{}: it has no 'properties'", step.path);
    TRY(check_properties(*properties, path));
    const Bindings see = bindings_of(step, &reference);
    TRY(check_mode(*properties, see, path));
    Around inner{around.budget, around.group, around.within, false, {}, nullptr};
    inner.within.push_back(to_lower(step.planned.id));
    inner.literal = !has_inner_scope(*properties);
    Given given_to = TRY(evaluate_given(*properties, see, path));
    inner.unknown = std::move(given_to.unknown);
    const bool complete = inner.unknown.empty();
    Json inside = properties->at("template");
    TRY(around.budget->spend(inside));
    if (inner.literal) {
        inner.written = inside;
        inside = TRY(evaluate_tree(inside, see, path + ".template"));
    }
    Place place_there = TRY(with_context(place_of(step), step.path));
    Result<std::unique_ptr<Plan>> made = Impl::make(std::move(inside), std::move(given_to.values),
                                                    std::move(place_there), std::move(inner));
    return NestedPlan{TRY(with_context(std::move(made), path + ".template")), complete};
}

Result<void> Plan::Impl::look_into_nested() {
    nested.resize(steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
        if (!steps[i].planned.deployment) continue;
        const size_t before = around.budget->resources;
        Result<NestedPlan> known = plan_nested(steps[i], not_yet());
        if (!known && known.error().code != Code::unavailable) return fail(known.error());
        if (known) nested[i] = std::move(*known);
        // What must be planned again when its turn comes is counted then.
        if (!nested[i].complete) around.budget->resources = before;
    }
    return {};
}

Result<const Plan*> Plan::nested(size_t index, const Reference& reference) const {
    Impl::NestedPlan& known = impl_->nested.at(index);
    if (!known.complete) known = TRY(impl_->plan_nested(impl_->steps.at(index), reference));
    return known.plan.get();
}

const Plan* Plan::known_nested(size_t index) const {
    return impl_->nested.at(index).plan.get();
}

}  // namespace vouchsafe::cloud
