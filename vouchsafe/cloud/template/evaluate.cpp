#include "vouchsafe/cloud/template/evaluate.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

// Measure is how large a value is, and how deep; deeper than allowed is not looked at.
struct Measure {
    size_t size = 0;
    bool too_deep = false;

    void take(const Json& value, size_t depth) {
        size += 16;
        if (value.is_string()) size += value.get_ref<const std::string&>().size();
        if (!value.is_structured() || too_deep) return;
        too_deep = depth == kMaxValueDepth;
        for (auto item = value.begin(); item != value.end() && !too_deep; ++item) {
            if (value.is_object()) size += item.key().size();
            take(*item, depth + 1);
        }
    }
};

// Nested counts an evaluation within others for as long as it lasts.
class Nested {
  public:
    explicit Nested(Budget& budget) : budget_(budget) { ++budget_.nesting; }
    ~Nested() { --budget_.nesting; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

    Result<void> check() const {
        if (budget_.nesting <= kMaxNesting) return {};
        return fail(Code::invalid, "more than {} values stand within each other", kMaxNesting);
    }

  private:
    Budget& budget_;
};

bool is_own(const Expression& call) {
    return call.word.find('.') != std::string::npos;
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

template <typename Row>
Result<void> check_count(const Row& row, const Expression& call) {
    const size_t given = call.parts.size();
    if (given >= row.least && given <= row.most) return {};
    return fail(Code::invalid, "{} takes {} to {} arguments, not {}", call.word, row.least,
                row.most, given);
}

tl::unexpected<Error> no_function(const std::string& name) {
    if (to_lower(name).starts_with("list")) {
        return fail(Code::invalid,
                    "there is no function '{}' here: resources of the lab have nothing to list",
                    name);
    }
    return fail(Code::invalid, "there is no function '{}' here", name);
}

// check_call looks at one call, not at what it is given.
Result<void> check_call(const Expression& call) {
    if (const Form* form = find_form(call.word)) return check_count(*form, call);
    const Function* function = find_function(call.word);
    if (function == nullptr) return no_function(call.word);
    return check_count(*function, call);
}

Result<Json> evaluate_call(const Expression& call, const Bindings& bindings) {
    if (is_own(call) && !bindings.own_function) return no_function(call.word);
    if (!is_own(call)) TRY(check_call(call));
    if (const Form* form = find_form(call.word)) {
        return with_context(form->run(call, bindings), call.word);
    }
    Arguments arguments;
    for (const Expression& part : call.parts) {
        arguments.push_back(TRY(evaluate(part, bindings)));
    }
    if (is_own(call)) {
        return with_context(bindings.own_function(call.word, arguments), call.word);
    }
    return with_context(find_function(call.word)->run(arguments, bindings), call.word);
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

Result<void> check_depth(const Json& value) {
    Measure measure;
    measure.take(value, 0);
    if (!measure.too_deep) return {};
    return fail(Code::invalid, "a value has more than {} levels", kMaxValueDepth);
}

Result<void> Budget::spend(const Json& value) {
    Measure measure;
    measure.take(value, 0);
    if (measure.too_deep) return check_depth(value);
    if (measure.size > bytes) {
        return fail(Code::invalid, "the template's values become too large");
    }
    bytes -= measure.size;
    return {};
}

Result<void> check_functions(const Expression& expression, const std::set<std::string>& own) {
    for (const Expression& part : expression.parts) TRY(check_functions(part, own));
    if (expression.kind != Expression::Kind::call) return {};
    if (!is_own(expression)) return check_call(expression);
    if (own.contains(to_lower(expression.word))) return {};
    return no_function(expression.word);
}

bool has_inner_scope(const Json& properties) {
    const Json* options = find_member_ignore_case(properties, "expressionEvaluationOptions");
    const Json* scope = options == nullptr ? nullptr : find_member_ignore_case(*options, "scope");
    return scope != nullptr && scope->is_string() &&
           equal_ignore_case(scope->get_ref<const std::string&>(), "inner");
}

Result<Json> evaluate(const Expression& expression, const Bindings& bindings) {
    TRY(bindings.budget->step());
    const Nested nested(*bindings.budget);
    TRY(nested.check());
    Json out;
    switch (expression.kind) {
        case Expression::Kind::text:
            out = expression.word;
            break;
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
            out = TRY(evaluate_call(expression, bindings));
            break;
    }
    TRY(bindings.budget->spend(out));
    return out;
}

Result<Json> evaluate_text(std::string_view text, const Bindings& bindings) {
    if (!bindings.literal && is_expression(text)) {
        return evaluate(TRY(parse_expression(text)), bindings);
    }
    Json out(bindings.literal ? text : literal_text(text));
    TRY(bindings.budget->spend(out));
    return out;
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
    if (bindings.literal) return value;
    const Nested nested(*bindings.budget);
    TRY(nested.check());
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
    const bool loops = has_loops(value), apart = has_inner_scope(value);
    for (const auto& [name, member] : value.items()) {
        if (loops && name == "copy") continue;
        if (apart && equal_ignore_case(name, "template")) {
            out[name] = member;
            continue;
        }
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
