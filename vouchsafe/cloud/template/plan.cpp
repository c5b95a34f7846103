#include "vouchsafe/cloud/template/plan.h"

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

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

struct ParameterType {
    std::string_view name;
    bool (*fits)(const Json&);
    bool secure = false;
};
constexpr ParameterType kParameterTypes[] = {
    {"string", [](const Json& value) { return value.is_string(); }},
    {"securestring", [](const Json& value) { return value.is_string(); }, true},
    {"int", [](const Json& value) { return value.is_number_integer(); }},
    {"bool", [](const Json& value) { return value.is_boolean(); }},
    {"array", [](const Json& value) { return value.is_array(); }},
    {"object", [](const Json& value) { return value.is_object(); }},
    {"secureobject", [](const Json& value) { return value.is_object(); }, true},
};

Result<const ParameterType*> parameter_type(const Json& declared, std::string_view name) {
    const std::string type = text_or_empty(declared, "type");
    for (const ParameterType& row : kParameterTypes) {
        if (equal_ignore_case(row.name, type)) return &row;
    }
    return fail(Code::invalid, "parameters.{}: there is no type '{}'", name, show_json(type));
}

// check_bound compares a parameter's value with minValue and its kin, where they stand.
Result<void> check_bound(const Json& declared, const char* bound, int64_t measure, bool least,
                         std::string_view name) {
    const Json* limit = find_member(declared, bound);
    if (limit == nullptr || !limit->is_number_integer()) return {};
    const bool ok = least ? measure >= limit->get<int64_t>() : measure <= limit->get<int64_t>();
    if (!ok) {
        return fail(Code::invalid, "parameters.{}: the value does not keep {} {}", name, bound,
                    limit->get<int64_t>());
    }
    return {};
}

Result<void> check_value(const Json& declared, const Json& value, std::string_view name) {
    const ParameterType& type = *TRY(parameter_type(declared, name));
    if (!type.fits(value)) {
        return fail(Code::invalid, "parameters.{}: the value is no {}", name, type.name);
    }
    const Json* allowed = find_member(declared, "allowedValues");
    if (allowed != nullptr && allowed->is_array() &&
        std::find(allowed->begin(), allowed->end(), value) == allowed->end()) {
        return fail(Code::invalid, "parameters.{}: the value is not one of allowedValues", name);
    }
    if (value.is_number_integer()) {
        TRY(check_bound(declared, "minValue", value.get<int64_t>(), true, name));
        TRY(check_bound(declared, "maxValue", value.get<int64_t>(), false, name));
    }
    if (value.is_string() || value.is_array()) {
        const auto length = static_cast<int64_t>(
            value.is_string() ? value.get_ref<const std::string&>().size() : value.size());
        TRY(check_bound(declared, "minLength", length, true, name));
        TRY(check_bound(declared, "maxLength", length, false, name));
    }
    return {};
}

// check_expressions reads every expression in a value, so that a mistake is told wherever it is.
Result<void> check_expressions(const Json& value, const std::string& path) {
    if (value.is_string() && is_expression(value.get_ref<const std::string&>())) {
        Result<Expression> parsed = parse_expression(value.get_ref<const std::string&>());
        if (!parsed) return with_context(Result<void>(fail(parsed.error())), path);
        return with_context(check_functions(*parsed), path);
    }
    if (value.is_array()) {
        for (size_t i = 0; i < value.size(); ++i) {
            TRY(check_expressions(value[i], fmt::format("{}[{}]", path, i)));
        }
    }
    if (value.is_object()) {
        for (const auto& [name, member] : value.items()) {
            TRY(check_expressions(member, path.empty() ? name : path + "." + name));
        }
    }
    return {};
}

// collect_references gathers the first argument of each call of reference.
void collect_references(const Expression& expression, std::vector<Expression>& out) {
    if (expression.kind == Expression::Kind::call &&
        equal_ignore_case(expression.word, "reference") && !expression.parts.empty()) {
        out.push_back(expression.parts[0]);
    }
    for (const Expression& part : expression.parts) collect_references(part, out);
}
void collect_references(const Json& value, std::vector<Expression>& out) {
    if (value.is_string() && is_expression(value.get_ref<const std::string&>())) {
        Result<Expression> parsed = parse_expression(value.get_ref<const std::string&>());
        if (parsed) collect_references(*parsed, out);
    } else if (value.is_structured()) {
        for (const Json& item : value) collect_references(item, out);
    }
}

// Step is a PlannedResource with what it takes to evaluate and to order it.
struct Step {
    PlannedResource planned;
    Json source;         // as it stands in the template
    std::string path;    // there
    std::string symbol;  // its name in a template with symbolic names
    std::string loop;    // the name of its copy loop, in lower case
    std::map<std::string, int64_t> loops;
    std::string parent;  // id of the resource it is written within
    bool wanted = true;  // its condition
};

// after_providers is "Type/name/..." of an id.
std::string_view after_providers(std::string_view id) {
    constexpr std::string_view kMark = "/providers/";
    const size_t at = id.rfind(kMark);
    return at == std::string_view::npos ? id : id.substr(at + kMark.size());
}

// names_of are the ways in which dependsOn and reference may mean this step, in lower case.
std::set<std::string> names_of(const Step& step) {
    const PlannedResource& planned = step.planned;
    std::set<std::string> out = {to_lower(planned.id), to_lower(after_providers(planned.id)),
                                 to_lower(planned.type + "/" + planned.name),
                                 to_lower(planned.name)};
    if (!step.symbol.empty()) out.insert(to_lower(step.symbol));
    if (!step.loop.empty()) out.insert(step.loop);
    return out;
}

}  // namespace

struct Plan::Impl {
    Json document;
    Json given;  // parameters
    Place place;
    std::vector<Step> steps;  // in order, wanted ones
    std::vector<Step> unwanted;
    std::map<std::string, std::vector<size_t>> by_name;  // numbers in `steps`, see names_of
    std::set<std::string> unwanted_names;
    std::vector<PlannedResource> resources;
    mutable Budget budget;
    mutable std::map<std::string, Json> parameters, variables;  // by name in lower case
    mutable std::set<std::string> under_way;                    // variables, against cycles

    Bindings bindings(const Plan::Reference* reference = nullptr) const;
    Result<Json> parameter(const std::string& name) const;
    Result<Json> variable(const std::string& name) const;
    Result<Json> find_variable(const std::string& name) const;
    Result<Json> resolve(const std::string& entry, bool whole,
                         const Plan::Reference& reference) const;
    Bindings bindings_of(const Step& step, const Plan::Reference* reference) const;
    Result<Json> body(const Step& step, const Plan::Reference* reference) const;

    Result<void> prepare();
    Result<void> add_all(const Json& resources, const std::string& path, const Step* parent);
    Result<void> add(const Json& source, const std::string& path, const std::string& symbol,
                     const Step* parent);
    Result<void> add_one(const Json& source, Step step, const Step* parent);
    Result<void> name_step(Step& step, const Step* parent) const;
    Result<std::vector<std::string>> dependencies(const Step& step) const;
    void index();
    Result<void> order();
};

Bindings Plan::Impl::bindings(const Plan::Reference* reference) const {
    Bindings out;
    out.resource_group = place.resource_group;
    out.subscription = place.subscription;
    out.tenant = place.tenant;
    out.deployment = {{"name", place.deployment}};
    out.now = place.now;
    out.parameter = [this](const std::string& name) { return parameter(name); };
    out.variable = [this](const std::string& name) { return variable(name); };
    if (reference != nullptr) {
        out.reference = [this, reference](const std::string& entry, bool whole) {
            return resolve(entry, whole, *reference);
        };
    }
    out.budget = &budget;
    return out;
}

Result<Json> Plan::Impl::parameter(const std::string& name) const {
    auto known = parameters.find(to_lower(name));
    if (known == parameters.end()) {
        return fail(Code::invalid, "the template has no parameter '{}'", name);
    }
    return known->second;
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

Result<Json> Plan::Impl::resolve(const std::string& entry, bool whole,
                                 const Plan::Reference& reference) const {
    auto known = by_name.find(to_lower(entry));
    if (known != by_name.end()) return reference(steps[known->second.front()].planned.id, whole);
    if (!entry.starts_with('/')) {
        return fail(Code::invalid, "reference: the template defines no resource '{}'", entry);
    }
    return reference(entry, whole);
}

Bindings Plan::Impl::bindings_of(const Step& step, const Plan::Reference* reference) const {
    Bindings out = bindings(reference);
    out.loops = step.loops;
    out.innermost = step.loop;
    return out;
}

Result<Json> Plan::Impl::body(const Step& step, const Plan::Reference* reference) const {
    const Bindings see = bindings_of(step, reference);
    Json out = Json::object();
    for (const auto& [name, member] : step.source.items()) {
        if (is_template_member(name)) continue;
        std::vector<Expression> references;
        collect_references(member, references);
        if (reference == nullptr && !references.empty()) continue;
        out[name] = TRY(evaluate_tree(member, see, step.path + "." + name));
    }
    return out;
}

Result<void> Plan::Impl::prepare() {
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
        const Json* argument = find_member_ignore_case(given, name);
        const Json* value = argument == nullptr ? nullptr : find_member(*argument, "value");
        Json made;
        if (value != nullptr) {
            made = *value;
        } else if (const Json* fallback = find_member(declaration, "defaultValue")) {
            Bindings see = bindings();
            see.defaults = true;
            made = TRY(evaluate_tree(*fallback, see, "parameters." + name + ".defaultValue"));
        } else {
            return fail(Code::invalid, "parameters.{}: it has neither a value nor a default", name);
        }
        TRY(check_value(declaration, made, name));
        parameters[to_lower(name)] = std::move(made);
    }

    const Json* listed = find_member(document, "resources");
    if (listed == nullptr || !listed->is_structured()) {
        return fail(Code::invalid, "the template has no 'resources'");
    }
    TRY(add_all(*listed, "resources", nullptr));
    return order();
}

Result<void> Plan::Impl::add_all(const Json& listed, const std::string& path, const Step* parent) {
    if (listed.is_array()) {
        for (size_t i = 0; i < listed.size(); ++i) {
            TRY(add(listed[i], fmt::format("{}[{}]", path, i), "", parent));
        }
        return {};
    }
    for (const auto& [symbol, source] : listed.items()) {
        TRY(add(source, fmt::format("{}.{}", path, symbol), symbol, parent));
    }
    return {};
}

Result<void> Plan::Impl::add(const Json& source, const std::string& path, const std::string& symbol,
                             const Step* parent) {
    if (!source.is_object()) return fail(Code::invalid, "{}: a resource is an object", path);
    const Json* existing = find_member(source, "existing");
    if (existing != nullptr && *existing == Json(true)) return {};
    Step step;
    step.path = path;
    step.symbol = symbol;
    if (parent != nullptr) step.loops = parent->loops;
    const Json* copy = find_member(source, "copy");
    if (copy == nullptr) return add_one(source, std::move(step), parent);

    step.loop = to_lower(text_or_empty(*copy, "name"));
    const Json* wanted = find_member(*copy, "count");
    if (step.loop.empty() || wanted == nullptr) {
        return fail(Code::invalid, "{}.copy: a loop has name and count", path);
    }
    Json count = TRY(evaluate_tree(*wanted, bindings(), path + ".copy.count"));
    if (!count.is_number_integer() || count.get<int64_t>() < 0 ||
        count.get<int64_t>() > static_cast<int64_t>(kMaxLoop)) {
        return fail(Code::invalid, "{}.copy.count: a whole number from 0 to {} is wanted", path,
                    kMaxLoop);
    }
    for (int64_t round = 0; round < count.get<int64_t>(); ++round) {
        Step one = step;
        one.loops[step.loop] = round;
        TRY(add_one(source, std::move(one), parent));
    }
    return {};
}

Result<void> Plan::Impl::name_step(Step& step, const Step* parent) const {
    const Bindings see = bindings_of(step, nullptr);
    auto text = [&](const char* member) -> Result<std::string> {
        const Json* found = find_member(step.source, member);
        if (found == nullptr) return fail(Code::invalid, "{}: it has no '{}'", step.path, member);
        Json value = TRY(evaluate_tree(*found, see, step.path + "." + member));
        if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
            return fail(Code::invalid, "{}.{}: a text is wanted", step.path, member);
        }
        return value.get<std::string>();
    };
    PlannedResource& planned = step.planned;
    planned.type = TRY(text("type"));
    planned.name = TRY(text("name"));
    planned.api_version = TRY(text("apiVersion"));
    if (parent != nullptr &&
        !equal_ignore_case(
            planned.type.substr(0, planned.type.find('/')),
            after_providers(parent->planned.type).substr(0, parent->planned.type.find('/')))) {
        planned.type = parent->planned.type + "/" + planned.type;
        planned.name = parent->planned.name + "/" + planned.name;
    }
    std::string scope = text_or_empty(place.resource_group, "id");
    if (find_member(step.source, "scope") != nullptr) {
        const std::string given_scope = TRY(text("scope"));
        scope = given_scope.starts_with('/') ? given_scope : scope + "/providers/" + given_scope;
    }
    Result<std::string> id = make_resource_id(scope, planned.type, split_path(planned.name));
    planned.id = TRY(with_context(std::move(id), step.path));
    return {};
}

Result<void> Plan::Impl::add_one(const Json& source, Step step, const Step* parent) {
    if (steps.size() + unwanted.size() == kMaxPlannedResources) {
        return fail(Code::invalid, "a template has at most {} resources", kMaxPlannedResources);
    }
    step.source = source;
    if (parent != nullptr) step.parent = parent->planned.id;
    TRY(name_step(step, parent));
    if (equal_ignore_case(step.planned.type, "Microsoft.Resources/deployments")) {
        return fail(Code::invalid, "{}: deployments within deployments are not supported",
                    step.path);
    }
    for (const Step& other : steps) {
        if (!equal_ignore_case(other.planned.id, step.planned.id)) continue;
        return fail(Code::invalid, "{}: the resource '{}' is defined twice", step.path,
                    step.planned.id);
    }
    if (const Json* condition = find_member(source, "condition")) {
        Json holds =
            TRY(evaluate_tree(*condition, bindings_of(step, nullptr), step.path + ".condition"));
        if (!holds.is_boolean()) {
            return fail(Code::invalid, "{}.condition: a boolean is wanted", step.path);
        }
        step.wanted = holds.get<bool>();
    }
    const Json* children = find_member(source, "resources");
    (step.wanted ? steps : unwanted).push_back(step);
    if (children == nullptr || !children->is_structured() || !step.wanted) return {};
    return add_all(*children, step.path + ".resources", &step);
}

Result<std::vector<std::string>> Plan::Impl::dependencies(const Step& step) const {
    std::vector<std::string> out;
    if (!step.parent.empty()) out.push_back(step.parent);
    if (const Json* listed = find_member(step.source, "dependsOn")) {
        Json entries =
            TRY(evaluate_tree(*listed, bindings_of(step, nullptr), step.path + ".dependsOn"));
        if (!entries.is_array()) {
            return fail(Code::invalid, "{}.dependsOn: an array is wanted", step.path);
        }
        for (const Json& entry : entries) {
            if (!entry.is_string()) {
                return fail(Code::invalid, "{}.dependsOn: texts are wanted", step.path);
            }
            out.push_back(entry.get<std::string>());
            const std::string key = to_lower(out.back());
            if (by_name.contains(key) || unwanted_names.contains(key)) continue;
            return fail(Code::invalid, "{}.dependsOn: the resource '{}' is not in the template",
                        step.path, show_json(entry));
        }
    }
    // What a reference names comes first, without being told.
    std::vector<Expression> references;
    collect_references(step.source, references);
    for (const Expression& one : references) {
        Result<Json> name = evaluate(one, bindings_of(step, nullptr));
        if (name && name->is_string()) out.push_back(name->get<std::string>());
    }
    return out;
}

void Plan::Impl::index() {
    by_name.clear();
    for (size_t i = 0; i < steps.size(); ++i) {
        for (const std::string& name : names_of(steps[i])) by_name[name].push_back(i);
    }
    for (const Step& step : unwanted) unwanted_names.merge(names_of(step));
}

Result<void> Plan::Impl::order() {
    index();
    std::vector<std::set<size_t>> after(steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
        for (const std::string& entry : TRY(dependencies(steps[i]))) {
            auto known = by_name.find(to_lower(entry));
            if (known == by_name.end()) continue;
            after[i].insert(known->second.begin(), known->second.end());
        }
    }
    std::vector<Step> sorted;
    std::vector<bool> done(steps.size(), false);
    while (sorted.size() < steps.size()) {
        const size_t before = sorted.size();
        for (size_t i = 0; i < steps.size(); ++i) {
            const bool ready = !done[i] && std::all_of(after[i].begin(), after[i].end(),
                                                       [&](size_t other) { return done[other]; });
            if (!ready) continue;
            done[i] = true;
            sorted.push_back(steps[i]);
        }
        if (sorted.size() > before) continue;
        const auto stuck = std::find(done.begin(), done.end(), false) - done.begin();
        return fail(Code::invalid, "{}: the resource '{}' depends on itself, through dependsOn",
                    steps[static_cast<size_t>(stuck)].path,
                    steps[static_cast<size_t>(stuck)].planned.id);
    }
    steps = std::move(sorted);
    index();
    for (const Step& step : steps) resources.push_back(step.planned);
    return {};
}

Plan::Plan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Plan::~Plan() = default;

Result<std::unique_ptr<Plan>> Plan::make(Json document, Json parameters, Place place) {
    if (!document.is_object()) return fail(Code::invalid, "the template is no object");
    if (parameters.is_null()) parameters = Json::object();
    if (!parameters.is_object()) return fail(Code::invalid, "the parameters are no object");
    for (const char* member : {"parameters", "variables", "outputs"}) {
        const Json* found = find_member(document, member);
        if (found != nullptr && !found->is_object()) {
            return fail(Code::invalid, "the template's '{}' is no object", member);
        }
    }
    if (find_member(document, "functions") != nullptr && !document.at("functions").empty()) {
        return fail(Code::invalid, "functions of a template's own are not supported");
    }
    TRY(check_expressions(document, ""));
    auto impl = std::make_unique<Impl>();
    impl->document = std::move(document);
    impl->given = std::move(parameters);
    impl->place = std::move(place);
    TRY(impl->prepare());
    return std::unique_ptr<Plan>(new Plan(std::move(impl)));
}

const std::vector<PlannedResource>& Plan::resources() const {
    return impl_->resources;
}
const Json& Plan::document() const {
    return impl_->document;
}

Result<Json> Plan::body(size_t index, const Reference& reference) const {
    return impl_->body(impl_->steps.at(index), &reference);
}

Result<void> Plan::check(size_t index) const {
    TRY(impl_->body(impl_->steps.at(index), nullptr));
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
        out[name]["type"] = text_or_empty(output, "type");
    }
    return out;
}

Json Plan::shown_parameters() const {
    Json out = Json::object();
    const Json* declared = find_member(impl_->document, "parameters");
    if (declared == nullptr) return out;
    for (const auto& [name, declaration] : declared->items()) {
        const ParameterType& type = *MUST(parameter_type(declaration, name));
        out[name] = {{"type", text_or_empty(declaration, "type")}};
        if (!type.secure) out[name]["value"] = impl_->parameters.at(to_lower(name));
    }
    return out;
}

}  // namespace vouchsafe::cloud
