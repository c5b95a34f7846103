// Which resources a template has, what they are called, and the order to make them in.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/plan_impl.h"

namespace vouchsafe::cloud {

namespace {

// collect_calls gathers the first argument of each call of reference and references.
void collect_calls(const Expression& expression, References& out) {
    const bool call = expression.kind == Expression::Kind::call && !expression.parts.empty();
    if (call && (equal_ignore_case(expression.word, "reference") ||
                 equal_ignore_case(expression.word, "references"))) {
        out.try_emplace(expression.parts[0].to_text(), expression.parts[0]);
    }
    for (const Expression& part : expression.parts) collect_calls(part, out);
}

// after_providers is "Type/name/..." of an id.
std::string_view after_providers(std::string_view id) {
    constexpr std::string_view kMark = "/providers/";
    const size_t at = id.rfind(kMark);
    return at == std::string_view::npos ? id : id.substr(at + kMark.size());
}

// names_of are the ways in which dependsOn and reference may mean this step, in lower case, beside
// its symbolic name.
std::set<std::string> names_of(const Step& step) {
    const PlannedResource& planned = step.planned;
    std::set<std::string> out = {to_lower(planned.id), to_lower(after_providers(planned.id)),
                                 to_lower(planned.type + "/" + planned.name),
                                 to_lower(planned.name)};
    if (!step.loop.empty()) out.insert(step.loop);
    return out;
}

// symbols_of are its symbolic names: "name", and of a round of a loop "name[2]".
std::set<std::string> symbols_of(const Step& step) {
    if (step.symbol.empty()) return {};
    const std::string symbol = to_lower(step.symbol);
    if (step.loop.empty()) return {symbol};
    return {symbol, fmt::format("{}[{}]", symbol, step.loops.at(step.loop))};
}

bool is_true(const Json& object, std::string_view name) {
    const Json* found = find_member(object, name);
    return found != nullptr && *found == Json(true);
}

}  // namespace

void collect_references(const Json& value, References& out) {
    if (value.is_string() && is_expression(value.get_ref<const std::string&>())) {
        Result<Expression> parsed = parse_expression(value.get_ref<const std::string&>());
        if (parsed) collect_calls(*parsed, out);
    } else if (value.is_array()) {
        for (const Json& item : value) collect_references(item, out);
    } else if (value.is_object()) {
        const bool apart = has_inner_scope(value);
        for (const auto& [name, member] : value.items()) {
            if (apart && equal_ignore_case(name, "template")) continue;
            collect_references(member, out);
        }
    }
}

Result<std::string> text_of(const Step& step, const char* member, const Bindings& see) {
    const Json* found = find_member(*step.source, member);
    if (found == nullptr) return fail(Code::invalid, "{}: it has no '{}'", step.path, member);
    Json value = TRY(evaluate_tree(*found, see, step.path + "." + member));
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
        return fail(Code::invalid, "{}.{}: a text is wanted", step.path, member);
    }
    return value.get<std::string>();
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
    Step step;
    step.path = path;
    step.symbol = symbol;
    step.existing = is_true(source, "existing");
    if (parent != nullptr) step.loops = parent->loops;
    const Json* copy = find_member(source, "copy");
    if (copy == nullptr) return add_one(source, std::move(step), parent);

    if (around.literal) {
        return fail(Code::invalid,
                    "{}.copy: a nested template with copy loops needs the inner scope", path);
    }
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

// scope_of is the resource group of a step, or what else its resource stands on. Nested deployments
// and existing resources may be in another group.
Result<std::string> Plan::Impl::scope_of(Step& step, const Bindings& see) const {
    const std::string own = text_or_empty(place.resource_group, "id");
    const bool elsewhere = step.planned.deployment || step.existing;
    const bool with_subscription =
        elsewhere && find_member(*step.source, "subscriptionId") != nullptr;
    const bool with_group = elsewhere && find_member(*step.source, "resourceGroup") != nullptr;
    std::string subscription = text_or_empty(place.subscription, "subscriptionId");
    if (with_subscription) {
        const std::string given_one = TRY(text_of(step, "subscriptionId", see));
        if (step.planned.deployment && !equal_ignore_case(given_one, subscription)) {
            return fail(Code::invalid, "{}.subscriptionId: there is one subscription, {}",
                        step.path, subscription);
        }
        subscription = given_one;
    }
    if (with_group) {
        step.group = TRY(text_of(step, "resourceGroup", see));
        return fmt::format("/subscriptions/{}/resourceGroups/{}", subscription, step.group);
    }
    const bool with_scope = find_member(*step.source, "scope") != nullptr;
    if (step.planned.deployment && !step.existing && (with_subscription || with_scope)) {
        return fail(Code::invalid, "{}: deployments outside of resource groups are not supported",
                    step.path);
    }
    if (with_subscription) return "/subscriptions/" + subscription;
    if (!with_scope) return own;
    const std::string scope = TRY(text_of(step, "scope", see));
    return scope.starts_with('/') ? scope : own + "/providers/" + scope;
}

Result<void> Plan::Impl::name_step(Step& step, const Step* parent) const {
    const Bindings see = bindings_of(step, nullptr);
    PlannedResource& planned = step.planned;
    planned.type = TRY(text_of(step, "type", see));
    planned.name = TRY(text_of(step, "name", see));
    planned.api_version = TRY(text_of(step, "apiVersion", see));
    if (parent != nullptr &&
        !equal_ignore_case(
            planned.type.substr(0, planned.type.find('/')),
            after_providers(parent->planned.type).substr(0, parent->planned.type.find('/')))) {
        planned.type = parent->planned.type + "/" + planned.type;
        planned.name = parent->planned.name + "/" + planned.name;
    }
    planned.deployment = equal_ignore_case(planned.type, kDeploymentType);
    if (planned.deployment && planned.name.size() > kMaxDeploymentName) {
        return fail(Code::invalid, "{}.name: a deployment's name has at most {} characters",
                    step.path, kMaxDeploymentName);
    }
    const std::string scope = TRY(scope_of(step, see));
    Result<std::string> id = make_resource_id(scope, planned.type, split_path(planned.name));
    planned.id = TRY(with_context(std::move(id), step.path));
    return {};
}

Result<void> Plan::Impl::add_one(const Json& source, Step step, const Step* parent) {
    step.source = &source;
    if (parent != nullptr) step.parent = parent->planned.id;
    TRY(name_step(step, parent));
    if (step.existing) {
        existing.push_back(std::move(step));
        return {};
    }
    if (around.budget->resources == 0) {
        return fail(Code::invalid, "a deployment has at most {} resources", kMaxPlannedResources);
    }
    --around.budget->resources;
    if (std::find(around.within.begin(), around.within.end(), to_lower(step.planned.id)) !=
        around.within.end()) {
        return fail(Code::invalid, "{}: the deployment '{}' cannot be within itself", step.path,
                    step.planned.name);
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

const std::vector<size_t>* Plan::Impl::find_steps(const std::string& entry) const {
    const std::string key = to_lower(entry);
    auto by_its_symbol = by_symbol.find(key);
    if (by_its_symbol != by_symbol.end()) return &by_its_symbol->second;
    auto by_its_name = by_name.find(key);
    return by_its_name == by_name.end() ? nullptr : &by_its_name->second;
}

const Step* Plan::Impl::find_existing(const std::string& entry) const {
    auto found = existing_by_symbol.find(to_lower(entry));
    return found == existing_by_symbol.end() ? nullptr : &existing[found->second];
}

Result<std::vector<std::string>> Plan::Impl::dependencies(const Step& step) {
    std::vector<std::string> out;
    if (!step.parent.empty()) out.push_back(step.parent);
    if (const Json* listed = find_member(*step.source, "dependsOn")) {
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
            if (find_steps(out.back()) != nullptr || other_names.contains(to_lower(out.back()))) {
                continue;
            }
            return fail(Code::invalid, "{}.dependsOn: the resource '{}' is not in the template",
                        step.path, show_json(entry));
        }
    }
    if (around.literal) return out;
    // What a reference names comes first, without being told.
    auto [known, is_new] = references.try_emplace(step.source);
    if (is_new) collect_references(*step.source, known->second);
    const Bindings see = bindings_of(step, nullptr);
    for (const auto& [text, one] : known->second) {
        Result<Json> name = evaluate(one, see);
        if (name && name->is_string()) out.push_back(name->get<std::string>());
        TRY(around.budget->step());
    }
    return out;
}

void Plan::Impl::index() {
    by_name.clear();
    by_symbol.clear();
    for (size_t i = 0; i < steps.size(); ++i) {
        for (const std::string& name : names_of(steps[i])) by_name[name].push_back(i);
        for (const std::string& symbol : symbols_of(steps[i])) by_symbol[symbol].push_back(i);
    }
    for (size_t i = 0; i < existing.size(); ++i) {
        for (const std::string& symbol : symbols_of(existing[i])) existing_by_symbol[symbol] = i;
    }
    for (const std::vector<Step>* others : {&unwanted, &existing}) {
        for (const Step& step : *others) {
            other_names.merge(names_of(step));
            other_names.merge(symbols_of(step));
        }
    }
}

Result<void> Plan::Impl::order() {
    index();
    std::vector<std::set<size_t>> after(steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
        for (const std::string& entry : TRY(dependencies(steps[i]))) {
            const std::vector<size_t>* known = find_steps(entry);
            if (known != nullptr) after[i].insert(known->begin(), known->end());
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

}  // namespace vouchsafe::cloud
