#include "vouchsafe/access/caller.h"

#include <algorithm>

#include "vouchsafe/access/client_certificates.h"
#include "vouchsafe/access/trusted_issuers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::access {

namespace {

constexpr std::string_view kScheme = "Bearer ";
constexpr size_t kMaxAccessToken = 16 << 10;
constexpr size_t kMaxTokenId = 128;
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
                       bearer ? "1 such headers"
                              : fmt::format("{} such headers{}", count,
                                            count == 1 ? ", not a bearer token" : "")));
    return std::string_view(*header).substr(kScheme.size());
}

Result<Caller> verify_own(jose::ReadToken token, const CallerRules& rules, KeySets& key_sets,
                          Time now, Checks& checks) {
    const KeySets::Keys keys = TRY(key_sets.find(rules.login, token.kid()));
    const VerifiedClaims verified =
        TRY(key_sets.tokens().verify(std::move(token), keys, rules.token, now, checks));

    const Json& claims = verified.claims();
    const std::string tenant = text_claim(claims, "tid");
    const std::string& wanted = rules.issuer.tenant;
    TRY(checks.require(equal_ignore_case(tenant, wanted), "CALLER-TENANT", "tid", wanted,
                       tenant.empty() ? "nothing" : tenant));
    Caller caller;
    caller.object_id = to_lower(text_claim(claims, "oid"));
    TRY(checks.require(is_id(caller.object_id), "CALLER-OID", "oid", "an object id",
                       caller.object_id.empty() ? "nothing" : "something else"));
    caller.app_id = text_claim(claims, "appid");
    if (caller.app_id.empty()) caller.app_id = text_claim(claims, "azp");
    caller.user_name = text_claim(claims, "upn");
    caller.token_id = token_id_of(claims);
    if (const Json* groups = find_member(claims, "groups"); groups && groups->is_array()) {
        for (const Json& group : *groups) {
            if (caller.groups.size() == kMaxGroups) break;
            if (!group.is_string() || !is_id(group.get_ref<const std::string&>())) continue;
            caller.groups.push_back(to_lower(group.get_ref<const std::string&>()));
        }
    }
    return caller;
}

Result<Caller> verify(const net::Request& request, const CallerRules& rules, KeySets& key_sets,
                      Time now, Checks& checks, const Vouching& vouching) {
    const Issuer& issuer = rules.issuer;
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
    Result<jose::ReadToken> read = key_sets.tokens().read(token, kMaxAccessToken);
    if (!read) {
        return checks.refuse("TOKEN-FORMAT", "token", "a compact JWS", read.error().message);
    }
    if (!vouching.issuers) return verify_own(std::move(*read), rules, key_sets, now, checks);

    // Nobody's keys are fetched for a token that says to be of somebody else.
    const std::string said = read->issuer().value_or("");
    const TrustedIssuer* trusted = vouching.issuers->find(issuer.tenant, said);
    if (trusted != nullptr) {
        return verify_trusted(std::move(*read), *trusted, rules.audiences, issuer.skew, key_sets,
                              now, checks);
    }
    const std::string normal = jose::normalize_issuer(said);
    const bool is_own = std::ranges::any_of(rules.token.issuers, [&](const std::string& one) {
        return jose::normalize_issuer(one) == normal;
    });
    const bool counts = is_own && !vouching.issuers->login_of(issuer.tenant);
    TRY(checks.require(counts, "TOKEN-ISSUER", "iss", "an issuer that this tenant trusts",
                       show_json(said)));
    return verify_own(std::move(*read), rules, key_sets, now, checks);
}

}  // namespace

CallerRules::CallerRules(Issuer of, std::vector<std::string> of_service)
    : issuer(std::move(of)),
      audiences(std::move(of_service)),
      login(fmt::format("{}/{}/v2.0", issuer.login_authority, issuer.tenant)) {
    token.issuers = {fmt::format("{}/{}/", issuer.issuer_base, issuer.tenant), login};
    // Clients and issuers disagree about the slash (azure-api B.3).
    for (const std::string& audience : audiences) {
        token.audiences.push_back(audience);
        token.audiences.push_back(audience + "/");
    }
    token.skew = issuer.skew;
}

bool shows_credential(const net::Request& request) {
    return request.headers.find("Authorization") != nullptr ||
           request.client_certificate != nullptr;
}

std::string token_id_of(const Json& claims) {
    for (const char* name : {"uti", "jti"}) {
        std::string id = text_claim(claims, name);
        if (id.size() > kMaxTokenId) return "sha256:" + encode_hex(crypto::sha256(as_bytes(id)));
        if (!id.empty()) return id;
    }
    return "";
}

void add_vouching(const Caller& caller, Json& details) {
    if (!caller.token_id.empty()) details["access_token"] = caller.token_id;
    if (caller.vouched_by.empty()) return;
    details["vouched_by"] = caller.vouched_by;
    details["name"] = caller.name;
}

std::string Vouching::login_of(std::string_view tenant, const std::string& login) const {
    return issuers ? issuers->login_of(tenant).value_or(login) : login;
}

Result<Caller> verify_caller(const net::Request& request, const CallerRules& rules,
                             KeySets& key_sets, Time now, Checks& checks,
                             const Vouching& vouching) {
    Result<Caller> caller = verify(request, rules, key_sets, now, checks, vouching);
    // Whatever is wrong with the token, it is the caller who is not known.
    if (!caller && caller.error().reason() != nullptr) {
        caller.error().code = Code::unauthenticated;
    }
    return caller;
}

}  // namespace vouchsafe::access
