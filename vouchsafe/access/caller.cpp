#include "vouchsafe/access/caller.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::access {

namespace {

constexpr std::string_view kScheme = "Bearer ";
constexpr size_t kMaxAccessToken = 16 << 10;
constexpr size_t kMaxGroups = 200;  // Entra puts no more into a token

std::string text_claim(const Json& claims, std::string_view name) {
    const Json* claim = find_member(claims, name);
    return claim != nullptr && claim->is_string() ? claim->get<std::string>() : "";
}

// is_id tells whether a text can be an object id: nothing that could leave its place in a record
// key.
bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-';
    });
}

Result<std::string_view> bearer_token(const net::Request& request, Checks& checks) {
    const size_t count = request.headers.count("Authorization");
    const std::string* header = request.headers.find("Authorization");
    const bool bearer = count == 1 && header->size() > kScheme.size() &&
                        equal_ignore_case(header->substr(0, kScheme.size()), kScheme);
    TRY(checks.require(bearer && header->size() <= kMaxAccessToken, "CALLER-TOKEN", "Authorization",
                       "one header \"Bearer <token>\"",
                       fmt::format("{} such headers{}", count,
                                   count == 1 && !bearer ? ", not a bearer token" : "")));
    return std::string_view(*header).substr(kScheme.size());
}

jose::JwtRules access_token_rules(const Issuer& issuer, const std::string& audience, Time now) {
    jose::JwtRules rules;
    rules.issuers = {fmt::format("{}/{}/", issuer.issuer_base, issuer.tenant),
                     fmt::format("{}/{}/v2.0", issuer.login_authority, issuer.tenant)};
    // Clients and issuers disagree about the slash (azure-api B.3).
    rules.audiences = {audience, audience + "/"};
    rules.now = now;
    rules.skew = issuer.skew;
    return rules;
}

Result<Caller> verify(const net::Request& request, const Issuer& issuer,
                      const std::string& audience, KeySets& key_sets, Time now, Checks& checks) {
    std::string_view token = TRY(bearer_token(request, checks));
    if (!is_guid(issuer.tenant)) {
        return checks.refuse("CALLER-TENANT", "tid", "a tenant that this service was given",
                             "none was");
    }
    Result<jose::Jws> parsed = jose::parse_jws(token, kMaxAccessToken);
    if (!parsed) {
        return checks.refuse("TOKEN-FORMAT", "token", "a compact JWS", parsed.error().message);
    }
    const std::string base = fmt::format("{}/{}/v2.0", issuer.login_authority, issuer.tenant);
    KeySets::Keys keys = TRY(key_sets.find(base, parsed->kid));
    VerifiedClaims verified =
        TRY(jose::verify_jwt(token, *keys, access_token_rules(issuer, audience, now), checks));

    const Json& claims = verified.claims();
    const std::string tenant = text_claim(claims, "tid");
    TRY(checks.require(equal_ignore_case(tenant, issuer.tenant), "CALLER-TENANT", "tid",
                       issuer.tenant, tenant.empty() ? "nothing" : tenant));
    Caller caller;
    caller.object_id = to_lower(text_claim(claims, "oid"));
    TRY(checks.require(is_id(caller.object_id), "CALLER-OID", "oid", "an object id",
                       caller.object_id.empty() ? "nothing" : "something else"));
    caller.app_id = text_claim(claims, "appid");
    if (caller.app_id.empty()) caller.app_id = text_claim(claims, "azp");
    if (const Json* groups = find_member(claims, "groups"); groups && groups->is_array()) {
        for (const Json& group : *groups) {
            if (caller.groups.size() == kMaxGroups) break;
            if (!group.is_string() || !is_id(group.get_ref<const std::string&>())) continue;
            caller.groups.push_back(to_lower(group.get_ref<const std::string&>()));
        }
    }
    return caller;
}

}  // namespace

Result<Caller> verify_caller(const net::Request& request, const Issuer& issuer,
                             const std::string& audience, KeySets& key_sets, Time now,
                             Checks& checks) {
    Result<Caller> caller = verify(request, issuer, audience, key_sets, now, checks);
    // Whatever is wrong with the token, it is the caller who is not known.
    if (!caller && caller.error().reason() != nullptr) {
        caller.error().code = Code::unauthenticated;
    }
    return caller;
}

}  // namespace vouchsafe::access
