#include "vouchsafe/identity/oauth.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr size_t kMaxParameters = 64;
constexpr std::string_view kDefaultScope = "/.default";
constexpr std::string_view kDelegatedScope = "/user_impersonation";
constexpr const char* kGraphResource = "https://graph.microsoft.com";

Result<std::string> decode_field(std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return decode_percent(spaced);
}

std::string_view trim(std::string_view text) {
    size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string correlation_id(const net::Request& request) {
    std::string id = request.headers.get("client-request-id");
    if (const std::string* in_query = request.query_value("client-request-id");
        id.empty() && in_query) {
        id = *in_query;
    }
    return is_guid(id) ? id : crypto::random_uuid();
}

std::string timestamp(Time now) {  // "2026-07-01 00:00:00Z"
    std::string text = format_rfc3339(now);
    std::replace(text.begin(), text.end(), 'T', ' ');
    return text;
}

}  // namespace

Result<Form> parse_form(std::string_view body) {
    Form form;
    while (!body.empty()) {
        std::string_view pair = body.substr(0, body.find('&'));
        body.remove_prefix(std::min(body.size(), pair.size() + 1));
        if (pair.empty()) continue;
        size_t equals = std::min(pair.find('='), pair.size());
        std::string name = TRY(decode_field(pair.substr(0, equals)));
        std::string value = TRY(decode_field(pair.substr(std::min(equals + 1, pair.size()))));
        if (form.size() == kMaxParameters) {
            return fail(Code::invalid, "more than {} parameters", kMaxParameters);
        }
        if (!form.emplace(std::move(name), std::move(value)).second) {
            return fail(Code::invalid, "a parameter is given twice");
        }
    }
    return form;
}

net::Response oauth_error_response(const OAuthError& error, const net::Request& request, Time now) {
    auto trace = request.params.find("request_id");
    std::string trace_id = trace == request.params.end() ? crypto::random_uuid() : trace->second;
    net::Response response = net::json_response(
        error.status,
        {{"error", error.error},
         {"error_description", fmt::format("AADSTS{}: {}", error.aadsts, error.message)},
         {"error_codes", Json::array({error.aadsts})},
         {"timestamp", timestamp(now)},
         {"trace_id", trace_id},
         {"correlation_id", correlation_id(request)},
         {"error_uri",
          fmt::format("https://login.microsoftonline.com/error?code={}", error.aadsts)}});
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::optional<std::string> resource_of_scope(std::string_view scope) {
    scope = trim(scope);
    if (scope.find_first_of(" \t\r\n") != std::string_view::npos) return std::nullopt;
    if (!scope.ends_with(kDefaultScope) || scope.size() == kDefaultScope.size())
        return std::nullopt;
    return std::string(scope.substr(0, scope.size() - kDefaultScope.size()));
}

std::optional<UserScopes> parse_user_scopes(std::string_view text) {
    UserScopes out;
    out.text = trim(text);
    for (std::string_view rest = out.text; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        if (word.empty() || word == "profile" || word == "email") continue;
        if (word == "openid") {
            out.openid = true;
        } else if (word == "offline_access") {
            out.offline = true;
        } else {
            std::optional<std::string> resource = resource_of_scope(word);
            if (!resource && word.ends_with(kDelegatedScope)) {
                resource = word.substr(0, word.size() - kDelegatedScope.size());
            }
            if (!resource || resource->empty() || !out.resource.empty()) return std::nullopt;
            out.resource = std::move(*resource);
        }
    }
    if (out.resource.empty()) out.resource = kGraphResource;
    return out;
}

std::optional<std::string> match_resource(const std::vector<std::string>& known,
                                          std::string_view wanted) {
    bool slash = wanted.ends_with('/');
    std::string_view bare = slash ? wanted.substr(0, wanted.size() - 1) : wanted;
    for (const std::string& resource : known) {
        if (!equal_ignore_case(resource, bare)) continue;
        return slash ? resource + "/" : resource;
    }
    return std::nullopt;
}

}  // namespace vouchsafe::identity
