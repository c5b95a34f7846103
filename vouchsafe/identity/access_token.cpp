#include "vouchsafe/identity/access_token.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::identity {

namespace {
constexpr size_t kTokenIdBytes = 16;
}

std::string issuer_of(const Config& config) {
    return config.issuer_base + config.tenant_id + "/";
}

std::string issuer_v2(const Config& config) {
    return fmt::format("{}/{}/v2.0", config.authority, config.tenant_id);
}

namespace {

Json times(Time now, Seconds lifetime) {
    return {{"iat", to_unix(now)}, {"nbf", to_unix(now)}, {"exp", to_unix(now + lifetime)}};
}

std::string token_id() {
    return encode_base64url(crypto::random_bytes(kTokenIdBytes));
}

Result<std::string> mint(const jose::SigningKey& key, const Json& claims) {
    Json header = {{"kid", key.x5t()}, {"x5t", key.x5t()}};
    return jose::mint_jwt(std::move(header), claims, key.key(), crypto::SigAlg::rs256);
}

// Who a token is about: an application as itself, or a user by way of one.
void say_who(Json& claims, const TokenSpec& spec) {
    const Principal& principal = spec.principal;
    const bool user = principal.kind == PrincipalKind::user;
    claims["oid"] = principal.object_id;
    claims["sub"] = principal.object_id;
    claims["idtyp"] = user ? "user" : "app";
    claims["appid"] = user ? spec.client_id : principal.client_id;
    if (!spec.groups.empty()) claims["groups"] = spec.groups;
    if (!principal.resource_id.empty()) claims["xms_mirid"] = principal.resource_id;
    if (!user) return;
    claims["upn"] = principal.name;
    claims["unique_name"] = principal.name;
    claims["name"] = principal.name;
    claims["scp"] = "user_impersonation";
    claims["amr"] = Json::array({"pwd"});
}

}  // namespace

Result<IssuedToken> mint_access_token(const Config& config, const jose::SigningKey& key,
                                      const TokenSpec& spec, Time now, Seconds lifetime) {
    const std::string issuer = issuer_of(config);
    Json claims = times(now, lifetime);
    claims["aud"] = spec.audience;
    claims["iss"] = issuer;
    claims["idp"] = issuer;
    claims["tid"] = config.tenant_id;
    claims["appidacr"] = std::to_string(static_cast<int>(spec.how));
    claims["uti"] = token_id();
    claims["ver"] = "1.0";
    say_who(claims, spec);
    std::string token = TRY(mint(key, claims));
    IssuedToken issued{SecretBytes::copy_of(token), spec.audience, now, now + lifetime};
    wipe({reinterpret_cast<uint8_t*>(token.data()), token.size()});
    return issued;
}

Result<std::string> mint_id_token(const Config& config, const jose::SigningKey& key,
                                  const Principal& user, std::string_view client_id,
                                  std::string_view nonce, Time now) {
    Json claims = times(now, config.user_token_lifetime);
    claims["aud"] = client_id;
    claims["iss"] = issuer_v2(config);
    claims["tid"] = config.tenant_id;
    claims["oid"] = user.object_id;
    claims["sub"] = user.object_id;
    claims["preferred_username"] = user.name;
    claims["name"] = user.name;
    claims["uti"] = token_id();
    claims["ver"] = "2.0";
    if (!nonce.empty()) claims["nonce"] = nonce;
    return mint(key, claims);
}

}  // namespace vouchsafe::identity
