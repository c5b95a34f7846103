#include "vouchsafe/cloud/template/functions.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

Result<std::string> text_at(const Arguments& arguments, size_t at) {
    if (at >= arguments.size() || !arguments[at].is_string()) {
        return fail(Code::invalid, "argument {} must be a text", at + 1);
    }
    return arguments[at].get<std::string>();
}

Result<int64_t> number_at(const Arguments& arguments, size_t at) {
    if (at >= arguments.size() || !arguments[at].is_number_integer()) {
        return fail(Code::invalid, "argument {} must be a whole number", at + 1);
    }
    const Json& number = arguments[at];
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (number.is_number_unsigned() && number.get<uint64_t>() > kMost) {
        return fail(Code::invalid, "argument {} is too large", at + 1);
    }
    return number.get<int64_t>();
}

Result<bool> bool_at(const Arguments& arguments, size_t at) {
    if (at >= arguments.size() || !arguments[at].is_boolean()) {
        return fail(Code::invalid, "argument {} must be a boolean", at + 1);
    }
    return arguments[at].get<bool>();
}

Result<std::vector<std::string>> texts_from(const Arguments& arguments, size_t first) {
    std::vector<std::string> out;
    for (size_t i = first; i < arguments.size(); ++i) out.push_back(TRY(text_at(arguments, i)));
    return out;
}

tl::unexpected<Error> wrong_type(std::string_view wanted) {
    return fail(Code::invalid, "it takes {}", wanted);
}

namespace {

// Places of the deployment.

Result<Json> parameters(const Arguments& arguments, const Bindings& bindings) {
    return bindings.parameter(TRY(text_at(arguments, 0)));
}
Result<Json> variables(const Arguments& arguments, const Bindings& bindings) {
    return bindings.variable(TRY(text_at(arguments, 0)));
}
Result<Json> resource_group(const Arguments&, const Bindings& bindings) {
    return bindings.place->resource_group;
}
Result<Json> subscription(const Arguments&, const Bindings& bindings) {
    return bindings.place->subscription;
}
Result<Json> tenant(const Arguments&, const Bindings& bindings) {
    return bindings.place->tenant;
}
Result<Json> deployment(const Arguments&, const Bindings& bindings) {
    return Json{{"name", bindings.place->deployment}};
}

Result<Json> deployer(const Arguments&, const Bindings& bindings) {
    return bindings.place->deployer;
}

Result<Json> environment(const Arguments&, const Bindings&) {
    return Json{{"name", "AzureCloud"},
                {"resourceManager", "https://management.azure.com/"},
                {"authentication", {{"loginEndpoint", "https://login.microsoftonline.com/"}}},
                {"suffixes",
                 {{"keyvaultDns", ".vault.azure.net"},
                  {"attestationEndpoint", ".attest.azure.net"},
                  {"storage", "core.windows.net"}}}};
}

Result<Json> copy_index(const Arguments& arguments, const Bindings& bindings) {
    std::string name = bindings.innermost;
    size_t offset_at = 0;
    if (!arguments.empty() && arguments[0].is_string()) {
        name = to_lower(arguments[0].get<std::string>());
        offset_at = 1;
    }
    auto loop = bindings.loops.find(name);
    if (loop == bindings.loops.end()) return fail(Code::invalid, "there is no such loop here");
    const int64_t offset = arguments.size() > offset_at ? TRY(number_at(arguments, offset_at)) : 0;
    int64_t out = 0;
    if (__builtin_add_overflow(loop->second, offset, &out)) {
        return fail(Code::invalid, "the offset is too large");
    }
    return Json(out);
}

Result<Json> reference(const Arguments& arguments, const Bindings& bindings) {
    if (!bindings.reference) return fail(Code::invalid, "reference cannot be used here");
    const std::string resource = TRY(text_at(arguments, 0));
    const bool whole =
        arguments.size() == 3 && equal_ignore_case(TRY(text_at(arguments, 2)), "full");
    return bindings.reference(resource, whole);
}

// references(loop, ['Full' or 'Properties']) is for loops with a symbolic name.
Result<Json> references(const Arguments& arguments, const Bindings& bindings) {
    if (!bindings.references) return fail(Code::invalid, "references cannot be used here");
    const std::string loop = TRY(text_at(arguments, 0));
    const std::string form = arguments.size() > 1 ? TRY(text_at(arguments, 1)) : "Properties";
    const bool whole = equal_ignore_case(form, "Full");
    if (!whole && !equal_ignore_case(form, "Properties")) {
        return fail(Code::invalid, "argument 2 must be 'Full' or 'Properties'");
    }
    return bindings.references(loop, whole);
}

Result<Json> lambda_variables(const Arguments& arguments, const Bindings& bindings) {
    const std::string name = TRY(text_at(arguments, 0));
    for (const LambdaScope* scope = bindings.lambda; scope != nullptr; scope = scope->outer) {
        for (const auto& [known, value] : scope->variables) {
            if (equal_ignore_case(known, name)) return *value;
        }
    }
    return fail(Code::invalid, "no lambda around it has a variable '{}'", name);
}

// resourceId([subscription], [group], type, name...): the type is the first argument with a slash.
Result<Json> resource_id(const Arguments& arguments, const Bindings& bindings) {
    std::vector<std::string> texts = TRY(texts_from(arguments, 0));
    size_t type = 0;
    while (type < texts.size() && texts[type].find('/') == std::string::npos) ++type;
    if (type == texts.size() || type > 2) {
        return wrong_type("[subscription,] [group,] a type and its names");
    }
    std::string scope = text_or_empty(bindings.place->resource_group, "id");
    const std::string own = text_or_empty(bindings.place->subscription, "subscriptionId");
    if (type == 1) scope = fmt::format("/subscriptions/{}/resourceGroups/{}", own, texts[0]);
    if (type == 2) scope = fmt::format("/subscriptions/{}/resourceGroups/{}", texts[0], texts[1]);
    const std::vector<std::string> names(texts.begin() + static_cast<ptrdiff_t>(type) + 1,
                                         texts.end());
    return Json(TRY(make_resource_id(scope, texts[type], names)));
}

Result<Json> subscription_resource_id(const Arguments& arguments, const Bindings& bindings) {
    std::vector<std::string> texts = TRY(texts_from(arguments, 0));
    const bool given = texts[0].find('/') == std::string::npos;
    const std::string id =
        given ? texts[0] : text_or_empty(bindings.place->subscription, "subscriptionId");
    const size_t type = given ? 1 : 0;
    if (texts.size() < type + 2) return wrong_type("[subscription,] a type and its names");
    const std::vector<std::string> names(texts.begin() + static_cast<ptrdiff_t>(type) + 1,
                                         texts.end());
    return Json(TRY(make_resource_id("/subscriptions/" + id, texts[type], names)));
}

Result<Json> tenant_resource_id(const Arguments& arguments, const Bindings&) {
    std::vector<std::string> texts = TRY(texts_from(arguments, 0));
    const std::vector<std::string> names(texts.begin() + 1, texts.end());
    return Json(TRY(make_resource_id("", texts[0], names)));
}

Result<Json> extension_resource_id(const Arguments& arguments, const Bindings&) {
    std::vector<std::string> texts = TRY(texts_from(arguments, 0));
    const std::vector<std::string> names(texts.begin() + 2, texts.end());
    return Json(TRY(make_resource_id(texts[0], texts[1], names)));
}

// Texts.

Result<Json> concat(const Arguments& arguments, const Bindings&) {
    if (arguments[0].is_array()) {
        Json out = Json::array();
        for (const Json& list : arguments) {
            if (!list.is_array()) return wrong_type("arrays alone, or no array");
            out.insert(out.end(), list.begin(), list.end());
        }
        return out;
    }
    std::string out;
    for (const Json& part : arguments) {
        if (part.is_structured()) return wrong_type("arrays alone, or no array");
        out += text_form(part);
    }
    return Json(std::move(out));
}

// format knows "{0}", and "{{" and "}}" for braces; alignments and formats of numbers are refused.
Result<Json> format(const Arguments& arguments, const Bindings&) {
    const std::string pattern = TRY(text_at(arguments, 0));
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        const bool doubled = i + 1 < pattern.size() && pattern[i + 1] == c;
        if ((c == '{' || c == '}') && doubled) {
            out += c;
            ++i;
        } else if (c == '}') {
            return fail(Code::invalid, "a '}}' has no '{{'");
        } else if (c == '{') {
            const size_t end = pattern.find('}', i);
            size_t number = 0;
            const char* last = pattern.data() + std::min(end, pattern.size());
            auto parsed = std::from_chars(pattern.data() + i + 1, last, number);
            if (end == std::string::npos || parsed.ec != std::errc() || parsed.ptr != last) {
                return fail(Code::invalid,
                            "between '{{' and '}}' stands the number of an argument");
            }
            if (number >= arguments.size() - 1) {
                return fail(Code::invalid, "there is no argument for {{{}}}", number);
            }
            out += text_form(arguments[number + 1]);
            i = end;
        } else {
            out += c;
        }
    }
    return Json(std::move(out));
}

Result<Json> to_lower_case(const Arguments& arguments, const Bindings&) {
    return Json(to_lower(TRY(text_at(arguments, 0))));
}
Result<Json> to_upper_case(const Arguments& arguments, const Bindings&) {
    std::string text = TRY(text_at(arguments, 0));
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return Json(std::move(text));
}

Result<Json> trim(const Arguments& arguments, const Bindings&) {
    constexpr std::string_view kSpaces = " \t\r\n";
    std::string text = TRY(text_at(arguments, 0));
    const size_t first = text.find_first_not_of(kSpaces);
    if (first == std::string::npos) return Json("");
    return Json(text.substr(first, text.find_last_not_of(kSpaces) - first + 1));
}

Result<Json> substring(const Arguments& arguments, const Bindings&) {
    const std::string text = TRY(text_at(arguments, 0));
    const int64_t start = arguments.size() > 1 ? TRY(number_at(arguments, 1)) : 0;
    const auto size = static_cast<int64_t>(text.size());
    if (start < 0 || start > size) return fail(Code::invalid, "the start is outside of the text");
    const int64_t count = arguments.size() > 2 ? TRY(number_at(arguments, 2)) : size - start;
    if (count < 0 || count > size - start) {
        return fail(Code::invalid, "the length goes beyond the text");
    }
    return Json(text.substr(static_cast<size_t>(start), static_cast<size_t>(count)));
}

Result<Json> replace(const Arguments& arguments, const Bindings& bindings) {
    const std::string text = TRY(text_at(arguments, 0));
    const std::string old = TRY(text_at(arguments, 1));
    const std::string fresh = TRY(text_at(arguments, 2));
    if (old.empty()) return fail(Code::invalid, "argument 2 is empty");
    std::string out;
    for (size_t at = 0;;) {
        const size_t found = text.find(old, at);
        if (found == std::string::npos) return Json(out + text.substr(at));
        out += text.substr(at, found - at) + fresh;
        if (out.size() > bindings.budget->bytes) return fail(Code::invalid, "it becomes too long");
        at = found + old.size();
    }
}

Result<Json> split(const Arguments& arguments, const Bindings&) {
    constexpr size_t kMaxMarks = 100;  // delimiters
    const std::string text = TRY(text_at(arguments, 0));
    std::vector<std::string> marks;
    if (arguments[1].is_array()) {
        for (const Json& mark : arguments[1]) {
            if (!mark.is_string() || arguments[1].size() > kMaxMarks) {
                return wrong_type("up to 100 delimiters that are texts");
            }
            marks.push_back(mark.get<std::string>());
        }
    } else {
        marks.push_back(TRY(text_at(arguments, 1)));
    }
    Json out = Json::array();
    std::string part;
    for (size_t at = 0; at < text.size();) {
        auto mark = std::find_if(marks.begin(), marks.end(), [&](const std::string& one) {
            return !one.empty() && text.compare(at, one.size(), one) == 0;
        });
        if (mark == marks.end()) {
            part += text[at++];
        } else {
            out.push_back(std::exchange(part, ""));
            at += mark->size();
        }
    }
    out.push_back(part);
    return out;
}

Result<Json> join(const Arguments& arguments, const Bindings&) {
    const std::string mark = TRY(text_at(arguments, 1));
    if (!arguments[0].is_array()) return wrong_type("an array and a text");
    std::string out;
    for (const Json& item : arguments[0]) {
        if (&item != &arguments[0].front()) out += mark;
        out += text_form(item);
    }
    return Json(std::move(out));
}

Result<Json> starts_with(const Arguments& arguments, const Bindings&) {
    const std::string text = to_lower(TRY(text_at(arguments, 0)));
    return Json(text.starts_with(to_lower(TRY(text_at(arguments, 1)))));
}
Result<Json> ends_with(const Arguments& arguments, const Bindings&) {
    const std::string text = to_lower(TRY(text_at(arguments, 0)));
    return Json(text.ends_with(to_lower(TRY(text_at(arguments, 1)))));
}

Result<Json> pad_left(const Arguments& arguments, const Bindings&) {
    constexpr int64_t kMaxWidth = 1 << 12;
    if (arguments[0].is_structured()) return wrong_type("a text or a number");
    std::string text = text_form(arguments[0]);
    const int64_t width = TRY(number_at(arguments, 1));
    const std::string fill = arguments.size() > 2 ? TRY(text_at(arguments, 2)) : " ";
    if (width < 0 || width > kMaxWidth || fill.size() != 1) {
        return wrong_type("a width up to 4096 and one character");
    }
    if (text.size() >= static_cast<size_t>(width)) return Json(std::move(text));
    return Json(std::string(static_cast<size_t>(width) - text.size(), fill[0]) + text);
}

Result<Json> base64(const Arguments& arguments, const Bindings&) {
    return Json(encode_base64(as_bytes(TRY(text_at(arguments, 0)))));
}

Result<Json> unique_string(const Arguments& arguments, const Bindings&) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    constexpr size_t kLength = 13;
    const std::string joined = fmt::format("{}", fmt::join(TRY(texts_from(arguments, 0)), "-"));
    const auto digest = crypto::sha256(as_bytes(joined));
    std::string out;
    for (size_t i = 0; i < kLength; ++i) out += kAlphabet[digest[i] % kAlphabet.size()];
    return Json(std::move(out));
}

std::string format_guid(ByteView bytes) {
    const std::string hex = encode_hex(bytes.first(16));
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                       hex.substr(16, 4), hex.substr(20, 12));
}

// guid is a name-based UUID (RFC 9562, 5.5) in Azure's namespace for templates, of the arguments
// joined by '-', so that names made here are those that Azure makes.
Result<Json> guid(const Arguments& arguments, const Bindings&) {
    constexpr std::string_view kNamespace = "11fb06fb712d4ddd98c7e71bbd588830";
    Bytes input = MUST(decode_hex(kNamespace));
    append(input, to_bytes(fmt::format("{}", fmt::join(TRY(texts_from(arguments, 0)), "-"))));
    Bytes digest = crypto::hash(crypto::HashAlg::sha1, input);
    digest[6] = static_cast<uint8_t>((digest[6] & 0x0f) | 0x50);
    digest[8] = static_cast<uint8_t>((digest[8] & 0x3f) | 0x80);
    return Json(format_guid(digest));
}

Result<Json> new_guid(const Arguments&, const Bindings& bindings) {
    if (!bindings.defaults) return fail(Code::invalid, "it works for default values alone");
    return Json(crypto::random_uuid());
}

// Values of any kind.

Result<Json> string(const Arguments& arguments, const Bindings&) {
    return Json(text_form(arguments[0]));
}

Result<Json> int_of(const Arguments& arguments, const Bindings&) {
    if (arguments[0].is_number_integer()) return Json(TRY(number_at(arguments, 0)));
    const std::string text = TRY(text_at(arguments, 0));
    int64_t out = 0;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
        return fail(Code::invalid, "the text is no whole number");
    }
    return Json(out);
}

Result<Json> bool_of(const Arguments& arguments, const Bindings&) {
    if (arguments[0].is_boolean()) return arguments[0];
    if (arguments[0].is_number_integer()) return Json(TRY(number_at(arguments, 0)) != 0);
    const std::string text = TRY(text_at(arguments, 0));
    if (equal_ignore_case(text, "true") || text == "1") return Json(true);
    if (equal_ignore_case(text, "false") || text == "0") return Json(false);
    return fail(Code::invalid, "the text is neither true nor false");
}

Result<Json> json(const Arguments& arguments, const Bindings&) {
    return parse_json(TRY(text_at(arguments, 0)));
}

Result<Json> length(const Arguments& arguments, const Bindings&) {
    const Json& value = arguments[0];
    if (value.is_string()) return Json(value.get_ref<const std::string&>().size());
    if (!value.is_structured()) return wrong_type("a text, an array or an object");
    return Json(value.size());
}

Result<Json> empty(const Arguments& arguments, const Bindings&) {
    const Json& value = arguments[0];
    if (value.is_null()) return Json(true);
    if (value.is_string()) return Json(value.get_ref<const std::string&>().empty());
    if (!value.is_structured()) return wrong_type("a text, an array or an object");
    return Json(value.empty());
}

Result<Json> contains(const Arguments& arguments, const Bindings&) {
    const Json& value = arguments[0];
    if (value.is_array()) {
        return Json(std::find(value.begin(), value.end(), arguments[1]) != value.end());
    }
    if (value.is_object()) {
        return Json(find_member_ignore_case(value, TRY(text_at(arguments, 1))) != nullptr);
    }
    if (!value.is_string()) return wrong_type("a text, an array or an object first");
    return Json(value.get_ref<const std::string&>().find(text_form(arguments[1])) !=
                std::string::npos);
}

Result<Json> first(const Arguments& arguments, const Bindings&) {
    const Json& value = arguments[0];
    if (value.is_string()) return Json(value.get_ref<const std::string&>().substr(0, 1));
    if (!value.is_array() || value.empty()) return wrong_type("a text or an array with items");
    return value.front();
}
Result<Json> last(const Arguments& arguments, const Bindings&) {
    const Json& value = arguments[0];
    if (value.is_string()) {
        const std::string& text = value.get_ref<const std::string&>();
        return Json(text.empty() ? "" : text.substr(text.size() - 1));
    }
    if (!value.is_array() || value.empty()) return wrong_type("a text or an array with items");
    return value.back();
}

// cut gives the items or characters from one number to another, as far as there are any.
Result<Json> cut(const Json& value, size_t from, size_t to) {
    if (value.is_string()) {
        const std::string& text = value.get_ref<const std::string&>();
        from = std::min(from, text.size());
        return Json(text.substr(from, std::min(to, text.size()) - from));
    }
    if (!value.is_array()) return wrong_type("a text or an array");
    from = std::min(from, value.size());
    Json out = Json::array();
    for (size_t i = from; i < std::min(to, value.size()); ++i) out.push_back(value[i]);
    return out;
}
Result<Json> take(const Arguments& arguments, const Bindings&) {
    const int64_t count = TRY(number_at(arguments, 1));
    return cut(arguments[0], 0, static_cast<size_t>(std::max<int64_t>(count, 0)));
}
Result<Json> skip(const Arguments& arguments, const Bindings&) {
    const int64_t count = TRY(number_at(arguments, 1));
    return cut(arguments[0], static_cast<size_t>(std::max<int64_t>(count, 0)),
               std::numeric_limits<size_t>::max());
}

Result<Json> create_array(const Arguments& arguments, const Bindings&) {
    return Json(Json::array_t(arguments.begin(), arguments.end()));
}
Result<Json> create_object(const Arguments& arguments, const Bindings&) {
    if (arguments.size() % 2 != 0) return wrong_type("names and values in pairs");
    Json out = Json::object();
    for (size_t i = 0; i < arguments.size(); i += 2) {
        out[TRY(text_at(arguments, i))] = arguments[i + 1];
    }
    return out;
}
Result<Json> array(const Arguments& arguments, const Bindings&) {
    return arguments[0].is_array() ? arguments[0] : Json::array({arguments[0]});
}
Result<Json> coalesce(const Arguments& arguments, const Bindings&) {
    auto found = std::find_if(arguments.begin(), arguments.end(),
                              [](const Json& value) { return !value.is_null(); });
    return found == arguments.end() ? Json() : *found;
}
Result<Json> range(const Arguments& arguments, const Bindings&) {
    constexpr int64_t kMaxRange = 10'000;  // Azure's
    const int64_t start = TRY(number_at(arguments, 0));
    const int64_t count = TRY(number_at(arguments, 1));
    if (count < 0 || count > kMaxRange || std::abs(start) > std::numeric_limits<int32_t>::max()) {
        return wrong_type("a start and a count up to 10000");
    }
    Json out = Json::array();
    for (int64_t i = 0; i < count; ++i) out.push_back(start + i);
    return out;
}

// Logic and numbers.

Result<Json> equals(const Arguments& arguments, const Bindings&) {
    return Json(arguments[0] == arguments[1]);
}
Result<Json> not_of(const Arguments& arguments, const Bindings&) {
    return Json(!TRY(bool_at(arguments, 0)));
}
Result<Json> and_of(const Arguments& arguments, const Bindings&) {
    bool out = true;
    for (size_t i = 0; i < arguments.size(); ++i) out = TRY(bool_at(arguments, i)) && out;
    return Json(out);
}
Result<Json> or_of(const Arguments& arguments, const Bindings&) {
    bool out = false;
    for (size_t i = 0; i < arguments.size(); ++i) out = TRY(bool_at(arguments, i)) || out;
    return Json(out);
}
Result<Json> true_value(const Arguments&, const Bindings&) {
    return Json(true);
}
Result<Json> false_value(const Arguments&, const Bindings&) {
    return Json(false);
}
Result<Json> null_value(const Arguments&, const Bindings&) {
    return Json();
}

template <typename Compare>
Result<Json> compare(const Arguments& arguments, Compare holds) {
    if (arguments[0].is_string()) {
        return Json(holds(TRY(text_at(arguments, 0)).compare(TRY(text_at(arguments, 1))), 0));
    }
    return Json(holds(TRY(number_at(arguments, 0)), TRY(number_at(arguments, 1))));
}
Result<Json> less(const Arguments& arguments, const Bindings&) {
    return compare(arguments, std::less<>());
}
Result<Json> less_or_equals(const Arguments& arguments, const Bindings&) {
    return compare(arguments, std::less_equal<>());
}
Result<Json> greater(const Arguments& arguments, const Bindings&) {
    return compare(arguments, std::greater<>());
}
Result<Json> greater_or_equals(const Arguments& arguments, const Bindings&) {
    return compare(arguments, std::greater_equal<>());
}

Result<Json> add(const Arguments& arguments, const Bindings&) {
    int64_t out = 0;
    if (__builtin_add_overflow(TRY(number_at(arguments, 0)), TRY(number_at(arguments, 1)), &out)) {
        return fail(Code::invalid, "the sum is too large");
    }
    return Json(out);
}
Result<Json> sub(const Arguments& arguments, const Bindings&) {
    int64_t out = 0;
    if (__builtin_sub_overflow(TRY(number_at(arguments, 0)), TRY(number_at(arguments, 1)), &out)) {
        return fail(Code::invalid, "the difference is too large");
    }
    return Json(out);
}
Result<Json> mul(const Arguments& arguments, const Bindings&) {
    int64_t out = 0;
    if (__builtin_mul_overflow(TRY(number_at(arguments, 0)), TRY(number_at(arguments, 1)), &out)) {
        return fail(Code::invalid, "the product is too large");
    }
    return Json(out);
}
// divisible refuses what the processor does not divide.
Result<void> divisible(int64_t a, int64_t b) {
    if (b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min())) {
        return fail(Code::invalid, "it cannot be divided by {}", b);
    }
    return {};
}
Result<Json> div_of(const Arguments& arguments, const Bindings&) {
    const int64_t a = TRY(number_at(arguments, 0)), b = TRY(number_at(arguments, 1));
    TRY(divisible(a, b));
    return Json(a / b);
}
Result<Json> mod(const Arguments& arguments, const Bindings&) {
    const int64_t a = TRY(number_at(arguments, 0)), b = TRY(number_at(arguments, 1));
    TRY(divisible(a, b));
    return Json(a % b);
}

// By name in lower case, sorted.
constexpr Function kFunctions[] = {
    {"add", 2, 2, add},
    {"and", 2, kAnyNumber, and_of},
    {"array", 1, 1, array},
    {"base64", 1, 1, base64},
    {"bool", 1, 1, bool_of},
    {"coalesce", 1, kAnyNumber, coalesce},
    {"concat", 1, kAnyNumber, concat},
    {"contains", 2, 2, contains},
    {"copyindex", 0, 2, copy_index},
    {"createarray", 0, kAnyNumber, create_array},
    {"createobject", 0, kAnyNumber, create_object},
    {"deployer", 0, 0, deployer},
    {"deployment", 0, 0, deployment},
    {"div", 2, 2, div_of},
    {"empty", 1, 1, empty},
    {"endswith", 2, 2, ends_with},
    {"environment", 0, 0, environment},
    {"equals", 2, 2, equals},
    {"extensionresourceid", 3, kAnyNumber, extension_resource_id},
    {"false", 0, 0, false_value},
    {"first", 1, 1, first},
    {"format", 1, kAnyNumber, format},
    {"greater", 2, 2, greater},
    {"greaterorequals", 2, 2, greater_or_equals},
    {"guid", 1, kAnyNumber, guid},
    {"int", 1, 1, int_of},
    {"join", 2, 2, join},
    {"json", 1, 1, json},
    {"lambdavariables", 1, 1, lambda_variables},
    {"last", 1, 1, last},
    {"length", 1, 1, length},
    {"less", 2, 2, less},
    {"lessorequals", 2, 2, less_or_equals},
    {"mod", 2, 2, mod},
    {"mul", 2, 2, mul},
    {"newguid", 0, 0, new_guid},
    {"not", 1, 1, not_of},
    {"null", 0, 0, null_value},
    {"or", 2, kAnyNumber, or_of},
    {"padleft", 2, 3, pad_left},
    {"parameters", 1, 1, parameters},
    {"range", 2, 2, range},
    {"reference", 1, 3, reference},
    {"references", 1, 2, references},
    {"replace", 3, 3, replace},
    {"resourcegroup", 0, 0, resource_group},
    {"resourceid", 2, kAnyNumber, resource_id},
    {"skip", 2, 2, skip},
    {"split", 2, 2, split},
    {"startswith", 2, 2, starts_with},
    {"string", 1, 1, string},
    {"sub", 2, 2, sub},
    {"subscription", 0, 0, subscription},
    {"subscriptionresourceid", 2, kAnyNumber, subscription_resource_id},
    {"substring", 1, 3, substring},
    {"take", 2, 2, take},
    {"tenant", 0, 0, tenant},
    {"tenantresourceid", 2, kAnyNumber, tenant_resource_id},
    {"tolower", 1, 1, to_lower_case},
    {"toupper", 1, 1, to_upper_case},
    {"trim", 1, 1, trim},
    {"true", 0, 0, true_value},
    {"uniquestring", 1, kAnyNumber, unique_string},
    {"variables", 1, 1, variables},
};

}  // namespace

std::string text_form(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
    if (value.is_null()) return "";
    return dump_json(value);
}

const Function* find_function(std::string_view name) {
    const std::string wanted = to_lower(name);
    for (std::span<const Function> table : {std::span<const Function>(kFunctions), list_functions(),
                                            text_functions(), date_functions(), cidr_functions()}) {
        auto found = std::lower_bound(
            table.begin(), table.end(), wanted,
            [](const Function& row, const std::string& text) { return row.name < text; });
        if (found != table.end() && found->name == wanted) return &*found;
    }
    return nullptr;
}

}  // namespace vouchsafe::cloud
