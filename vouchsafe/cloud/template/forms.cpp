// Functions that do not evaluate all their arguments, or one of them for each item of a list: if,
// and those with lambdas (Azure's "Lambda functions for ARM templates"). A lambda is no value: it
// stands where it is used.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

// Lambda is lambda('name', ..., expression), ready to be called.
class Lambda {
  public:
    // read takes argument number `at`, which must be a lambda with so many variables.
    static Result<Lambda> read(const Expression& call, size_t at, size_t least, size_t most,
                               const Bindings& bindings) {
        const Expression& part = call.parts[at];
        if (part.kind != Expression::Kind::call || !equal_ignore_case(part.word, "lambda")) {
            return fail(Code::invalid, "argument {} must be a lambda", at + 1);
        }
        const size_t given = part.parts.size() - 1;
        if (part.parts.empty() || given < least || given > most) {
            return fail(Code::invalid, "the lambda that is argument {} takes {} to {} variables",
                        at + 1, least, most);
        }
        Lambda out(part, bindings);
        for (size_t i = 0; i < given; ++i) {
            if (part.parts[i].kind != Expression::Kind::text) {
                return fail(Code::invalid, "the names of a lambda's variables are plain texts");
            }
            out.names_.push_back(to_lower(part.parts[i].word));
        }
        return out;
    }

    // call gives the variables these values, as many as there are variables.
    Result<Json> call(std::initializer_list<const Json*> values) const {
        LambdaScope scope{bindings_.lambda, {}};
        for (size_t i = 0; i < names_.size(); ++i) {
            scope.variables.emplace_back(names_[i], values.begin()[i]);
        }
        Bindings inside = bindings_;
        inside.lambda = &scope;
        return evaluate(lambda_->parts.back(), inside);
    }
    Result<bool> holds(std::initializer_list<const Json*> values) const {
        Json out = TRY(call(values));
        if (!out.is_boolean()) return fail(Code::invalid, "the lambda must give a boolean");
        return out.get<bool>();
    }
    Result<std::string> name(std::initializer_list<const Json*> values) const {
        Json out = TRY(call(values));
        if (!out.is_string()) return fail(Code::invalid, "the lambda must give a text");
        return out.get<std::string>();
    }

  private:
    Lambda(const Expression& lambda, const Bindings& bindings)
        : lambda_(&lambda), bindings_(bindings) {}

    const Expression* lambda_;  // borrowed
    Bindings bindings_;
    std::vector<std::string> names_;
};

Result<Json> list_at(const Expression& call, const Bindings& bindings) {
    Json out = TRY(evaluate(call.parts[0], bindings));
    if (!out.is_array()) return fail(Code::invalid, "argument 1 must be an array");
    return out;
}

Result<Json> choose(const Expression& call, const Bindings& bindings) {
    Json condition = TRY(evaluate(call.parts[0], bindings));
    if (!condition.is_boolean()) return fail(Code::invalid, "it wants a boolean first");
    return evaluate(call.parts[condition.get<bool>() ? 1 : 2], bindings);
}

Result<Json> filter(const Expression& call, const Bindings& bindings) {
    Json list = TRY(list_at(call, bindings));
    const Lambda lambda = TRY(Lambda::read(call, 1, 1, 2, bindings));
    Json out = Json::array();
    for (size_t i = 0; i < list.size(); ++i) {
        const Json index = i;
        if (TRY(lambda.holds({&list[i], &index}))) out.push_back(list[i]);
    }
    return out;
}

Result<Json> map(const Expression& call, const Bindings& bindings) {
    Json list = TRY(list_at(call, bindings));
    const Lambda lambda = TRY(Lambda::read(call, 1, 1, 2, bindings));
    Json out = Json::array();
    for (size_t i = 0; i < list.size(); ++i) {
        const Json index = i;
        out.push_back(TRY(lambda.call({&list[i], &index})));
    }
    return out;
}

Result<Json> map_values(const Expression& call, const Bindings& bindings) {
    const Json object = TRY(evaluate(call.parts[0], bindings));
    if (!object.is_object()) return fail(Code::invalid, "argument 1 must be an object");
    const Lambda lambda = TRY(Lambda::read(call, 1, 1, 1, bindings));
    Json out = Json::object();
    for (const auto& [name, value] : object.items()) out[name] = TRY(lambda.call({&value}));
    return out;
}

Result<Json> reduce(const Expression& call, const Bindings& bindings) {
    Json list = TRY(list_at(call, bindings));
    Json out = TRY(evaluate(call.parts[1], bindings));
    const Lambda lambda = TRY(Lambda::read(call, 2, 2, 3, bindings));
    for (size_t i = 0; i < list.size(); ++i) {
        const Json index = i;
        Json made = TRY(lambda.call({&out, &list[i], &index}));
        out = std::move(made);
    }
    return out;
}

// merge_runs puts two sorted runs together. The standard library's sorts may not be given an order
// that is none, and a template's lambda can be any.
Result<std::vector<const Json*>> merge_runs(const std::vector<const Json*>& a,
                                            const std::vector<const Json*>& b,
                                            const Lambda& before) {
    std::vector<const Json*> out;
    size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        const bool second_first = TRY(before.holds({b[j], a[i]}));
        out.push_back(second_first ? b[j++] : a[i++]);
    }
    out.insert(out.end(), a.begin() + static_cast<ptrdiff_t>(i), a.end());
    out.insert(out.end(), b.begin() + static_cast<ptrdiff_t>(j), b.end());
    return out;
}

Result<Json> sort(const Expression& call, const Bindings& bindings) {
    const Json list = TRY(list_at(call, bindings));
    const Lambda before = TRY(Lambda::read(call, 1, 2, 2, bindings));
    std::vector<std::vector<const Json*>> runs;
    for (const Json& item : list) runs.push_back({&item});
    while (runs.size() > 1) {
        std::vector<std::vector<const Json*>> longer;
        for (size_t i = 0; i + 1 < runs.size(); i += 2) {
            longer.push_back(TRY(merge_runs(runs[i], runs[i + 1], before)));
        }
        if (runs.size() % 2 != 0) longer.push_back(std::move(runs.back()));
        runs = std::move(longer);
    }
    Json out = Json::array();
    if (runs.empty()) return out;
    for (const Json* item : runs[0]) out.push_back(*item);
    return out;
}

Result<Json> to_object(const Expression& call, const Bindings& bindings) {
    Json list = TRY(list_at(call, bindings));
    const Lambda key = TRY(Lambda::read(call, 1, 1, 1, bindings));
    std::optional<Lambda> value;
    if (call.parts.size() > 2) value = TRY(Lambda::read(call, 2, 1, 1, bindings));
    Json out = Json::object();
    for (const Json& item : list) {
        const std::string name = TRY(key.name({&item}));
        out[name] = value ? TRY(value->call({&item})) : item;
    }
    return out;
}

Result<Json> group_by(const Expression& call, const Bindings& bindings) {
    Json list = TRY(list_at(call, bindings));
    const Lambda key = TRY(Lambda::read(call, 1, 1, 1, bindings));
    Json out = Json::object();
    for (const Json& item : list) {
        const std::string name = TRY(key.name({&item}));
        out[name].push_back(item);
    }
    return out;
}

Result<Json> bare_lambda(const Expression&, const Bindings&) {
    return fail(Code::invalid,
                "it stands as an argument of filter, map, mapValues, reduce, sort, toObject or "
                "groupBy alone");
}

// By name in lower case, sorted.
constexpr Form kForms[] = {
    {"filter", 2, 2, filter},
    {"groupby", 2, 2, group_by},
    {"if", 3, 3, choose},
    {"lambda", 1, kAnyNumber, bare_lambda},
    {"map", 2, 2, map},
    {"mapvalues", 2, 2, map_values},
    {"reduce", 3, 3, reduce},
    {"sort", 2, 2, sort},
    {"toobject", 2, 3, to_object},
};

}  // namespace

const Form* find_form(std::string_view name) {
    const std::string wanted = to_lower(name);
    auto found = std::find_if(std::begin(kForms), std::end(kForms),
                              [&](const Form& row) { return row.name == wanted; });
    return found == std::end(kForms) ? nullptr : found;
}

}  // namespace vouchsafe::cloud
