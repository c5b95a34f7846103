#include "vouchsafe/cloud/template/parameters.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::cloud {

namespace {

constexpr ParameterType kParameterTypes[] = {
    {"string", [](const Json& value) { return value.is_string(); }},
    {"securestring", [](const Json& value) { return value.is_string(); }, true},
    {"int", [](const Json& value) { return value.is_number_integer(); }},
    {"bool", [](const Json& value) { return value.is_boolean(); }},
    {"array", [](const Json& value) { return value.is_array(); }},
    {"object", [](const Json& value) { return value.is_object(); }},
    {"secureobject", [](const Json& value) { return value.is_object(); }, true},
};

// check_bound compares a value with minValue and its kin, where they stand.
Result<void> check_bound(const Json& declared, const char* bound, int64_t measure, bool least,
                         const std::string& path) {
    const Json* limit = find_member(declared, bound);
    if (limit == nullptr || !limit->is_number_integer()) return {};
    const bool ok = least ? measure >= limit->get<int64_t>() : measure <= limit->get<int64_t>();
    if (ok) return {};
    return fail(Code::invalid, "{}: the value does not keep {} {}", path, bound,
                limit->get<int64_t>());
}

Result<void> check_bounds(const Json& declared, const Json& value, const std::string& path) {
    const Json* allowed = find_member(declared, "allowedValues");
    if (allowed != nullptr && allowed->is_array() &&
        std::find(allowed->begin(), allowed->end(), value) == allowed->end()) {
        return fail(Code::invalid, "{}: the value is not one of allowedValues", path);
    }
    if (value.is_number_integer()) {
        TRY(check_bound(declared, "minValue", value.get<int64_t>(), true, path));
        TRY(check_bound(declared, "maxValue", value.get<int64_t>(), false, path));
    }
    if (value.is_string() || value.is_array()) {
        const auto length = static_cast<int64_t>(
            value.is_string() ? value.get_ref<const std::string&>().size() : value.size());
        TRY(check_bound(declared, "minLength", length, true, path));
        TRY(check_bound(declared, "maxLength", length, false, path));
    }
    return {};
}

// follow returns what a declaration's "$ref" leads to: "#/definitions/name".
Result<const Json*> follow(const Json& document, const Json& declared, const std::string& path) {
    constexpr std::string_view kStart = "#/definitions/";
    constexpr int kMaxSteps = 32;  // definitions that lead to each other
    const Json* at = &declared;
    for (int i = 0; i < kMaxSteps; ++i) {
        const std::string to = text_or_empty(*at, "$ref");
        if (to.empty()) return at;
        const Json* all = find_member(document, "definitions");
        const Json* next = all == nullptr || !to.starts_with(kStart)
                               ? nullptr
                               : find_member(*all, to.substr(kStart.size()));
        if (next == nullptr) {
            return fail(Code::invalid, "{}: there is no definition {}", path, show_json(to));
        }
        at = next;
    }
    return fail(Code::invalid, "{}: its '$ref' leads to more than {} definitions", path, kMaxSteps);
}

}  // namespace

Result<Declaration> Declaration::read(const Json& document, const Json& declared,
                                      const std::string& path) {
    Declaration out;
    out.own = &declared;
    out.type_of = TRY(follow(document, declared, path));
    const std::string wanted = text_or_empty(*out.type_of, "type");
    for (const ParameterType& row : kParameterTypes) {
        if (equal_ignore_case(row.name, wanted)) out.type = &row;
    }
    if (out.type != nullptr) return out;
    return fail(Code::invalid, "{}: there is no type '{}'", path, show_json(wanted));
}

bool Declaration::nullable() const {
    auto says = [](const Json& declared) {
        const Json* nullable = find_member(declared, "nullable");
        return nullable != nullptr && *nullable == Json(true);
    };
    return says(*own) || says(*type_of);
}

Result<void> Declaration::check(const Json& value, const std::string& path) const {
    if (value.is_null() && nullable()) return {};
    if (!type->fits(value)) return fail(Code::invalid, "{}: the value is no {}", path, type->name);
    TRY(check_bounds(*own, value, path));
    return own == type_of ? Result<void>() : check_bounds(*type_of, value, path);
}

}  // namespace vouchsafe::cloud
