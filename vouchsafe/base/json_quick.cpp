#include "vouchsafe/base/json_quick.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <cstring>

#include "vouchsafe/base/secret.h"

namespace vouchsafe {

namespace {

namespace dom = simdjson::dom;

// A reader for text up to this size stays with its thread: a guest's evidence fits.
constexpr size_t kKept = 256 << 10;

// QuickReader has room for text of `capacity` bytes. Texts may hold secrets, so it is wiped after
// use.
class QuickReader {
  public:
    QuickReader(size_t capacity, size_t depth)
        : text_(capacity + simdjson::SIMDJSON_PADDING, '\0') {
        ready_ = parser_.allocate(capacity, depth) == simdjson::SUCCESS &&
                 parser_.doc.allocate(capacity) == simdjson::SUCCESS;
    }
    bool ready() const { return ready_; }

    // read gives the text's document to `use` while it is there.
    template <typename Use>
    void read(std::string_view text, const Use& use) {
        text.copy(text_.data(), text.size());
        dom::element root;
        if (parser_.parse(text_.data(), text.size(), false).get(root) == simdjson::SUCCESS) {
            use(root);
        }
        forget(text_.data(), text.size());
        // simdjson keeps the strings there, each with its length in 4 bytes and a zero, so "" with
        // its comma, three bytes of text, takes five.
        forget(reinterpret_cast<char*>(parser_.doc.string_buf.get()),
               text.size() * 5 / 3 + simdjson::SIMDJSON_PADDING);
    }

  private:
    static void forget(char* data, size_t size) { wipe({reinterpret_cast<uint8_t*>(data), size}); }

    dom::parser parser_;
    std::string text_;
    bool ready_ = false;
};

// Builder makes our document out of simdjson's. Its depth is limited by the reader.
class Builder {
  public:
    explicit Builder(const JsonLimits& limits) : left_(limits.max_values) {}

    // build returns false if the document is not one to read quickly.
    bool build(const dom::element& from, Json& to) {
        if (left_ == 0) return false;
        --left_;
        switch (from.type()) {
            case dom::element_type::OBJECT:
                return object(from.get_object().value_unsafe(), to);
            case dom::element_type::ARRAY:
                return array(from.get_array().value_unsafe(), to);
            case dom::element_type::STRING:
                to = std::string(from.get_string().value_unsafe());
                return true;
            case dom::element_type::INT64: {
                int64_t number = from.get_int64().value_unsafe();
                if (number < 0) {
                    to = number;
                } else {
                    to = static_cast<uint64_t>(number);
                }
                return true;
            }
            case dom::element_type::UINT64:
                to = from.get_uint64().value_unsafe();
                return true;
            case dom::element_type::DOUBLE:
                to = from.get_double().value_unsafe();
                return true;
            case dom::element_type::BOOL:
                to = from.get_bool().value_unsafe();
                return true;
            case dom::element_type::NULL_VALUE:
                return true;
        }
        return false;
    }

  private:
    bool object(const dom::object& from, Json& to) {
        to = Json::object();
        for (const dom::key_value_pair& member : from) {
            auto [place, fresh] = to.emplace(std::string(member.key), nullptr);
            if (!fresh || !build(member.value, *place)) return false;
        }
        return true;
    }
    bool array(const dom::array& from, Json& to) {
        to = Json::array();
        for (const dom::element& one : from) {
            to.push_back(nullptr);
            if (!build(one, to.back())) return false;
        }
        return true;
    }

    size_t left_;
};

// Block is looked at in one step: an extension that GCC and Clang have for all processors.
using Block = uint8_t __attribute__((vector_size(16)));

// found_in has bits where a character is not written as it is; of what guests read three more are
// written otherwise (dump_json_ascii).
template <bool ascii>
Block found_in(const char* text, size_t size = sizeof(Block)) {
    Block bytes{};
    bytes += uint8_t{' '};  // behind a short text
    std::memcpy(&bytes, text, size);
    Block out = (bytes < ' ') | (bytes >= 0x7f) | (bytes == '"') | (bytes == '\\');
    if constexpr (ascii) out |= (bytes == '>') | (bytes == '?') | (bytes == '~');
    return out;
}

// is_plain tells whether the library writes this text as it is.
template <bool ascii>
bool is_plain(std::string_view text) {
    Block found{};
    if (text.size() < sizeof(Block)) {
        found = found_in<ascii>(text.data(), text.size());
    } else {
        for (size_t at = 0; at + sizeof(Block) <= text.size(); at += sizeof(Block)) {
            found |= found_in<ascii>(text.data() + at);
        }
        found |= found_in<ascii>(text.data() + text.size() - sizeof(Block));
    }
    std::array<uint64_t, 2> halves;
    std::memcpy(halves.data(), &found, sizeof(found));
    return (halves[0] | halves[1]) == 0;
}

bool plain(std::string_view text, bool ascii) {
    return ascii ? is_plain<true>(text) : is_plain<false>(text);
}

void write_text(std::string& out, const Json& json, std::string_view text, bool ascii) {
    if (plain(text, ascii)) {
        out += '"';
        out += text;
        out += '"';
        return;
    }
    std::string careful = json.dump(-1, ' ', ascii, Json::error_handler_t::replace);
    out += ascii ? escape_for_guests(careful) : careful;
}

// room_for is about as many bytes as a document takes, so that its text does not grow by copies.
size_t room_for(const Json& json) {
    constexpr size_t kOther = 8;  // a number, true, null; quotes and a comma
    if (const auto* text = json.get_ptr<const std::string*>()) return text->size() + kOther;
    size_t out = kOther;
    if (const auto* members = json.get_ptr<const Json::object_t*>()) {
        for (const auto& [name, value] : *members) out += name.size() + kOther + room_for(value);
    } else if (const auto* elements = json.get_ptr<const Json::array_t*>()) {
        for (const Json& element : *elements) out += room_for(element);
    }
    return out;
}

void write(std::string& out, const Json& json, bool ascii);

void write_object(std::string& out, const Json& json, bool ascii) {
    out += '{';
    bool first = true;
    for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) {
        if (!first) out += ',';
        first = false;
        if (plain(name, ascii)) {
            write_text(out, {}, name, ascii);
        } else {
            write_text(out, Json(name), name, ascii);
        }
        out += ':';
        write(out, value, ascii);
    }
    out += '}';
}

template <typename T>
void write_number(std::string& out, T number) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

void write(std::string& out, const Json& json, bool ascii) {
    switch (json.type()) {
        case Json::value_t::object:
            return write_object(out, json, ascii);
        case Json::value_t::array: {
            out += '[';
            for (size_t i = 0; i < json.size(); ++i) {
                if (i > 0) out += ',';
                write(out, json[i], ascii);
            }
            out += ']';
            return;
        }
        case Json::value_t::string:
            return write_text(out, json, json.get_ref<const std::string&>(), ascii);
        case Json::value_t::number_integer:
            return write_number(out, json.get<int64_t>());
        case Json::value_t::number_unsigned:
            return write_number(out, json.get<uint64_t>());
        case Json::value_t::boolean:
            out += json.get<bool>() ? "true" : "false";
            return;
        default:
            out += json.dump();
    }
}

}  // namespace

std::optional<Json> parse_json_quick(std::string_view text, const JsonLimits& limits) {
    // Escapes of single code units: the libraries may differ about halves of surrogate pairs.
    if (text.find("\\u") != std::string_view::npos) return std::nullopt;
    if (text.empty()) return std::nullopt;
    std::optional<Json> out;
    auto build = [&](const dom::element& root) {
        Json built;
        if (Builder(limits).build(root, built)) out = std::move(built);
    };
    constexpr size_t kDepth = JsonLimits{}.max_depth;
    if (text.size() <= kKept && limits.max_depth == kDepth) {
        thread_local QuickReader kept(kKept, kDepth);
        if (kept.ready()) kept.read(text, build);
        return out;
    }
    QuickReader reader(text.size(), limits.max_depth);
    if (reader.ready()) reader.read(text, build);
    return out;
}

std::string escape_for_guests(std::string_view json) {
    std::string out;
    for (char c : json) {
        if (c == '>' || c == '?' || c == '~' || c == '\x7f') {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
        } else {
            out += c;
        }
    }
    return out;
}

void write_text_quick(std::string& out, std::string_view text) {
    if (!plain(text, false)) {
        out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
        return;
    }
    out += '"';
    out += text;
    out += '"';
}

void write_json_quick(std::string& out, const Json& json, bool ascii) {
    out.reserve(out.size() + room_for(json));
    write(out, json, ascii);
}

}  // namespace vouchsafe
