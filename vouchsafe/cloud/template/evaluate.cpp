#include "vouchsafe/cloud/template/evaluate.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

size_t size_of(const Json& value) {
    if (value.is_string()) return 16 + value.get_ref<const std::string&>().size();
    size_t out = 16;
    if (value.is_array()) {
        for (const Json& item : value) out += size_of(item);
    } else if (value.is_object()) {
        for (const auto& [name, item] : value.items()) out += name.size() + size_of(item);
    }
    return out;
}

bool is_if(const Expression& expression) {
    return expression.kind == Expression::Kind::call && equal_ignore_case(expression.word, "if");
}

Result<Json> member_of(const Json& object, std::string_view name) {
    if (!object.is_object()) {
        return fail(Code::invalid, "'.{}' is asked of something that is no object", name);
    }
    const Json* member = find_member_ignore_case(object, name);
    if (member == nullptr) {
        return fail(Code::invalid, "the object has no property '{}'", name);
    }
    return *member;
}

Result<Json> item_of(const Json& value, const Json& index) {
    if (value.is_object() && index.is_string()) return member_of(value, index.get<std::string>());
    if (!value.is_array() || !index.is_number_integer()) {
        return fail(Code::invalid, "'[...]' takes a number of an array or a name of an object");
    }
    const auto at = index.get<int64_t>();
    if (at < 0 || static_cast<size_t>(at) >= value.size()) {
        return fail(Code::invalid, "the array has {} items and no number {}", value.size(), at);
    }
    return value[static_cast<size_t>(at)];
}

Result<Json> evaluate_if(const Expression& call, const Bindings& bindings) {
    if (call.parts.size() != 3) return fail(Code::invalid, "if takes 3 arguments");
    Json condition = TRY(evaluate(call.parts[0], bindings));
    if (!condition.is_boolean()) return fail(Code::invalid, "if wants a boolean first");
    return evaluate(call.parts[condition.get<bool>() ? 1 : 2], bindings);
}

// check_call looks at one call, not at what it is given.
Result<void> check_call(const Expression& call) {
    const Function* function = find_function(call.word);
    if (function == nullptr) {
        return fail(Code::invalid, "there is no function '{}' here", call.word);
    }
    const size_t given = call.parts.size();
    if (given < function->least || given > function->most) {
        return fail(Code::invalid, "{} takes {} to {} arguments, not {}", call.word,
                    function->least, function->most, given);
    }
    return {};
}

Result<Json> evaluate_call(const Expression& call, const Bindings& bindings) {
    TRY(check_call(call));
    const Function* function = find_function(call.word);
    Arguments arguments;
    for (const Expression& part : call.parts) {
        arguments.push_back(TRY(evaluate(part, bindings)));
    }
    return with_context(function->run(arguments, bindings), call.word);
}

// run_loop evaluates a loop's body once for each round.
Result<Json> run_loop(const Json& loop, const Bindings& bindings, const std::string& path) {
    const std::string name = text_or_empty(loop, "name");
    const Json* count_text = find_member(loop, "count");
    const Json* input = find_member(loop, "input");
    if (name.empty() || count_text == nullptr || input == nullptr) {
        return fail(Code::invalid, "{}: a loop has name, count and input", path);
    }
    Json count = TRY(evaluate_tree(*count_text, bindings, path + ".count"));
    if (!count.is_number_integer() || count.get<int64_t>() < 0 ||
        count.get<int64_t>() > static_cast<int64_t>(kMaxLoop)) {
        return fail(Code::invalid, "{}.count: a whole number from 0 to {} is wanted", path,
                    kMaxLoop);
    }
    Json out = Json::array();
    Bindings inner = bindings;
    inner.innermost = to_lower(name);
    for (int64_t round = 0; round < count.get<int64_t>(); ++round) {
        inner.loops[inner.innermost] = round;
        out.push_back(TRY(evaluate_tree(*input, inner, path + ".input")));
    }
    return out;
}

bool has_loops(const Json& object) {
    const Json* copy = find_member(object, "copy");
    return copy != nullptr && copy->is_array();
}

}  // namespace

Result<void> Budget::step() {
    if (steps == 0) return fail(Code::invalid, "the template takes too many steps");
    --steps;
    return {};
}

Result<void> Budget::spend(const Json& value) {
    const size_t size = size_of(value);
    if (size > bytes) return fail(Code::invalid, "the template's values become too large");
    bytes -= size;
    return {};
}

Result<void> check_functions(const Expression& expression) {
    for (const Expression& part : expression.parts) TRY(check_functions(part));
    if (expression.kind != Expression::Kind::call || is_if(expression)) return {};
    return check_call(expression);
}

Result<Json> evaluate(const Expression& expression, const Bindings& bindings) {
    TRY(bindings.budget->step());
    Json out;
    switch (expression.kind) {
        case Expression::Kind::text:
            return Json(expression.word);
        case Expression::Kind::number:
            return Json(expression.number);
        case Expression::Kind::member:
            out = TRY(member_of(TRY(evaluate(expression.parts[0], bindings)), expression.word));
            break;
        case Expression::Kind::index: {
            Json value = TRY(evaluate(expression.parts[0], bindings));
            out = TRY(item_of(value, TRY(evaluate(expression.parts[1], bindings))));
            break;
        }
        case Expression::Kind::call:
            out = is_if(expression) ? TRY(evaluate_if(expression, bindings))
                                    : TRY(evaluate_call(expression, bindings));
            break;
    }
    TRY(bindings.budget->spend(out));
    return out;
}

Result<Json> evaluate_text(std::string_view text, const Bindings& bindings) {
    if (!is_expression(text)) return Json(literal_text(text));
    return evaluate(TRY(parse_expression(text)), bindings);
}

Result<Json> evaluate_loops(const Json& object, const Bindings& bindings, const std::string& path) {
    Json out = Json::object();
    if (!has_loops(object)) return out;
    const Json& copy = object.at("copy");
    for (size_t i = 0; i < copy.size(); ++i) {
        const std::string place = fmt::format("{}.copy[{}]", path, i);
        Json made = TRY(run_loop(copy[i], bindings, place));
        out[copy[i].at("name").get<std::string>()] = std::move(made);
    }
    return out;
}

Result<Json> evaluate_tree(const Json& value, const Bindings& bindings, const std::string& path) {
    TRY(bindings.budget->step());
    if (value.is_string()) {
        return with_context(evaluate_text(value.get_ref<const std::string&>(), bindings), path);
    }
    if (value.is_array()) {
        Json out = Json::array();
        for (size_t i = 0; i < value.size(); ++i) {
            out.push_back(TRY(evaluate_tree(value[i], bindings, fmt::format("{}[{}]", path, i))));
        }
        return out;
    }
    if (!value.is_object()) return value;
    Json out = TRY(evaluate_loops(value, bindings, path));
    const bool loops = has_loops(value);
    for (const auto& [name, member] : value.items()) {
        if (loops && name == "copy") continue;
        // Names may be expressions too: tags with computed names.
        Json key = TRY(with_context(evaluate_text(name, bindings), path));
        if (!key.is_string()) return fail(Code::invalid, "{}: a name must be a text", path);
        out[key.get<std::string>()] =
            TRY(evaluate_tree(member, bindings, fmt::format("{}.{}", path, name)));
    }
    return out;
}

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> out;
    size_t start = 0;
    while (start < path.size()) {
        const size_t end = std::min(path.find('/', start), path.size());
        if (end > start) out.emplace_back(path.substr(start, end - start));
        start = end + 1;
    }
    return out;
}

Result<std::string> make_resource_id(std::string_view scope, std::string_view type,
                                     const std::vector<std::string>& names) {
    const std::vector<std::string> types = split_path(type);
    if (types.size() < 2 || types.size() != names.size() + 1) {
        return fail(Code::invalid, "the type '{}' does not go with {} name{}", type, names.size(),
                    names.size() == 1 ? "" : "s");
    }
    std::string out = fmt::format("{}/providers/{}", scope, types[0]);
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) return fail(Code::invalid, "a resource's name is empty");
        out += fmt::format("/{}/{}", types[i + 1], names[i]);
    }
    return out;
}

}  // namespace vouchsafe::cloud
