#include "vouchsafe/net/target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::net {

namespace {

constexpr size_t kMaxHost = 253;  // RFC 1035, 2.3.4, as text
constexpr size_t kMaxLabel = 63;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_name_character(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// split_first cuts `text` at the first `separator` and returns what stood before it.
std::string_view split_first(std::string_view& text, char separator) {
    size_t at = text.find(separator);
    std::string_view first = text.substr(0, at);
    text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
    return first;
}

Result<uint16_t> parse_port(std::string_view text) {
    if (!all_digits(text) || text.size() > 5 || text.front() == '0') {
        return fail(Code::invalid, "the port is not a number from 1 to 65535");
    }
    uint32_t port = 0;
    for (char c : text) port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65535) return fail(Code::invalid, "the port is not a number from 1 to 65535");
    return static_cast<uint16_t>(port);
}

template <size_t Size>
bool is_address(int family, const std::string& text) {
    std::array<uint8_t, Size> address;
    return ::inet_pton(family, text.c_str(), address.data()) == 1;
}

// check_host_name checks a lower-case name. A name whose last label looks like a number must be a
// dotted IPv4 address (WHATWG URL, "ends in a number").
Result<void> check_host_name(const std::string& name) {
    if (name.empty() || name.size() > kMaxHost) {
        return fail(Code::invalid, "the host name is empty or too long");
    }
    std::string_view rest = name;
    std::string_view label;
    size_t labels = 1 + static_cast<size_t>(std::count(name.begin(), name.end(), '.'));
    for (size_t i = 0; i < labels; ++i) {
        label = split_first(rest, '.');
        if (label.empty() || label.size() > kMaxLabel ||
            !std::all_of(label.begin(), label.end(), is_name_character)) {
            return fail(Code::invalid, "the host is not a host name");
        }
    }
    if ((all_digits(label) || label.starts_with("0x")) && !is_address<4>(AF_INET, name)) {
        return fail(Code::invalid, "the host is not a dotted IPv4 address");
    }
    return {};
}

std::optional<std::string_view> strip_scheme(std::string_view text) {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (equal_ignore_case(text.substr(0, scheme.size()), scheme)) {
            return text.substr(scheme.size());
        }
    }
    return std::nullopt;
}

Result<std::string> decode_query_part(std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return decode_percent(spaced);
}

}  // namespace

Result<Authority> parse_authority(std::string_view text) {
    Authority out;
    if (text.find('@') != std::string_view::npos) {
        return fail(Code::invalid, "a user name before the host is not accepted");
    }
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        size_t end = text.find(']');
        if (end == std::string_view::npos) return fail(Code::invalid, "the host lacks its ']'");
        out.host = to_lower(text.substr(0, end + 1));
        port = text.substr(end + 1);
        if (!is_address<16>(AF_INET6, out.host.substr(1, end - 1))) {
            return fail(Code::invalid, "the host in brackets is not an IPv6 address");
        }
        if (!port.empty() && port.front() != ':') {
            return fail(Code::invalid, "a port or nothing must follow the host");
        }
        has_port = !port.empty();
        if (has_port) port.remove_prefix(1);
    } else {
        has_port = text.find(':') != std::string_view::npos;
        port = text;
        out.host = to_lower(split_first(port, ':'));
        TRY(check_host_name(out.host));
    }
    if (has_port) out.port = TRY(parse_port(port));
    return out;
}

Result<void> check_url_characters(std::string_view text) {
    // RFC 3986, 3.3 and 3.4: pchar, '/' and '?'.
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%";
    if (text.find_first_not_of(kAllowed) != std::string_view::npos) {
        return fail(Code::invalid, "the URL holds a character that must be percent-encoded");
    }
    TRY(decode_percent(text));
    return {};
}

Result<Target> parse_target(std::string_view text) {
    Target out;
    if (auto absolute = strip_scheme(text)) {
        size_t end = std::min(absolute->find_first_of("/?"), absolute->size());
        out.authority = std::string(absolute->substr(0, end));
        TRY(parse_authority(out.authority));
        text = absolute->substr(end);
    } else if (!text.starts_with('/')) {
        return fail(Code::invalid, "the request target does not start with '/'");
    }
    for (uint8_t byte : as_bytes(text)) {
        // Clients send more than RFC 3986 allows ('{', '|'); white space, controls, other alphabets
        // and fragments have no place here.
        if (byte <= ' ' || byte >= 0x7f || byte == '#') {
            return fail(Code::invalid, "the request target holds a character no URL can hold");
        }
    }
    std::string_view query = text;
    std::string_view path = split_first(query, '?');
    while (!path.empty()) {
        std::string_view segment = split_first(path, '/');
        if (!segment.empty()) out.path.push_back(TRY(decode_percent(segment)));
    }
    while (!query.empty()) {
        std::string_view value = split_first(query, '&');
        if (value.empty()) continue;
        std::string name = TRY(decode_query_part(split_first(value, '=')));
        out.query.emplace_back(std::move(name), TRY(decode_query_part(value)));
    }
    return out;
}

}  // namespace vouchsafe::net
