#include "vouchsafe/policy/jmespath/function.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::policy::jmespath {

namespace {

using Arguments = std::vector<Argument>;

Result<const std::string*> text_argument(const Arguments& arguments, size_t i,
                                         std::string_view function) {
    const Json& value = *arguments[i].value;
    if (!value.is_string()) return wrong_type(function, "a string", value);
    return &value.get_ref<const std::string&>();
}

Result<const Json*> number_argument(const Arguments& arguments, std::string_view function) {
    if (!arguments[0].value->is_number()) {
        return wrong_type(function, "a number", *arguments[0].value);
    }
    return arguments[0].value.get();
}

Result<const Json*> number_array(const Arguments& arguments, std::string_view function) {
    const Json* array = TRY(array_argument(arguments, 0, function));
    if (!all_numbers(*array)) return wrong_type(function, "an array of numbers", *array);
    return array;
}

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

Result<Value> number_result(double value, std::string_view function) {
    if (!std::isfinite(value)) {
        return fail(Code::invalid, "JMESPath invalid-value: {}() is out of range", function);
    }
    constexpr double kLimit = 9223372036854775808.0;  // 2^63
    bool whole = std::trunc(value) == value && value >= -kLimit && value < kLimit;
    return make_value(whole ? Json(static_cast<int64_t>(value)) : Json(value));
}

Result<Value> run_abs(const Arguments& arguments, Spender&) {
    const Json* number = TRY(number_argument(arguments, "abs"));
    if (number->is_number_float()) return make_value(std::fabs(number->get<double>()));
    if (number->is_number_unsigned()) return arguments[0].value;
    auto value = number->get<int64_t>();
    uint64_t magnitude =
        value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    return make_value(magnitude);
}

Result<Value> run_ceil(const Arguments& arguments, Spender&) {
    const Json* number = TRY(number_argument(arguments, "ceil"));
    if (number->is_number_integer()) return arguments[0].value;
    return number_result(std::ceil(number->get<double>()), "ceil");
}

Result<Value> run_floor(const Arguments& arguments, Spender&) {
    const Json* number = TRY(number_argument(arguments, "floor"));
    if (number->is_number_integer()) return arguments[0].value;
    return number_result(std::floor(number->get<double>()), "floor");
}

// add_up stays with integers while it can.
Result<Json> add_up(const Json& array, Spender& spender) {
    TRY(spender.spend(array.size()));
    int64_t whole = 0;
    double total = 0;
    bool exact = true;
    for (const Json& element : array) {
        total += element.get<double>();
        bool fits = element.is_number_integer() &&
                    !(element.is_number_unsigned() && element.get<uint64_t>() > INT64_MAX);
        exact = exact && fits && !__builtin_add_overflow(whole, element.get<int64_t>(), &whole);
    }
    if (exact) return Json(whole);
    if (!std::isfinite(total)) {
        return fail(Code::invalid, "JMESPath invalid-value: a sum is out of range");
    }
    return Json(total);
}

Result<Value> run_sum(const Arguments& arguments, Spender& spender) {
    const Json* array = TRY(number_array(arguments, "sum"));
    return make_value(TRY(add_up(*array, spender)));
}

Result<Value> run_avg(const Arguments& arguments, Spender& spender) {
    const Json* array = TRY(number_array(arguments, "avg"));
    if (array->empty()) return make_value(nullptr);
    Json sum = TRY(add_up(*array, spender));
    return number_result(sum.get<double>() / static_cast<double>(array->size()), "avg");
}

Result<Value> run_contains(const Arguments& arguments, Spender& spender) {
    const Json& subject = *arguments[0].value;
    const Json& wanted = *arguments[1].value;
    if (subject.is_string()) {
        if (!wanted.is_string()) return make_value(false);
        const auto& text = subject.get_ref<const std::string&>();
        const auto& part = wanted.get_ref<const std::string&>();
        if (part.size() > text.size()) return make_value(false);
        size_t places = text.size() - part.size() + 1;
        TRY(spender.spend(1 + places * std::max<size_t>(part.size(), 1) / 64));
        return make_value(text.find(part) != std::string::npos);
    }
    if (!subject.is_array()) return wrong_type("contains", "an array or a string", subject);
    for (const Json& element : subject) {
        TRY(spender.spend_copy(element));
        if (equal_values(element, wanted)) return make_value(true);
    }
    return make_value(false);
}

Result<Value> run_ends_with(const Arguments& arguments, Spender&) {
    const std::string* text = TRY(text_argument(arguments, 0, "ends_with"));
    const std::string* end = TRY(text_argument(arguments, 1, "ends_with"));
    return make_value(text->ends_with(*end));
}

Result<Value> run_starts_with(const Arguments& arguments, Spender&) {
    const std::string* text = TRY(text_argument(arguments, 0, "starts_with"));
    const std::string* start = TRY(text_argument(arguments, 1, "starts_with"));
    return make_value(text->starts_with(*start));
}

Result<Value> run_equals_ignore_case(const Arguments& arguments, Spender& spender) {
    const std::string* a = TRY(text_argument(arguments, 0, "equals_ignore_case"));
    const std::string* b = TRY(text_argument(arguments, 1, "equals_ignore_case"));
    TRY(spender.spend(a->size() / 16));
    return make_value(equal_ignore_case(*a, *b));
}

Result<Value> run_join(const Arguments& arguments, Spender& spender) {
    const std::string* glue = TRY(text_argument(arguments, 0, "join"));
    const Json* array = TRY(array_argument(arguments, 1, "join"));
    if (!all_strings(*array)) return wrong_type("join", "an array of strings", *array);
    std::string out;
    for (size_t i = 0; i < array->size(); ++i) {
        const auto& part = (*array)[i].get_ref<const std::string&>();
        TRY(spender.spend(1 + (glue->size() + part.size()) / 16));
        if (i > 0) out += *glue;
        out += part;
    }
    return make_value(std::move(out));
}

Result<Value> run_keys(const Arguments& arguments, Spender& spender) {
    const Json& object = *arguments[0].value;
    if (!object.is_object()) return wrong_type("keys", "an object", object);
    Json out = Json::array();
    for (auto it = object.begin(); it != object.end(); ++it) {
        TRY(spender.spend(1 + it.key().size() / 16));
        out.push_back(it.key());
    }
    return make_value(std::move(out));
}

Result<Value> run_values(const Arguments& arguments, Spender& spender) {
    const Json& object = *arguments[0].value;
    if (!object.is_object()) return wrong_type("values", "an object", object);
    TRY(spender.spend_copy(object));
    Json out = Json::array();
    for (const Json& member : object) out.push_back(member);
    return make_value(std::move(out));
}

Result<Value> run_length(const Arguments& arguments, Spender& spender) {
    const Json& value = *arguments[0].value;
    if (value.is_array() || value.is_object()) return make_value(value.size());
    if (!value.is_string()) return wrong_type("length", "a string, an array or an object", value);
    const auto& text = value.get_ref<const std::string&>();
    TRY(spender.spend(text.size() / 16));
    return make_value(text.size() - static_cast<size_t>(
                                        std::count_if(text.begin(), text.end(), is_continuation)));
}

Result<Value> run_reverse(const Arguments& arguments, Spender& spender) {
    const Json& value = *arguments[0].value;
    TRY(spender.spend_copy(value));
    if (value.is_array()) {
        Json out = value;
        std::reverse(out.begin(), out.end());
        return make_value(std::move(out));
    }
    if (!value.is_string()) return wrong_type("reverse", "an array or a string", value);
    const auto& text = value.get_ref<const std::string&>();
    std::string out;
    for (size_t end = text.size(); end > 0;) {
        size_t start = end - 1;
        while (start > 0 && is_continuation(text[start])) --start;
        out.append(text, start, end - start);
        end = start;
    }
    return make_value(std::move(out));
}

Result<Value> run_map(const Arguments& arguments, Spender& spender) {
    const Json* array = TRY(array_argument(arguments, 1, "map"));
    Json out = Json::array();
    for (const Json& element : *array) {
        Value mapped = TRY(arguments[0].apply(part_of(arguments[1].value, element)));
        TRY(spender.spend_copy(*mapped));
        out.push_back(*mapped);
    }
    return make_value(std::move(out));
}

Result<Value> run_merge(const Arguments& arguments, Spender& spender) {
    Json out = Json::object();
    for (const Argument& argument : arguments) {
        if (!argument.value->is_object()) return wrong_type("merge", "objects", *argument.value);
        TRY(spender.spend_copy(*argument.value));
        out.update(*argument.value);
    }
    return make_value(std::move(out));
}

Result<Value> run_not_null(const Arguments& arguments, Spender&) {
    for (const Argument& argument : arguments) {
        if (!argument.value->is_null()) return argument.value;
    }
    return make_value(nullptr);
}

Result<Value> run_to_array(const Arguments& arguments, Spender& spender) {
    if (arguments[0].value->is_array()) return arguments[0].value;
    TRY(spender.spend_copy(*arguments[0].value));
    return make_value(Json::array({*arguments[0].value}));
}

Result<Value> run_to_string(const Arguments& arguments, Spender& spender) {
    if (arguments[0].value->is_string()) return arguments[0].value;
    TRY(spender.spend_copy(*arguments[0].value));
    return make_value(dump_json(*arguments[0].value));
}

Result<Value> run_to_number(const Arguments& arguments, Spender& spender) {
    const Json& value = *arguments[0].value;
    if (value.is_number()) return arguments[0].value;
    if (!value.is_string()) return make_value(nullptr);
    const auto& text = value.get_ref<const std::string&>();
    constexpr std::string_view kNumber = "0123456789+-.eE";  // no white space, no words
    TRY(spender.spend(text.size() / 16));
    if (text.find_first_not_of(kNumber) != std::string::npos) return make_value(nullptr);
    Result<Json> number = parse_json(text);
    return make_value(number ? std::move(*number) : Json());
}

Result<Value> run_type(const Arguments& arguments, Spender&) {
    const Json& value = *arguments[0].value;
    return make_value(value.is_number() ? "number" : value.type_name());
}

constexpr FunctionInfo kFunctions[] = {
    {"abs", 1, false, -1, run_abs},
    {"avg", 1, false, -1, run_avg},
    {"ceil", 1, false, -1, run_ceil},
    {"contains", 2, false, -1, run_contains},
    {"ends_with", 2, false, -1, run_ends_with},
    {"floor", 1, false, -1, run_floor},
    {"join", 2, false, -1, run_join},
    {"keys", 1, false, -1, run_keys},
    {"length", 1, false, -1, run_length},
    {"map", 2, false, 0, run_map},
    {"max", 1, false, -1, run_max},
    {"max_by", 2, false, 1, run_max_by},
    {"merge", 1, true, -1, run_merge},
    {"min", 1, false, -1, run_min},
    {"min_by", 2, false, 1, run_min_by},
    {"not_null", 1, true, -1, run_not_null},
    {"reverse", 1, false, -1, run_reverse},
    {"sort", 1, false, -1, run_sort},
    {"sort_by", 2, false, 1, run_sort_by},
    {"starts_with", 2, false, -1, run_starts_with},
    {"sum", 1, false, -1, run_sum},
    {"to_array", 1, false, -1, run_to_array},
    {"to_number", 1, false, -1, run_to_number},
    {"to_string", 1, false, -1, run_to_string},
    {"type", 1, false, -1, run_type},
    {"values", 1, false, -1, run_values},
};
constexpr FunctionInfo kAzureFunctions[] = {
    {"equals_ignore_case", 2, false, -1, run_equals_ignore_case},
};

}  // namespace

tl::unexpected<Error> wrong_type(std::string_view function, std::string_view wanted,
                                 const Json& found) {
    return fail(Code::invalid, "JMESPath invalid-type: {}() takes {}, not {}", function, wanted,
                show_json(found, 60));
}

Result<const Json*> array_argument(const Arguments& arguments, size_t i,
                                   std::string_view function) {
    if (!arguments[i].value->is_array()) {
        return wrong_type(function, "an array", *arguments[i].value);
    }
    return arguments[i].value.get();
}

bool all_numbers(const Json& array) {
    return std::all_of(array.begin(), array.end(), [](const Json& v) { return v.is_number(); });
}
bool all_strings(const Json& array) {
    return std::all_of(array.begin(), array.end(), [](const Json& v) { return v.is_string(); });
}

const FunctionInfo* find_function(std::string_view name, Dialect dialect) {
    for (const FunctionInfo& info : kFunctions) {
        if (info.name == name) return &info;
    }
    if (dialect != Dialect::azure) return nullptr;
    for (const FunctionInfo& info : kAzureFunctions) {
        if (info.name == name) return &info;
    }
    return nullptr;
}

}  // namespace vouchsafe::policy::jmespath
