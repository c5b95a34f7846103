#include "vouchsafe/vault/body.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::vault {

namespace {

constexpr int64_t kMaxIntDate = 253402300799;  // 9999-12-31

// wipe_texts overwrites what may be a secret in a body that nobody gets.
void wipe_texts(Json& json) {
    if (json.is_string()) {
        auto& text = json.get_ref<std::string&>();
        wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
    }
    if (!json.is_structured()) return;
    for (Json& part : json) wipe_texts(part);
}

// check_names refuses two members of one object whose names differ in capitals alone: each reader
// could take another one. Names of tags are the caller's own.
Result<void> check_names(const Json& json) {
    if (!json.is_structured()) return {};
    std::vector<std::string> names;
    for (const auto& [name, value] : json.items()) {
        if (json.is_object()) names.push_back(to_lower(name));
        if (json.is_array() || names.back() != "tags") TRY(check_names(value));
    }
    std::ranges::sort(names);
    if (std::ranges::adjacent_find(names) == names.end()) return {};
    return fail(Code::invalid, "a member appears twice, in capitals and not");
}

}  // namespace

// Member is a member found without case; null counts as absent.
const Json* member(const Json& object, std::string_view name) {
    const Json* found = find_member_ignore_case(object, name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

tl::unexpected<Error> wrong_type(std::string_view name, std::string_view type) {
    return fail(Code::invalid, "{} must be {}", name, type);
}

Result<std::optional<std::string>> text_member(const Json& object, std::string_view name) {
    const Json* found = member(object, name);
    if (found == nullptr) return std::optional<std::string>();
    if (!found->is_string()) return wrong_type(name, "a string");
    return std::optional(found->get<std::string>());
}

Result<std::string> required_text(const Json& object, std::string_view name) {
    auto found = TRY(text_member(object, name));
    if (!found || found->empty()) return fail(Code::invalid, "{} is missing", name);
    return std::move(*found);
}

Result<std::optional<int64_t>> number_member(const Json& object, std::string_view name,
                                             int64_t max) {
    const Json* found = member(object, name);
    if (found == nullptr) return std::optional<int64_t>();
    const bool whole = found->is_number_integer() && !found->is_number_float();
    // An unsigned value over the range of int64_t would turn negative.
    const bool fits = whole && (!found->is_number_unsigned() ||
                                found->get<uint64_t>() <= static_cast<uint64_t>(max));
    if (!fits || found->get<int64_t>() < 0 || found->get<int64_t>() > max) {
        return wrong_type(name, fmt::format("a whole number from 0 to {}", max));
    }
    return std::optional(found->get<int64_t>());
}

Result<std::optional<bool>> flag_member(const Json& object, std::string_view name) {
    const Json* found = member(object, name);
    if (found == nullptr) return std::optional<bool>();
    if (!found->is_boolean()) return wrong_type(name, "true or false");
    return std::optional(found->get<bool>());
}

Result<std::map<std::string, std::string>> parse_tags(const Json& json, size_t max_text) {
    if (!json.is_object() || json.size() > kMaxTags) {
        return wrong_type("tags", fmt::format("an object of at most {} members", kMaxTags));
    }
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : json.items()) {
        const bool good = value.is_string() && !name.empty() && name.size() <= max_text &&
                          value.get_ref<const std::string&>().size() <= max_text;
        if (!good) {
            return fail(Code::invalid, "tags have names and values of at most {} bytes", max_text);
        }
        out[name] = value.get<std::string>();
    }
    return out;
}

Result<AttributesBody> parse_attributes(const Json& json) {
    if (!json.is_object()) return wrong_type("attributes", "an object");
    AttributesBody out;
    out.enabled = TRY(flag_member(json, "enabled"));
    out.not_before = TRY(number_member(json, "nbf", kMaxIntDate));
    out.expires = TRY(number_member(json, "exp", kMaxIntDate));
    out.exportable = TRY(flag_member(json, "exportable"));
    return out;
}

Result<Json> parse_body(const std::string& text, size_t max_bytes) {
    Json out = TRY(with_context(parse_json_object(text, {.max_bytes = max_bytes, .max_depth = 16}),
                                "the request body"));
    if (auto names = with_context(check_names(out), "the request body"); !names) {
        wipe_texts(out);
        return fail(std::move(names.error()));
    }
    return out;
}

}  // namespace vouchsafe::vault
