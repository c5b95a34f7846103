#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/plan_impl.h"

namespace vouchsafe::cloud {

namespace {

// Members of a resource in a template that are not of the resource.
constexpr std::string_view kTemplateMembers[] = {"type",  "name",     "apiVersion", "dependsOn",
                                                 "copy",  "comments", "condition",  "resources",
                                                 "scope", "metadata", "existing"};

bool is_template_member(std::string_view name) {
    return std::find(std::begin(kTemplateMembers), std::end(kTemplateMembers), name) !=
           std::end(kTemplateMembers);
}

// Names are functions of the template's own.
using Names = std::set<std::string>;

// check_expressions reads every expression in a value, so that a mistake is told wherever it is.
// Nested templates that are evaluated by themselves are read when they are planned.
Result<void> check_expressions(const Json& value, const Names& own, const std::string& path) {
    if (value.is_string() && is_expression(value.get_ref<const std::string&>())) {
        Result<Expression> parsed = parse_expression(value.get_ref<const std::string&>());
        if (!parsed) return with_context(Result<void>(fail(parsed.error())), path);
        return with_context(check_functions(*parsed, own), path);
    }
    if (value.is_array()) {
        for (size_t i = 0; i < value.size(); ++i) {
            TRY(check_expressions(value[i], own, fmt::format("{}[{}]", path, i)));
        }
    }
    if (value.is_object()) {
        const bool apart = has_inner_scope(value);
        for (const auto& [name, member] : value.items()) {
            if (apart && equal_ignore_case(name, "template")) continue;
            TRY(check_expressions(member, own, path.empty() ? name : path + "." + name));
        }
    }
    return {};
}

Result<void> check_section(const Json& document, const char* name, size_t most) {
    const Json* found = find_member(document, name);
    if (found == nullptr) return {};
    if (!found->is_object()) {
        return fail(Code::invalid, "the template's '{}' is no object", name);
    }
    const Json* loops = find_member(*found, "copy");
    const size_t count =
        found->size() + (loops != nullptr && loops->is_array() ? loops->size() - 1 : 0);
    if (count <= most) return {};
    return fail(Code::invalid, "a template has at most {} {}", most, name);
}

}  // namespace

const Plan::Reference& not_yet() {
    static const Plan::Reference kNotYet = [](const std::string& id, bool) -> Result<Json> {
        return fail(Code::unavailable, "'{}' is not known before the deployment", id);
    };
    return kNotYet;
}

Bindings Plan::Impl::bindings(const Plan::Reference* reference) const {
    Bindings out;
    out.place = &place;
    out.parameter = [this](const std::string& name) { return parameter(name); };
    out.variable = [this](const std::string& name) { return variable(name); };
    out.own_function = [this](const std::string& name, const std::vector<Json>& arguments) {
        return call_own(name, arguments);
    };
    if (reference != nullptr) {
        out.reference = [this, reference](const std::string& entry, bool whole) {
            return resolve(entry, whole, *reference);
        };
        out.references = [this, reference](const std::string& entry, bool whole) {
            return resolve_loop(entry, whole, *reference);
        };
    }
    out.literal = around.literal;
    out.budget = around.budget.get();
    return out;
}

Bindings Plan::Impl::bindings_of(const Step& step, const Plan::Reference* reference) const {
    Bindings out = bindings(reference);
    out.loops = step.loops;
    out.innermost = step.loop;
    return out;
}

Result<Json> Plan::Impl::parameter(const std::string& name) const {
    auto known = parameters.find(to_lower(name));
    if (known != parameters.end()) return known->second;
    if (around.unknown.contains(to_lower(name))) {
        return fail(Code::unavailable, "'{}' is not known before the deployment", name);
    }
    // The default value of another parameter may name one whose turn has not come.
    const Json* all = find_member(document, "parameters");
    const Json* declared = all == nullptr ? nullptr : find_member_ignore_case(*all, name);
    if (declared == nullptr) {
        return fail(Code::invalid, "the template has no parameter '{}'", name);
    }
    TRY(read_parameter(name, *declared));
    return parameters.at(to_lower(name));
}

Result<Json> Plan::Impl::find_variable(const std::string& name) const {
    const Json* all = find_member(document, "variables");
    const Json* one = all == nullptr ? nullptr : find_member_ignore_case(*all, name);
    if (one != nullptr) return evaluate_tree(*one, bindings(), "variables." + name);
    const Json* copy = all == nullptr ? nullptr : find_member(*all, "copy");
    if (copy != nullptr && copy->is_array()) {
        for (const Json& loop : *copy) {
            if (!equal_ignore_case(text_or_empty(loop, "name"), name)) continue;
            const Json alone = {{"copy", Json::array({loop})}};
            Json made = TRY(evaluate_loops(alone, bindings(), "variables"));
            return made.front();
        }
    }
    return fail(Code::invalid, "the template has no variable '{}'", name);
}

Result<Json> Plan::Impl::variable(const std::string& name) const {
    const std::string key = to_lower(name);
    auto known = variables.find(key);
    if (known != variables.end()) return known->second;
    if (!under_way.insert(key).second) {
        return fail(Code::invalid, "the variable '{}' depends on itself", name);
    }
    Result<Json> found = find_variable(name);
    under_way.erase(key);
    Json value = TRY(std::move(found));
    variables[key] = value;
    return value;
}

Result<Json> Plan::Impl::run_own(const Json& function, const std::vector<Json>& arguments) const {
    std::map<std::string, Json> given_to;
    const Json none = Json::array();
    const Json* declared = find_member(function, "parameters");
    if (declared == nullptr) declared = &none;
    if (!declared->is_array() || declared->size() != arguments.size()) {
        return fail(Code::invalid, "it takes {} arguments, not {}", declared->size(),
                    arguments.size());
    }
    for (size_t i = 0; i < arguments.size(); ++i) {
        const std::string path = fmt::format("argument {}", i + 1);
        const Declaration declaration = TRY(Declaration::read(document, (*declared)[i], path));
        TRY(declaration.check(arguments[i], path));
        given_to[to_lower(text_or_empty((*declared)[i], "name"))] = arguments[i];
    }
    // It sees its parameters, and nothing else of the template. Bicep's call each other.
    Bindings see = bindings();
    see.parameter = [&](const std::string& name) -> Result<Json> {
        auto found = given_to.find(to_lower(name));
        if (found == given_to.end()) {
            return fail(Code::invalid, "the function has no parameter '{}'", name);
        }
        return found->second;
    };
    see.variable = [](const std::string&) -> Result<Json> {
        return fail(Code::invalid, "functions of the template's own see no variables");
    };
    if (find_member(document, "languageVersion") == nullptr) see.own_function = nullptr;
    const Json* output = find_member(function, "output");
    const Json* value = output == nullptr ? nullptr : find_member(*output, "value");
    if (value == nullptr) return fail(Code::invalid, "the function has no output with a value");
    Json made = TRY(evaluate_tree(*value, see, "output.value"));
    const Declaration declaration = TRY(Declaration::read(document, *output, "output"));
    TRY(declaration.check(made, "output"));
    return made;
}

Result<Json> Plan::Impl::call_own(const std::string& name,
                                  const std::vector<Json>& arguments) const {
    const std::string key = to_lower(name);
    auto found = own_functions.find(key);
    if (found == own_functions.end()) {
        return fail(Code::invalid, "the template has no such function");
    }
    if (!under_way.insert(key).second) return fail(Code::invalid, "the function calls itself");
    Result<Json> out = run_own(*found->second, arguments);
    under_way.erase(key);
    return out;
}

Result<Json> Plan::Impl::resolve(const std::string& entry, bool whole,
                                 const Plan::Reference& reference) const {
    if (const std::vector<size_t>* known = find_steps(entry)) {
        return reference(steps[known->front()].planned.id, whole);
    }
    if (const Step* known = find_existing(entry)) return reference(known->planned.id, whole);
    if (!entry.starts_with('/')) {
        return fail(Code::invalid, "reference: the template defines no resource '{}'", entry);
    }
    return reference(entry, whole);
}

Result<Json> Plan::Impl::resolve_loop(const std::string& entry, bool whole,
                                      const Plan::Reference& reference) const {
    const std::vector<size_t>* known = find_steps(entry);
    if (known == nullptr || steps[known->front()].loop.empty()) {
        return fail(Code::invalid, "references: the template has no copy loop '{}'", entry);
    }
    std::map<int64_t, std::string> ids;  // by round
    for (size_t i : *known) ids[steps[i].loops.at(steps[i].loop)] = steps[i].planned.id;
    Json out = Json::array();
    for (const auto& [round, id] : ids) out.push_back(TRY(reference(id, whole)));
    return out;
}

// What waits for something that is not known before the deployment is left out.
Result<Json> Plan::Impl::body(const Step& step, const Plan::Reference* reference) const {
    const Bindings see = bindings_of(step, reference == nullptr ? &not_yet() : reference);
    Json out = Json::object();
    for (const auto& [name, member] : step.source->items()) {
        if (is_template_member(name)) continue;
        Result<Json> made = evaluate_tree(member, see, step.path + "." + name);
        if (!made && reference == nullptr && made.error().code == Code::unavailable) continue;
        out[name] = TRY(std::move(made));
    }
    // Copies of one large resource are as large as they are many.
    TRY(with_context(around.budget->spend(out), step.path));
    return out;
}

// Functions of a template's own: [{"namespace", "members": {"name": {"parameters", "output"}}}].
Result<void> Plan::Impl::read_functions() {
    const Json* listed = find_member(document, "functions");
    if (listed == nullptr) return {};
    if (!listed->is_array()) return fail(Code::invalid, "the template's 'functions' is no array");
    for (size_t i = 0; i < listed->size(); ++i) {
        const std::string space = text_or_empty((*listed)[i], "namespace");
        const Json* members = find_member((*listed)[i], "members");
        if (space.empty() || members == nullptr || !members->is_object()) {
            return fail(Code::invalid, "functions[{}]: it has no namespace or no members", i);
        }
        for (const auto& [name, function] : members->items()) {
            own_functions[to_lower(space + "." + name)] = &function;
        }
    }
    return {};
}

Result<Json> Plan::Impl::default_of(const std::string& name, const Json& fallback) const {
    const std::string path = "parameters." + name;
    if (!under_way.insert(path).second) {
        return fail(Code::invalid, "{}: it depends on itself", path);
    }
    Bindings see = bindings();
    see.defaults = true;
    Result<Json> out = evaluate_tree(fallback, see, path + ".defaultValue");
    under_way.erase(path);
    return out;
}

Result<void> Plan::Impl::read_parameter(const std::string& name, const Json& declared) const {
    const std::string path = "parameters." + name;
    const Declaration declaration = TRY(Declaration::read(document, declared, path));
    const std::string key = to_lower(name);
    if (around.unknown.contains(key) || parameters.contains(key)) return {};
    const Json* argument = find_member_ignore_case(given, name);
    const Json* value = argument == nullptr ? nullptr : find_member(*argument, "value");
    const Json* fallback = find_member(declared, "defaultValue");
    if (value == nullptr && fallback == nullptr && !declaration.nullable()) {
        return fail(Code::invalid, "{}: it has neither a value nor a default", path);
    }
    Json made;
    if (value != nullptr) {
        made = *value;
    } else if (fallback != nullptr) {
        made = TRY(default_of(key, *fallback));
    }
    TRY(declaration.check(made, path));
    parameters[key] = std::move(made);
    return {};
}

Result<void> Plan::Impl::read_parameters() {
    const Json none = Json::object();
    const Json* declared = find_member(document, "parameters");
    if (declared == nullptr) declared = &none;
    for (const auto& [name, argument] : given.items()) {
        if (find_member_ignore_case(*declared, name) == nullptr) {
            return fail(Code::invalid, "parameters.{}: the template has no such parameter", name);
        }
        if (find_member(argument, "reference") != nullptr) {
            return fail(Code::invalid, "parameters.{}: values from a vault are not supported",
                        name);
        }
    }
    for (const auto& [name, declaration] : declared->items()) {
        TRY(read_parameter(name, declaration));
    }
    return {};
}

Result<void> Plan::Impl::prepare() {
    TRY(read_functions());
    Names own;
    for (const auto& [name, function] : own_functions) own.insert(name);
    if (!around.literal) TRY(check_expressions(document, own, ""));
    TRY(read_parameters());
    const Json* listed = find_member(document, "resources");
    if (listed == nullptr || !listed->is_structured()) {
        return fail(Code::invalid, "the template has no 'resources'");
    }
    TRY(add_all(*listed, "resources", nullptr));
    TRY(order());
    return look_into_nested();
}

Result<std::unique_ptr<Plan>> Plan::Impl::make(Json document, Json parameters, Place place,
                                               Around around) {
    if (!document.is_object()) return fail(Code::invalid, "the template is no object");
    if (parameters.is_null()) parameters = Json::object();
    if (!parameters.is_object()) return fail(Code::invalid, "the parameters are no object");
    TRY(check_section(document, "parameters", kMaxTemplateParameters));
    TRY(check_section(document, "variables", kMaxTemplateVariables));
    TRY(check_section(document, "outputs", kMaxTemplateOutputs));
    auto impl = std::make_unique<Impl>();
    impl->document = std::move(document);
    impl->given = std::move(parameters);
    impl->place = std::move(place);
    impl->around = std::move(around);
    TRY(impl->prepare());
    return std::unique_ptr<Plan>(new Plan(std::move(impl)));
}

Plan::Plan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Plan::~Plan() = default;

Result<std::unique_ptr<Plan>> Plan::make(Json document, Json parameters, Place place, Group group) {
    Around around;
    around.budget = std::make_shared<Budget>();
    around.group = std::move(group);
    around.within = {
        to_lower(fmt::format("{}/providers/{}/{}", text_or_empty(place.resource_group, "id"),
                             kDeploymentType, place.deployment))};
    return Impl::make(std::move(document), std::move(parameters), std::move(place),
                      std::move(around));
}

const std::vector<PlannedResource>& Plan::resources() const {
    return impl_->resources;
}
const Json& Plan::document() const {
    return impl_->around.written.is_null() ? impl_->document : impl_->around.written;
}

Result<Json> Plan::body(size_t index, const Reference& reference) const {
    return impl_->body(impl_->steps.at(index), &reference);
}

Result<void> Plan::check(size_t index) const {
    const Step& step = impl_->steps.at(index);
    if (!step.planned.deployment) {
        TRY(impl_->body(step, nullptr));
        return {};
    }
    const Plan* inner = known_nested(index);
    for (size_t i = 0; inner != nullptr && i < inner->resources().size(); ++i) {
        TRY(with_context(inner->check(i), step.path + ".properties.template"));
    }
    return {};
}

Result<Json> Plan::outputs(const Reference& reference) const {
    Json out = Json::object();
    const Json* declared = find_member(impl_->document, "outputs");
    if (declared == nullptr) return out;
    const Bindings see = impl_->bindings(&reference);
    for (const auto& [name, output] : declared->items()) {
        const std::string path = "outputs." + name;
        if (const Json* condition = find_member(output, "condition")) {
            if (TRY(evaluate_tree(*condition, see, path + ".condition")) != Json(true)) continue;
        }
        const Json* value = find_member(output, "value");
        const Json* copy = find_member(output, "copy");
        if (copy != nullptr && copy->is_object()) {
            Json loop = *copy;
            loop["name"] = "value";
            const Json alone = {{"copy", Json::array({loop})}};
            out[name] = TRY(evaluate_loops(alone, see, path));
        } else if (value != nullptr) {
            out[name]["value"] = TRY(evaluate_tree(*value, see, path + ".value"));
        } else {
            return fail(Code::invalid, "{}: an output has a value", path);
        }
        const Declaration declaration = TRY(Declaration::read(impl_->document, output, path));
        out[name]["type"] = text_or_empty(*declaration.type_of, "type");
        if (declaration.type->secure) out[name].erase("value");
    }
    TRY(check_depth(out));
    return out;
}

Json Plan::shown_parameters() const {
    Json out = Json::object();
    const Json* declared = find_member(impl_->document, "parameters");
    if (declared == nullptr) return out;
    for (const auto& [name, declared_one] : declared->items()) {
        const Declaration declaration =
            MUST(Declaration::read(impl_->document, declared_one, name));
        out[name] = {{"type", text_or_empty(*declaration.type_of, "type")}};
        auto known = impl_->parameters.find(to_lower(name));
        if (declaration.type->secure || known == impl_->parameters.end()) continue;
        out[name]["value"] = known->second;
    }
    return out;
}

}  // namespace vouchsafe::cloud
