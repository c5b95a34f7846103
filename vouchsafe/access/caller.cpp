#include "vouchsafe/access/caller.h"

#include <algorithm>

#include "vouchsafe/access/client_certificates.h"
#include "vouchsafe/access/trusted_issuers.h"
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

jose::JwtRules access_token_rules(const Issuer& issuer, const std::vector<std::string>& audiences,
                                  Time now) {
    jose::JwtRules rules;
    rules.issuers = {fmt::format("{}/{}/", issuer.issuer_base, issuer.tenant),
                     fmt::format("{}/{}/v2.0", issuer.login_authority, issuer.tenant)};
    // Clients and issuers disagree about the slash (azure-api B.3).
    for (const std::string& audience : audiences) {
        rules.audiences.push_back(audience);
        rules.audiences.push_back(audience + "/");
    }
    rules.now = now;
    rules.skew = issuer.skew;
    return rules;
}

// said_issuer is the unverified `iss`, "" if there is none that can be read.
std::string said_issuer(const jose::Jws& jws) {
    const Result<Json> claims = parse_json_object(as_text(jws.payload));
    return claims ? text_or_empty(*claims, "iss") : "";
}

Result<Caller> verify_own(jose::Jws token, const Issuer& issuer,
                          const std::vector<std::string>& audiences, KeySets& key_sets, Time now,
                          Checks& checks) {
    const std::string base = fmt::format("{}/{}/v2.0", issuer.login_authority, issuer.tenant);
    KeySets::Keys keys = TRY(key_sets.find(base, token.kid));
    VerifiedClaims verified = TRY(jose::verify_jwt(
        std::move(token), *keys, access_token_rules(issuer, audiences, now), checks));

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
    caller.user_name = text_claim(claims, "upn");
    if (const Json* groups = find_member(claims, "groups"); groups && groups->is_array()) {
        for (const Json& group : *groups) {
            if (caller.groups.size() == kMaxGroups) break;
            if (!group.is_string() || !is_id(group.get_ref<const std::string&>())) continue;
            caller.groups.push_back(to_lower(group.get_ref<const std::string&>()));
        }
    }
    return caller;
}

Result<Caller> verify(const net::Request& request, const Issuer& issuer,
                      const std::vector<std::string>& audiences, KeySets& key_sets, Time now,
                      Checks& checks, const Vouching& vouching) {
    const bool by_certificate =
        vouching.certificates && request.headers.find("Authorization") == nullptr;
    if (by_certificate) {
        auto caller = TRY(vouching.certificates->verify(request, now, checks));
        if (caller) return std::move(*caller);
    }
    const std::string_view token = TRY(bearer_token(request, checks));
    if (!is_guid(issuer.tenant)) {
        return checks.refuse("CALLER-TENANT", "tid", "a tenant that this service was given",
                             "none was");
    }
    Result<jose::Jws> parsed = jose::parse_jws(token, kMaxAccessToken);
    if (!parsed) {
        return checks.refuse("TOKEN-FORMAT", "token", "a compact JWS", parsed.error().message);
    }
    if (!vouching.issuers) {
        return verify_own(std::move(*parsed), issuer, audiences, key_sets, now, checks);
    }

    // Nobody's keys are fetched for a token that says to be of somebody else.
    const std::string said = said_issuer(*parsed);
    const TrustedIssuer* trusted = vouching.issuers->find(issuer.tenant, said);
    if (trusted != nullptr) {
        return verify_trusted(std::move(*parsed), *trusted, audiences, issuer.skew, key_sets, now,
                              checks);
    }
    const auto own = access_token_rules(issuer, audiences, now).issuers;
    const bool is_own = std::any_of(own.begin(), own.end(), [&](const std::string& one) {
        return jose::normalize_issuer(one) == jose::normalize_issuer(said);
    });
    const bool counts = is_own && !vouching.issuers->login_of(issuer.tenant);
    TRY(checks.require(counts, "TOKEN-ISSUER", "iss", "an issuer that this tenant trusts",
                       show_json(said)));
    return verify_own(std::move(*parsed), issuer, audiences, key_sets, now, checks);
}

}  // namespace

bool shows_credential(const net::Request& request) {
    return request.headers.find("Authorization") != nullptr ||
           request.client_certificate != nullptr;
}

void add_vouching(const Caller& caller, Json& details) {
    if (caller.vouched_by.empty()) return;
    details["vouched_by"] = caller.vouched_by;
    details["name"] = caller.name;
}

std::string Vouching::login_of(std::string_view tenant, const std::string& login) const {
    return issuers ? issuers->login_of(tenant).value_or(login) : login;
}

Result<Caller> verify_caller(const net::Request& request, const Issuer& issuer,
                             const std::vector<std::string>& audiences, KeySets& key_sets, Time now,
                             Checks& checks, const Vouching& vouching) {
    Result<Caller> caller = verify(request, issuer, audiences, key_sets, now, checks, vouching);
    // Whatever is wrong with the token, it is the caller who is not known.
    if (!caller && caller.error().reason() != nullptr) {
        caller.error().code = Code::unauthenticated;
    }
    return caller;
}

}  // namespace vouchsafe::access
