#include <algorithm>

#include "vouchsafe/policy/jmespath/function.h"

namespace vouchsafe::policy::jmespath {

namespace {

using Arguments = std::vector<Argument>;

// comparable_array: numbers alone or strings alone.
Result<const Json*> comparable_array(const Arguments& arguments, std::string_view function) {
    const Json* array = TRY(array_argument(arguments, 0, function));
    if (!all_numbers(*array) && !all_strings(*array)) {
        return wrong_type(function, "an array of numbers or of strings", *array);
    }
    return array;
}

// order compares two numbers or two strings; strings by Unicode code points, which is the order of
// their bytes.
int order(const Json& a, const Json& b) {
    if (a.is_number()) return order_numbers(a, b);
    return a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
}

// best returns the first element of which no other is better.
Result<Value> best(const Arguments& arguments, std::string_view function, int better,
                   Spender& spender) {
    const Json* array = TRY(comparable_array(arguments, function));
    if (array->empty()) return make_value(nullptr);
    const Json* out = &array->front();
    for (const Json& element : *array) {
        TRY(spender.spend_copy(element));
        if (order(element, *out) * better > 0) out = &element;
    }
    return part_of(arguments[0].value, *out);
}

// Keyed is an element of an array and what the expression found in it.
struct Keyed {
    const Json* element;
    Value key;
};

// keyed evaluates the expression on every element: numbers alone or strings alone.
Result<std::vector<Keyed>> keyed(const Arguments& arguments, std::string_view function) {
    const Json* array = TRY(array_argument(arguments, 0, function));
    std::vector<Keyed> out;
    for (const Json& element : *array) {
        Value key = TRY(arguments[1].apply(part_of(arguments[0].value, element)));
        bool fits = key->is_number() || key->is_string();
        if (!fits || (!out.empty() && out[0].key->is_string() != key->is_string())) {
            return wrong_type(function, "an expression that gives numbers or strings alone", *key);
        }
        out.push_back({&element, std::move(key)});
    }
    return out;
}

Result<Value> best_by(const Arguments& arguments, std::string_view function, int better,
                      Spender& spender) {
    std::vector<Keyed> all = TRY(keyed(arguments, function));
    if (all.empty()) return make_value(nullptr);
    const Keyed* out = &all[0];
    for (const Keyed& one : all) {
        TRY(spender.spend_copy(*one.key));
        if (order(*one.key, *out->key) * better > 0) out = &one;
    }
    return part_of(arguments[0].value, *out->element);
}

// spend_sort pays for some log2(n) comparisons of each key.
Result<void> spend_sort(size_t count, const Json& key, Spender& spender) {
    for (; count > 0; count /= 2) TRY(spender.spend_copy(key));
    return {};
}

}  // namespace

Result<Value> run_max(const std::vector<Argument>& arguments, Spender& spender) {
    return best(arguments, "max", 1, spender);
}

Result<Value> run_min(const std::vector<Argument>& arguments, Spender& spender) {
    return best(arguments, "min", -1, spender);
}

Result<Value> run_max_by(const std::vector<Argument>& arguments, Spender& spender) {
    return best_by(arguments, "max_by", 1, spender);
}

Result<Value> run_min_by(const std::vector<Argument>& arguments, Spender& spender) {
    return best_by(arguments, "min_by", -1, spender);
}

Result<Value> run_sort(const std::vector<Argument>& arguments, Spender& spender) {
    const Json* array = TRY(comparable_array(arguments, "sort"));
    for (const Json& element : *array) TRY(spend_sort(array->size(), element, spender));
    Json out = *array;
    std::stable_sort(out.begin(), out.end(),
                     [](const Json& a, const Json& b) { return order(a, b) < 0; });
    return make_value(std::move(out));
}

Result<Value> run_sort_by(const std::vector<Argument>& arguments, Spender& spender) {
    std::vector<Keyed> all = TRY(keyed(arguments, "sort_by"));
    for (const Keyed& one : all) {
        TRY(spend_sort(all.size(), *one.key, spender));
        TRY(spender.spend_copy(*one.element));
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Keyed& a, const Keyed& b) { return order(*a.key, *b.key) < 0; });
    Json out = Json::array();
    for (const Keyed& one : all) out.push_back(*one.element);
    return make_value(std::move(out));
}

}  // namespace vouchsafe::policy::jmespath
