#include "vouchsafe/policy/maa/function.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "vouchsafe/policy/maa/evaluate.h"

namespace vouchsafe::policy {

namespace {

constexpr size_t kBytesPerStep = 256;                 // copied or compared
constexpr size_t kParsedBytesPerStep = 4;             // parsed as JSON
constexpr double kExactInteger = 9007199254740992.0;  // 2^53

Result<const std::string*> text_of(const PolicyValues& values, std::string_view what) {
    const ClaimValue* value = TRY(single_value(values, what));
    const auto* text = std::get_if<std::string>(value);
    if (text == nullptr) {
        return fail(Code::invalid, "{} must be a String, and is {}", what,
                    show_json(value_to_json(*value), 40));
    }
    return text;
}

Result<PolicyValues> negate(const PolicyValues& argument) {
    const ClaimValue* value = TRY(single_value(argument, "the argument of NegateBool"));
    const bool* truth = std::get_if<bool>(value);
    if (truth == nullptr) {
        return fail(Code::invalid, "the argument of NegateBool must be a Boolean, and is {}",
                    show_json(value_to_json(*value), 40));
    }
    return PolicyValues{{!*truth}, argument.read_only};
}

Result<PolicyValues> append_string(const PolicyValues& a, const PolicyValues& b,
                                   PolicyMeter& meter) {
    const std::string* first = TRY(text_of(a, "the first argument of AppendString"));
    const std::string* second = TRY(text_of(b, "the second argument of AppendString"));
    TRY(meter.make(first->size() + second->size()));
    return PolicyValues{{*first + *second}, a.read_only || b.read_only};
}

// to_set pays for and makes a set that can be asked.
Result<std::set<ClaimValue>> to_set(const PolicyValues& values, PolicyMeter& meter) {
    std::set<ClaimValue> out;
    for (const ClaimValue& value : values.list) {
        const auto* text = std::get_if<std::string>(&value);
        TRY(meter.spend(1 + (text == nullptr ? 0 : text->size() / kBytesPerStep)));
        out.insert(value);
    }
    return out;
}

Result<PolicyValues> is_subset(const PolicyValues& part, const PolicyValues& whole,
                               PolicyMeter& meter) {
    std::set<ClaimValue> first = TRY(to_set(part, meter));
    std::set<ClaimValue> second = TRY(to_set(whole, meter));
    return PolicyValues{{std::includes(second.begin(), second.end(), first.begin(), first.end())},
                        false};
}

Result<PolicyValues> contains_only(const PolicyValues& values, const PolicyValues& wanted,
                                   PolicyMeter& meter) {
    const ClaimValue* value = TRY(single_value(wanted, "the second argument of ContainsOnlyValue"));
    std::set<ClaimValue> set = TRY(to_set(values, meter));
    return PolicyValues{{set.size() == 1 && *set.begin() == *value}, false};
}

// claim_value makes a claim's value of a primitive; nothing of null.
Result<std::optional<ClaimValue>> claim_value(const Json& json) {
    if (json.is_null()) return std::optional<ClaimValue>();
    if (json.is_boolean()) return std::optional<ClaimValue>(json.get<bool>());
    if (json.is_string()) return std::optional<ClaimValue>(json.get<std::string>());
    bool large = json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX;
    if (json.is_number_integer() && !large) return std::optional<ClaimValue>(json.get<int64_t>());
    if (json.is_number_float()) {
        auto number = json.get<double>();
        if (std::trunc(number) == number && std::fabs(number) <= kExactInteger) {
            return std::optional<ClaimValue>(static_cast<int64_t>(number));
        }
    }
    return fail(Code::invalid, "JsonToClaimValue makes no claim of {}", show_json(json, 40));
}

Result<PolicyValues> claim_values(const Json& json, bool read_only) {
    PolicyValues out;
    out.read_only = read_only;
    if (!json.is_array()) {
        if (auto value = TRY(claim_value(json))) out.list.push_back(std::move(*value));
        return out;
    }
    for (const Json& element : json) {
        if (auto value = TRY(claim_value(element))) out.list.push_back(std::move(*value));
    }
    return out;
}

}  // namespace

tl::unexpected<Error> PolicyMeter::exceed(std::string_view what, size_t limit) {
    exceeded_ = true;
    return fail(Code::invalid, "evaluating the policy takes more than {} {}", limit, what);
}

Result<void> PolicyMeter::spend(uint64_t steps) {
    if (steps_.left <= steps) return exceed("steps", limit_);
    steps_.left -= steps;
    return {};
}

Result<void> PolicyMeter::make(size_t bytes) {
    TRY(within(bytes, kMaxClaimValueBytes, "bytes for one value"));
    TRY(within(made_ + bytes, kMaxMadeBytes, "bytes for the values of claims"));
    made_ += bytes;
    return spend(1 + bytes / kBytesPerStep);
}

Result<void> PolicyMeter::within(size_t count, size_t limit, std::string_view what) {
    if (count > limit) return exceed(what, limit);
    return {};
}

Result<const ClaimValue*> single_value(const PolicyValues& values, std::string_view what) {
    if (values.list.size() != 1) {
        return fail(Code::invalid, "{} must be one value, and is {}", what, values.list.size());
    }
    return &values.list[0];
}

Result<const Json*> PolicyFunctions::document(const std::string& text, PolicyMeter& meter) {
    TRY(meter.spend(1 + text.size() / kBytesPerStep));
    if (parsed_ && text_ == text) return &*parsed_;
    TRY(meter.spend(text.size() / kParsedBytesPerStep));
    Result<Json> json = parse_json(text, {.max_bytes = kMaxClaimValueBytes});
    if (!json) {
        return fail(Code::invalid, "the JSON text cannot be read: {}", json.error().message);
    }
    text_ = text;
    parsed_ = std::move(*json);
    return &*parsed_;
}

Result<PolicyValues> PolicyFunctions::call(PolicyFunction function,
                                           const std::vector<PolicyValues>& arguments,
                                           PolicyMeter& meter) {
    switch (function) {
        case PolicyFunction::jmes_path: {
            const std::string* text = TRY(text_of(arguments[0], "the first argument of JmesPath"));
            const std::string* query =
                TRY(text_of(arguments[1], "the second argument of JmesPath"));
            const Json* json = TRY(document(*text, meter));
            TRY(meter.spend(1 + query->size()));
            Json found =
                TRY(jmespath::search(*json, *query, jmespath::Dialect::azure, meter.steps()));
            std::string result = dump_json(found);
            TRY(meter.make(result.size()));
            return PolicyValues{{std::move(result)},
                                arguments[0].read_only || arguments[1].read_only};
        }
        case PolicyFunction::json_to_claim_value: {
            const std::string* text =
                TRY(text_of(arguments[0], "the argument of JsonToClaimValue"));
            const Json* json = TRY(document(*text, meter));
            return claim_values(*json, arguments[0].read_only);
        }
        case PolicyFunction::is_subset_of:
            return is_subset(arguments[0], arguments[1], meter);
        case PolicyFunction::append_string:
            return append_string(arguments[0], arguments[1], meter);
        case PolicyFunction::negate_bool:
            return negate(arguments[0]);
        case PolicyFunction::contains_only_value:
            return contains_only(arguments[0], arguments[1], meter);
    }
    return fail(Code::internal, "there is no such function");
}

}  // namespace vouchsafe::policy
