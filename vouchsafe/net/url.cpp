#include "vouchsafe/base/encoding.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::net {

namespace {

constexpr size_t kMaxUrl = 8192;

uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? 443 : 80;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
    if (text.size() > kMaxUrl) return fail(Code::invalid, "the URL is too long");
    size_t colon = text.find("://");
    if (colon == std::string_view::npos) {
        return fail(Code::invalid, "the URL does not start with https:// or http://");
    }
    Url out;
    out.scheme = to_lower(text.substr(0, colon));
    if (out.scheme != "https" && out.scheme != "http") {
        return fail(Code::invalid, "the URL does not start with https:// or http://");
    }
    text.remove_prefix(colon + 3);
    if (text.find('#') != std::string_view::npos) {
        return fail(Code::invalid, "a fragment ('#') in a URL is not accepted");
    }
    size_t end = std::min(text.find_first_of("/?"), text.size());
    Authority authority = TRY(parse_authority(text.substr(0, end)));
    std::string_view target = text.substr(end);
    TRY(check_url_characters(target));
    out.host = std::move(authority.host);
    out.port = authority.port.value_or(default_port(out.scheme));
    out.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
    return out;
}

std::string Url::origin() const {
    if (port == default_port(scheme)) return fmt::format("{}://{}", scheme, host);
    return fmt::format("{}://{}:{}", scheme, host, port);
}

}  // namespace vouchsafe::net
