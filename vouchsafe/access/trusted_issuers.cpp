#include "vouchsafe/access/trusted_issuers.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::access {

namespace {

constexpr size_t kMaxPrincipalName = 255;  // OpenID Connect Core 1.0, 2: sub
constexpr size_t kMaxTrustedGroups = 200;
constexpr size_t kMaxClaimName = 64;

Result<std::string> https_url(std::string_view what, const std::string& text) {
    const net::Url url = TRY(with_context(net::Url::parse(text), what));
    if (url.scheme != "https") return fail(Code::invalid, "{}: {} is not https", what, text);
    return normalize_url(text);
}

bool is_claim_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxClaimName &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<TrustedIssuer> checked_issuer(TrustedIssuer one) {
    one.issuer = TRY(https_url("issuer", one.issuer));
    if (!is_guid(one.tenant)) {
        return fail(Code::invalid, "{}: a tenant is a GUID, not '{}'", one.issuer, one.tenant);
    }
    one.tenant = to_lower(one.tenant);
    if (!one.jwks_uri.empty()) TRY(with_context(https_url("jwks", one.jwks_uri), one.issuer));
    if (!one.login.empty()) {
        one.login = TRY(with_context(https_url("login", one.login), one.issuer));
    }
    for (const std::string& claim : {one.principal_claim, one.groups_claim}) {
        if (!is_claim_name(claim))
            return fail(Code::invalid, "{}: a claim needs a name", one.issuer);
    }
    for (const std::string& audience : one.audiences) {
        if (audience.empty()) return fail(Code::invalid, "{}: an audience is empty", one.issuer);
    }
    return one;
}

// named_guid hashes what it stands for as JSON, so that no two pairs of names look alike.
std::string named_guid(std::string_view kind, std::string_view issuer, std::string_view name) {
    const std::string text =
        dump_json(Json::array({"vouchsafe", kind, normalize_url(issuer), std::string(name)}));
    auto hash = crypto::sha256(as_bytes(text));
    hash[6] = static_cast<uint8_t>((hash[6] & 0x0fU) | 0x80U);  // version 8
    hash[8] = static_cast<uint8_t>((hash[8] & 0x3fU) | 0x80U);  // the variant of RFC 9562
    const std::string hex = encode_hex(hash);
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                       hex.substr(16, 4), hex.substr(20, 12));
}

// is_name tells whether a text can be a principal's or a group's, by who says whose they are.
bool is_name(std::string_view text, Principals principals) {
    if (principals == Principals::tenant) return is_guid(text);
    return !text.empty() && text.size() <= kMaxPrincipalName;
}

std::vector<std::string> groups_of(const Json& claims, const TrustedIssuer& trusted) {
    std::vector<std::string> out;
    const Json* groups = find_member(claims, trusted.groups_claim);
    if (groups == nullptr || !groups->is_array()) return out;
    for (const Json& group : *groups) {
        if (out.size() == kMaxTrustedGroups) break;
        if (!group.is_string()) continue;
        const auto& name = group.get_ref<const std::string&>();
        if (!is_name(name, trusted.principals)) continue;
        const bool own = trusted.principals == Principals::own;
        out.push_back(own ? group_of(trusted.issuer, name) : to_lower(name));
    }
    return out;
}

}  // namespace

Result<std::shared_ptr<const TrustedIssuers>> TrustedIssuers::create(
    std::vector<TrustedIssuer> issuers) {
    std::vector<TrustedIssuer> known;
    for (TrustedIssuer& given : issuers) {
        TrustedIssuer one = TRY(checked_issuer(std::move(given)));
        for (const TrustedIssuer& other : known) {
            if (other.tenant != one.tenant) continue;
            if (other.issuer == one.issuer) {
                return fail(Code::invalid, "{} is named twice for tenant {}", one.issuer,
                            one.tenant);
            }
            if (!one.login.empty() && !other.login.empty() && one.login != other.login) {
                return fail(Code::invalid, "tenant {} has two logins, {} and {}", one.tenant,
                            other.login, one.login);
            }
        }
        known.push_back(std::move(one));
    }
    return std::shared_ptr<const TrustedIssuers>(new TrustedIssuers(std::move(known)));
}

const TrustedIssuer* TrustedIssuers::find(std::string_view tenant, std::string_view iss) const {
    const std::string wanted = normalize_url(iss);
    for (const TrustedIssuer& one : issuers_) {
        if (one.issuer == wanted && equal_ignore_case(one.tenant, tenant)) return &one;
    }
    return nullptr;
}

std::optional<std::string> TrustedIssuers::login_of(std::string_view tenant) const {
    for (const TrustedIssuer& one : issuers_) {
        if (!one.login.empty() && equal_ignore_case(one.tenant, tenant)) return one.login;
    }
    return std::nullopt;
}

std::string principal_of(std::string_view issuer, std::string_view name) {
    return named_guid("principal", issuer, name);
}
std::string group_of(std::string_view issuer, std::string_view name) {
    return named_guid("group", issuer, name);
}

Result<Caller> verify_trusted(jose::ReadToken token, const TrustedIssuer& trusted,
                              const std::vector<std::string>& audiences, Seconds skew,
                              KeySets& key_sets, Time now, Checks& checks) {
    const KeyPlace place{trusted.issuer, trusted.jwks_uri, trusted.fetch, trusted.trust};
    const KeySets::Keys keys = TRY(key_sets.find(place, token.kid()));
    jose::JwtRules rules;
    rules.issuers = {trusted.issuer};
    rules.audiences = trusted.audiences;
    if (rules.audiences.empty()) rules.audiences = audiences;
    rules.algorithms.assign(jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end());
    rules.now = now;
    rules.skew = skew;
    const VerifiedClaims verified =
        TRY(key_sets.tokens().verify(std::move(token), keys, rules, checks));

    const Json& claims = verified.claims();
    if (!trusted.tenant_claim.empty()) {
        const std::string tenant = text_or_empty(claims, trusted.tenant_claim);
        TRY(checks.require(equal_ignore_case(tenant, trusted.tenant), "CALLER-TENANT",
                           trusted.tenant_claim, trusted.tenant, show_json(tenant)));
    }
    const std::string name = text_or_empty(claims, trusted.principal_claim);
    const bool own = trusted.principals == Principals::own;
    TRY(checks.require(is_name(name, trusted.principals), "CALLER-OID", trusted.principal_claim,
                       own ? "a name of 1 to 255 bytes" : "an object id, a GUID",
                       name.empty() ? "nothing" : show_json(name)));
    Caller caller;
    caller.object_id = own ? principal_of(trusted.issuer, name) : to_lower(name);
    caller.app_id = text_or_empty(claims, "appid");
    if (caller.app_id.empty()) caller.app_id = text_or_empty(claims, "azp");
    caller.groups = groups_of(claims, trusted);
    caller.vouched_by = trusted.issuer;
    caller.name = name;
    caller.token_id = token_id_of(claims);
    return caller;
}

}  // namespace vouchsafe::access
