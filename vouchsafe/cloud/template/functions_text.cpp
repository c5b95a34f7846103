// Functions of texts that are addresses, or encoded, and those that find one thing in another.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

constexpr size_t kNowhere = std::string::npos;

Json position(size_t at) {
    return at == kNowhere ? Json(-1) : Json(static_cast<int64_t>(at));
}

// indexOf compares texts without case in a text, and values as they are in an array.
Result<Json> index_of(const Arguments& arguments, const Bindings&) {
    const Json& where = arguments[0];
    if (where.is_array()) {
        auto found = std::find(where.begin(), where.end(), arguments[1]);
        return position(found == where.end() ? kNowhere
                                             : static_cast<size_t>(found - where.begin()));
    }
    const std::string text = to_lower(TRY(text_at(arguments, 0)));
    return position(text.find(to_lower(TRY(text_at(arguments, 1)))));
}
Result<Json> last_index_of(const Arguments& arguments, const Bindings&) {
    const Json& where = arguments[0];
    if (where.is_array()) {
        size_t at = where.size();
        while (at > 0 && where[at - 1] != arguments[1]) --at;
        return position(at == 0 ? kNowhere : at - 1);
    }
    const std::string text = to_lower(TRY(text_at(arguments, 0)));
    return position(text.rfind(to_lower(TRY(text_at(arguments, 1)))));
}

// text_of_base64 is what base64 text stands for, which must be a text again.
Result<std::string> text_of_base64(std::string_view encoded) {
    Bytes bytes = TRY(decode_base64(encoded));
    if (!is_utf8(as_text(bytes))) return fail(Code::invalid, "it holds no text");
    return to_text(bytes);
}

Result<Json> base64_to_string(const Arguments& arguments, const Bindings&) {
    return Json(TRY(text_of_base64(TRY(text_at(arguments, 0)))));
}
Result<Json> base64_to_json(const Arguments& arguments, const Bindings&) {
    return parse_json(TRY(text_of_base64(TRY(text_at(arguments, 0)))));
}

Result<Json> data_uri(const Arguments& arguments, const Bindings&) {
    return Json("data:text/plain;charset=utf8;base64," +
                encode_base64(as_bytes(TRY(text_at(arguments, 0)))));
}

// unescape gives "%41" its letter and leaves what is no escape as it is, as .NET does.
Result<std::string> unescape(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size(); ++at) {
        Result<Bytes> byte = text[at] == '%' && at + 2 < text.size()
                                 ? decode_hex(text.substr(at + 1, 2))
                                 : Result<Bytes>(Bytes());
        if (!byte || byte->empty()) {
            out += text[at];
        } else {
            out += static_cast<char>(byte->front());
            at += 2;
        }
    }
    if (!is_utf8(out)) return fail(Code::invalid, "it holds no text");
    return out;
}

// dataUriToString reads "data:[type][;base64],data" (RFC 2397).
Result<Json> data_uri_to_string(const Arguments& arguments, const Bindings&) {
    const std::string text = TRY(text_at(arguments, 0));
    const size_t comma = text.find(',');
    if (!to_lower(text.substr(0, 5)).starts_with("data:") || comma == kNowhere) {
        return fail(Code::invalid, "the text is no data URI");
    }
    const std::string data = text.substr(comma + 1);
    const bool encoded = to_lower(text.substr(0, comma)).ends_with(";base64");
    return Json(encoded ? TRY(text_of_base64(data)) : TRY(unescape(data)));
}

Result<Json> uri_component(const Arguments& arguments, const Bindings&) {
    return Json(encode_percent(TRY(text_at(arguments, 0))));
}
Result<Json> uri_component_to_string(const Arguments& arguments, const Bindings&) {
    return Json(TRY(unescape(TRY(text_at(arguments, 0)))));
}

// remove_dots takes "." and ".." out of a path (RFC 3986, 5.2.4).
std::string remove_dots(std::string_view path) {
    std::vector<std::string_view> kept;
    bool folder = false;  // the path ends with one
    for (size_t start = 1; start <= path.size();) {
        const size_t end = std::min(path.find('/', start), path.size());
        const std::string_view part = path.substr(start, end - start);
        folder = part == "." || part == "..";
        if (part == ".." && !kept.empty()) kept.pop_back();
        if (!folder) kept.push_back(part);
        start = end + 1;
    }
    std::string out;
    for (std::string_view part : kept) out += "/" + std::string(part);
    return folder || out.empty() ? out + "/" : out;
}

// has_scheme: letters, digits, "+-." and a colon, before anything else.
bool has_scheme(std::string_view text) {
    const size_t colon = text.find(':');
    return colon != kNowhere && colon > 0 && std::isalpha(static_cast<unsigned char>(text[0])) &&
           std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon),
                       [](unsigned char c) {
                           return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
                       });
}

// uri resolves a reference (RFC 3986, 5.2), except that one with a slash before it stays below a
// base with a slash behind it: the two slashes become one, as Azure documents.
Result<Json> uri(const Arguments& arguments, const Bindings&) {
    const std::string base = TRY(text_at(arguments, 0));
    std::string given = TRY(text_at(arguments, 1));
    const size_t mark = base.find("://");
    if (!has_scheme(base) || mark == kNowhere) {
        return fail(Code::invalid, "argument 1 must be a URI with scheme and host");
    }
    if (has_scheme(given)) return Json(given);
    if (given.starts_with("//")) return Json(base.substr(0, mark + 1) + given);
    const size_t end = base.find_first_of("?#");
    const size_t path_at = std::min({base.find('/', mark + 3), end, base.size()});
    const std::string host = base.substr(0, path_at);
    const std::string path = base.substr(path_at, std::min(end, base.size()) - path_at);
    if (given.empty()) return Json(base.substr(0, base.find('#')));
    if (given.starts_with('#')) return Json(base.substr(0, base.find('#')) + given);
    if (given.starts_with('?')) return Json(host + path + given);
    if (given.starts_with('/') && path.ends_with('/')) given.erase(0, 1);
    const size_t tail = std::min(given.find_first_of("?#"), given.size());
    const std::string before = path.substr(0, path.rfind('/') + 1);
    const std::string whole = given.starts_with('/')
                                  ? given.substr(0, tail)
                                  : (before.empty() ? "/" : before) + given.substr(0, tail);
    return Json(host + remove_dots(whole) + given.substr(tail));
}

// By name in lower case, sorted.
constexpr Function kTextFunctions[] = {
    {"base64tojson", 1, 1, base64_to_json},
    {"base64tostring", 1, 1, base64_to_string},
    {"datauri", 1, 1, data_uri},
    {"datauritostring", 1, 1, data_uri_to_string},
    {"indexof", 2, 2, index_of},
    {"lastindexof", 2, 2, last_index_of},
    {"uri", 2, 2, uri},
    {"uricomponent", 1, 1, uri_component},
    {"uricomponenttostring", 1, 1, uri_component_to_string},
};

}  // namespace

std::span<const Function> text_functions() {
    return kTextFunctions;
}

}  // namespace vouchsafe::cloud
