#include "vouchsafe/attest/request/json_fields.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

tl::unexpected<Error> wrong_type(const std::string& path, std::string_view wanted) {
    return fail(Code::invalid, "{} must be {}", path, wanted);
}

}  // namespace

Result<JsonFields> JsonFields::of(const Json& value, std::string path) {
    if (!value.is_object()) return wrong_type(path.empty() ? "the request" : path, "an object");
    return JsonFields(value, std::move(path));
}

std::string JsonFields::path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

Result<const Json*> JsonFields::find(std::string_view name) const {
    const Json* found = nullptr;
    for (auto it = object_->begin(); it != object_->end(); ++it) {
        if (!equal_ignore_case(it.key(), name)) continue;
        if (found != nullptr) return fail(Code::invalid, "{} appears twice", path_of(name));
        found = &*it;
    }
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<const Json*> JsonFields::require(std::string_view name) const {
    const Json* found = TRY(find(name));
    if (found == nullptr) return fail(Code::invalid, "{} is missing", path_of(name));
    return found;
}

Result<JsonFields> JsonFields::object(std::string_view name) const {
    return of(*TRY(require(name)), path_of(name));
}

Result<std::string> JsonFields::string(std::string_view name, size_t max_size) const {
    const Json* found = TRY(require(name));
    if (!found->is_string()) return wrong_type(path_of(name), "a string");
    const std::string& text = found->get_ref<const std::string&>();
    if (text.size() > max_size) {
        return fail(Code::invalid, "{} is longer than {} bytes", path_of(name), max_size);
    }
    return text;
}

Result<std::optional<std::string>> JsonFields::optional_string(std::string_view name,
                                                               size_t max_size) const {
    if (TRY(find(name)) == nullptr) return std::optional<std::string>{};
    return std::optional<std::string>{TRY(string(name, max_size))};
}

Result<Bytes> JsonFields::bytes(std::string_view name, size_t max_size) const {
    const Json* found = TRY(require(name));
    if (!found->is_string()) return wrong_type(path_of(name), "base64 text");
    const std::string& text = found->get_ref<const std::string&>();
    size_t longest = (max_size + 2) / 3 * 4;  // of the encoded form, with padding
    if (text.size() > longest) {
        return fail(Code::invalid, "{} is longer than {} bytes", path_of(name), max_size);
    }
    auto decoded = decode_base64_any(text);
    if (!decoded) return with_context(std::move(decoded), path_of(name));
    if (decoded->size() > max_size) {
        return fail(Code::invalid, "{} is longer than {} bytes", path_of(name), max_size);
    }
    return decoded;
}

Result<std::string> JsonFields::encoded_text(std::string_view name, size_t max_size) const {
    std::string text = to_text(TRY(bytes(name, max_size)));
    if (!is_utf8(text)) return fail(Code::invalid, "{} is no UTF-8 text", path_of(name));
    return text;
}

Result<Json> JsonFields::encoded_json(std::string_view name, size_t max_size) const {
    Bytes text = TRY(bytes(name, max_size));
    auto parsed = parse_json(as_text(text), {.max_bytes = max_size});
    return parsed ? std::move(parsed) : with_context(std::move(parsed), path_of(name));
}

Result<int64_t> JsonFields::whole_number(std::string_view name) const {
    constexpr int64_t kLargest = INT32_MAX;
    const Json* found = TRY(require(name));
    int64_t number = -1;
    if (found->is_number_unsigned()) {
        number = static_cast<int64_t>(std::min<uint64_t>(found->get<uint64_t>(), kLargest + 1));
    } else if (found->is_string()) {
        const std::string& text = found->get_ref<const std::string&>();
        if (text.empty()) return 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size()) number = -1;
    }
    if (number < 0 || number > kLargest) {
        return wrong_type(path_of(name), "a whole number from 0 to 2147483647");
    }
    return number;
}

Result<std::string> parse_draft_policy(const JsonFields& request) {
    constexpr size_t kMaxDraft = 256 << 10;  // bytes of a policy's text or JWS
    auto draft = TRY(request.optional_string("draftPolicyForAttestation", kMaxDraft));
    return draft.value_or("");
}

}  // namespace vouchsafe::attest
