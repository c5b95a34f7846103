#include "vouchsafe/base/json.h"

#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json_quick.h"

namespace vouchsafe {

namespace {

// Builds the document while it watches depth and duplicate keys.
class Sax {
  public:
    Sax(Json& root, const JsonLimits& limits) : dom_(root, false), limits_(limits) {}

    bool null() { return count() && dom_.null(); }
    bool boolean(bool value) { return count() && dom_.boolean(value); }
    bool number_integer(Json::number_integer_t value) {
        // -0 is the same number as 0, and has its type.
        if (value == 0) return number_unsigned(0);
        return count() && dom_.number_integer(value);
    }
    bool number_unsigned(Json::number_unsigned_t value) {
        return count() && dom_.number_unsigned(value);
    }
    bool number_float(double value, const std::string& text) {
        return count() && dom_.number_float(value, text);
    }
    bool string(std::string& value) { return count() && dom_.string(value); }
    bool binary(Json::binary_t& value) { return count() && dom_.binary(value); }

    bool start_object(size_t count) {
        if (!enter()) return false;
        keys_.emplace_back();
        return dom_.start_object(count);
    }
    bool key(std::string& name) {
        if (!keys_.back().insert(name).second) {
            problem_ = fmt::format("the member {} appears twice", show_json(name));
            return false;
        }
        return dom_.key(name);
    }
    bool end_object() {
        keys_.pop_back();
        --depth_;
        return dom_.end_object();
    }
    bool start_array(size_t count) { return enter() && dom_.start_array(count); }
    bool end_array() {
        --depth_;
        return dom_.end_array();
    }
    bool parse_error(size_t position, const std::string&, const Json::exception&) {
        problem_ = fmt::format("no JSON at byte {}", position);
        return false;
    }

    const std::string& problem() const { return problem_; }

  private:
    bool enter() {
        if (!count()) return false;
        if (++depth_ <= limits_.max_depth) return true;
        problem_ = fmt::format("nested deeper than {}", limits_.max_depth);
        return false;
    }

    bool count() {
        if (++values_ <= limits_.max_values) return true;
        problem_ = fmt::format("more than {} values", limits_.max_values);
        return false;
    }

    nlohmann::detail::json_sax_dom_parser<Json> dom_;
    std::vector<std::set<std::string>> keys_;
    const JsonLimits& limits_;
    size_t depth_ = 0;
    size_t values_ = 0;
    std::string problem_;
};

Result<const Json*> member(const Json& object, std::string_view name) {
    const Json* found = find_member(object, name);
    if (found == nullptr) return fail(Code::invalid, "the member '{}' is missing", name);
    return found;
}

tl::unexpected<Error> wrong_type(std::string_view name, std::string_view type) {
    return fail(Code::invalid, "the member '{}' must be {}", name, type);
}

template <typename T>
Result<std::optional<T>> optional_member(const Json& object, std::string_view name,
                                         Result<T> (*read)(const Json&, std::string_view)) {
    const Json* found = find_member(object, name);
    if (found == nullptr || found->is_null()) return std::optional<T>{};
    return std::optional<T>{TRY(read(object, name))};
}

}  // namespace

Result<Json> parse_json_carefully(std::string_view text, const JsonLimits& limits) {
    Json root;
    Sax sax(root, limits);
    if (!Json::sax_parse(text.begin(), text.end(), &sax)) {
        return fail(Code::invalid, "{}", sax.problem().empty() ? "no JSON" : sax.problem());
    }
    return root;
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes) {
        return fail(Code::invalid, "JSON of {} bytes is longer than the limit of {}", text.size(),
                    limits.max_bytes);
    }
    // The library takes a NUL for the end of the text and would not look at what follows.
    if (size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return fail(Code::invalid, "no JSON at byte {}", nul);
    }
    if (auto quick = parse_json_quick(text, limits)) return std::move(*quick);
    return parse_json_carefully(text, limits);
}

Result<Json> parse_json_object(std::string_view text, const JsonLimits& limits) {
    Json json = TRY(parse_json(text, limits));
    if (!json.is_object()) return fail(Code::invalid, "a JSON object was expected");
    return json;
}

std::string dump_json(const Json& json) {
    std::string out;
    write_json_quick(out, json, false);
    return out;
}

void append_json(std::string& out, const Json& json) {
    write_json_quick(out, json, false);
}

void append_json_text(std::string& out, std::string_view text) {
    write_text_quick(out, text);
}

std::string dump_json_pretty(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json_ascii(const Json& json) {
    std::string out;
    write_json_quick(out, json, true);
    return out;
}

std::string show_json(const Json& json, size_t max_size) {
    std::string out;
    for (char c : json.dump(-1, ' ', true, Json::error_handler_t::replace)) {
        if (c == '\x7f') {
            out += "\\u007f";
        } else {
            out += c;
        }
    }
    if (out.size() > max_size) out = out.substr(0, max_size - 3) + "...";
    return out;
}

const Json* find_member(const Json& object, std::string_view name) {
    if (!object.is_object()) return nullptr;
    auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
}

std::string text_or_empty(const Json& object, std::string_view name) {
    const Json* value = find_member(object, name);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

const Json* find_member_ignore_case(const Json& object, std::string_view name) {
    if (const Json* exact = find_member(object, name)) return exact;
    if (!object.is_object()) return nullptr;
    for (auto it = object.begin(); it != object.end(); ++it) {
        if (equal_ignore_case(it.key(), name)) return &*it;
    }
    return nullptr;
}

Result<std::string> json_string(const Json& object, std::string_view name) {
    const Json* found = TRY(member(object, name));
    if (!found->is_string()) return wrong_type(name, "a string");
    return found->get<std::string>();
}

Result<int64_t> json_integer(const Json& object, std::string_view name) {
    const Json* found = TRY(member(object, name));
    bool fits = found->is_number_integer() &&
                !(found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX);
    if (!fits) return wrong_type(name, "an integer");
    return found->get<int64_t>();
}

Result<bool> json_bool(const Json& object, std::string_view name) {
    const Json* found = TRY(member(object, name));
    if (!found->is_boolean()) return wrong_type(name, "true or false");
    return found->get<bool>();
}

Result<const Json*> json_object(const Json& object, std::string_view name) {
    const Json* found = TRY(member(object, name));
    if (!found->is_object()) return wrong_type(name, "an object");
    return found;
}

Result<const Json*> json_array(const Json& object, std::string_view name) {
    const Json* found = TRY(member(object, name));
    if (!found->is_array()) return wrong_type(name, "an array");
    return found;
}

Result<std::optional<std::string>> json_optional_string(const Json& object, std::string_view name) {
    return optional_member<std::string>(object, name, &json_string);
}
Result<std::optional<int64_t>> json_optional_integer(const Json& object, std::string_view name) {
    return optional_member<int64_t>(object, name, &json_integer);
}
Result<std::optional<bool>> json_optional_bool(const Json& object, std::string_view name) {
    return optional_member<bool>(object, name, &json_bool);
}

}  // namespace vouchsafe
