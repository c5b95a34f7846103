// What Azure's directory tells of the tenant's principals: the calls of Microsoft Graph that
// Azure's command line makes (real-clients 4 and 7). The caller shows a token of this service for
// Graph; in a tenant everybody may read the directory, as in Entra.
#include <functional>
#include <memory>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/service_impl.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::identity {

namespace {

constexpr const char* kGraph = "https://graph.microsoft.com";
constexpr std::string_view kBearer = "Bearer ";
constexpr size_t kMaxIds = 1000;  // of one getByIds, as Graph's

using GraphAnswer = Result<Json>;  // Code::invalid, unsupported, not_found: told to the caller

std::string_view type_of(PrincipalKind kind) {
    if (kind == PrincipalKind::user) return "#microsoft.graph.user";
    if (kind == PrincipalKind::group) return "#microsoft.graph.group";
    return "#microsoft.graph.servicePrincipal";
}

Json user_json(const Principal& user) {
    return {{"id", user.object_id},
            {"displayName", user.name},
            {"givenName", nullptr},
            {"surname", nullptr},
            {"mail", nullptr},
            {"userPrincipalName", user.name},
            {"jobTitle", nullptr},
            {"businessPhones", Json::array()},
            {"mobilePhone", nullptr},
            {"officeLocation", nullptr},
            {"preferredLanguage", nullptr}};
}

Json service_principal_json(const Principal& app) {
    Json names = Json::array({app.client_id});
    if (!app.resource_id.empty()) names.push_back(app.resource_id);
    const bool managed = app.kind == PrincipalKind::managed_identity;
    return {{"id", app.object_id},
            {"appId", app.client_id},
            {"displayName", app.name},
            {"servicePrincipalType", managed ? "ManagedIdentity" : "Application"},
            {"servicePrincipalNames", std::move(names)}};
}

Json object_json(const Principal& principal) {
    if (principal.kind == PrincipalKind::user) return user_json(principal);
    if (principal.kind != PrincipalKind::group) return service_principal_json(principal);
    return {{"id", principal.object_id}, {"displayName", principal.name}};
}

bool is_service_principal(const Principal& principal) {
    return principal.kind == PrincipalKind::app ||
           principal.kind == PrincipalKind::managed_identity;
}

// Calls of one service.
class Graph {
  public:
    explicit Graph(const Service::Impl& impl) : impl_(impl) {}

    // guarded calls `answer` with the caller's object id.
    net::Response guarded(const net::Request& request,
                          const std::function<GraphAnswer(const std::string&)>& answer) const {
        const auto caller = caller_of(request);
        return caller ? told(answer(*caller)) : unauthenticated();
    }

    GraphAnswer me(const std::string& caller) const {
        const auto account = TRY(impl_.directory.find(caller));
        if (!account || account->principal.kind != PrincipalKind::user) {
            return fail(Code::invalid,
                        "/me request is only valid with delegated authentication flow.");
        }
        return entity("users", user_json(account->principal));
    }

    GraphAnswer user(const std::string& id) const {
        auto account = TRY(impl_.directory.find(id));
        if (!account) account = TRY(impl_.directory.find_named(PrincipalKind::user, id));
        if (!account || account->principal.kind != PrincipalKind::user) return absent(id);
        return entity("users", user_json(account->principal));
    }

    GraphAnswer service_principal(const std::string& id) const {
        const auto account = TRY(impl_.directory.find(id));
        if (!account || !is_service_principal(account->principal) ||
            !equal_ignore_case(account->principal.object_id, id)) {
            return absent(id);
        }
        return entity("servicePrincipals", service_principal_json(account->principal));
    }

    // users lists all, or the one of "userPrincipalName eq 'name'".
    GraphAnswer users(const net::Request& request) const {
        const auto name = TRY(quoted(request, "userPrincipalName eq '", "'"));
        return list("users", [&](const Principal& one) {
            return one.kind == PrincipalKind::user && (!name || equal_ignore_case(one.name, *name));
        });
    }

    // service_principals: all, or of "servicePrincipalNames/any(c:c eq 'name')".
    GraphAnswer service_principals(const net::Request& request) const {
        const auto name = TRY(quoted(request, "servicePrincipalNames/any(c:c eq '", "')"));
        return list("servicePrincipals", [&](const Principal& one) {
            return is_service_principal(one) && (!name || equal_ignore_case(one.client_id, *name) ||
                                                 equal_ignore_case(one.resource_id, *name));
        });
    }

    GraphAnswer by_ids(const net::Request& request) const {
        const Json body = TRY(parse_json_object(request.body, {.max_bytes = 256 << 10}));
        const Json* ids = TRY(json_array(body, "ids"));
        if (ids->size() > kMaxIds) return fail(Code::invalid, "At most {} ids.", kMaxIds);
        Json found = Json::array();
        for (const Json& id : *ids) {
            if (!id.is_string()) return fail(Code::invalid, "An id that is no text.");
            const std::string& text = id.get_ref<const std::string&>();
            const auto account = TRY(impl_.directory.find(text));
            if (!account || !equal_ignore_case(account->principal.object_id, text)) continue;
            Json object = object_json(account->principal);
            object["@odata.type"] = type_of(account->principal.kind);
            found.push_back(std::move(object));
        }
        return Json{{"@odata.context", context("directoryObjects")}, {"value", std::move(found)}};
    }

  private:
    Result<std::string> caller_of(const net::Request& request) const {
        const std::string header = request.headers.get("Authorization");
        if (!header.starts_with(kBearer)) return fail(Code::unauthenticated, "no token");
        jose::JwtRules rules;
        rules.issuers = {issuer_of(impl_.config)};
        rules.audiences = {kGraph};
        rules.now = impl_.deps.clock.now();
        Checks checks;
        const auto keys = TRY(jose::JwkSet::parse(impl_.jwks()));
        const auto claims = TRY(
            jose::verify_jwt(std::string_view(header).substr(kBearer.size()), keys, rules, checks));
        return json_string(claims.claims(), "oid");
    }

    static std::string context(std::string_view what) {
        return fmt::format("{}/v1.0/$metadata#{}", kGraph, what);
    }
    static Json entity(std::string_view what, Json json) {
        json["@odata.context"] = context(fmt::format("{}/$entity", what));
        return json;
    }
    static tl::unexpected<Error> absent(const std::string& id) {
        return fail(Code::not_found,
                    "Resource '{}' does not exist or one of its queried reference-property objects "
                    "are not present.",
                    id);
    }

    GraphAnswer list(std::string_view what,
                     const std::function<bool(const Principal&)>& wanted) const {
        Json found = Json::array();
        for (const Principal& one : TRY(impl_.directory.list())) {
            if (wanted(one)) found.push_back(object_json(one));
        }
        return Json{{"@odata.context", context(what)}, {"value", std::move(found)}};
    }

    // quoted reads the one form of $filter that is built; nullopt without a filter.
    static Result<std::optional<std::string>> quoted(const net::Request& request,
                                                     std::string_view before,
                                                     std::string_view after) {
        const std::string* filter = request.query_value("$filter");
        if (filter == nullptr) return std::optional<std::string>();
        const std::string_view text = *filter;
        const bool fits = text.size() > before.size() + after.size() && text.starts_with(before) &&
                          text.ends_with(after);
        if (!fits) return fail(Code::unsupported, "Only {}NAME{} is built here.", before, after);
        std::string name(text.substr(before.size(), text.size() - before.size() - after.size()));
        // OData doubles a quotation mark within a text.
        for (size_t at = 0; (at = name.find("''", at)) != std::string::npos; ++at)
            name.erase(at, 1);
        return std::optional<std::string>(std::move(name));
    }

    static net::Response unauthenticated() {
        net::Response response = net::error_response(401, "InvalidAuthenticationToken",
                                                     "Access token is missing or invalid.");
        response.headers.set("WWW-Authenticate", "Bearer");
        return response;
    }

    static net::Response told(const GraphAnswer& answer) {
        if (answer) return net::json_response(200, *answer);
        switch (answer.error().code) {
            case Code::not_found:
                return net::error_response(404, "Request_ResourceNotFound", answer.error().message);
            case Code::invalid:
                return net::error_response(400, "BadRequest", answer.error().message);
            case Code::unsupported:
                return net::error_response(400, "Request_UnsupportedQuery", answer.error().message);
            default:
                return net::error_response(500, "InternalServerError", "The service failed.");
        }
    }

    const Service::Impl& impl_;
};

}  // namespace

void add_graph_routes(Service::Impl& impl) {
    const auto graph = std::make_shared<const Graph>(impl);
    const auto add = [&](std::string_view method, std::string_view path, auto answer) {
        impl.graph.add(method, path, [graph, answer](const net::Request& request) {
            return graph->guarded(request, [&](const std::string& caller) {
                return answer(*graph, request, caller);
            });
        });
    };
    using Request = const net::Request&;
    using Caller = const std::string&;
    add("GET", "/v1.0/me", [](const Graph& g, Request, Caller caller) { return g.me(caller); });
    add("GET", "/v1.0/users", [](const Graph& g, Request r, Caller) { return g.users(r); });
    add("GET", "/v1.0/users/{id}",
        [](const Graph& g, Request r, Caller) { return g.user(r.params.at("id")); });
    add("GET", "/v1.0/servicePrincipals",
        [](const Graph& g, Request r, Caller) { return g.service_principals(r); });
    add("GET", "/v1.0/servicePrincipals/{id}",
        [](const Graph& g, Request r, Caller) { return g.service_principal(r.params.at("id")); });
    add("POST", "/v1.0/directoryObjects/getByIds",
        [](const Graph& g, Request r, Caller) { return g.by_ids(r); });
}

}  // namespace vouchsafe::identity
