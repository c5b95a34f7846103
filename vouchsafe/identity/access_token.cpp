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

Result<IssuedToken> mint_access_token(const Config& config, const jose::SigningKey& key,
                                      const Principal& principal, Authentication how,
                                      std::string_view audience, Time now, Seconds lifetime) {
    std::string issuer = issuer_of(config);
    Json claims = {{"aud", audience},
                   {"iss", issuer},
                   {"iat", to_unix(now)},
                   {"nbf", to_unix(now)},
                   {"exp", to_unix(now + lifetime)},
                   {"appid", principal.client_id},
                   {"appidacr", std::to_string(static_cast<int>(how))},
                   {"idp", issuer},
                   {"idtyp", "app"},
                   {"oid", principal.object_id},
                   {"sub", principal.object_id},
                   {"tid", config.tenant_id},
                   {"uti", encode_base64url(crypto::random_bytes(kTokenIdBytes))},
                   {"ver", "1.0"}};
    if (!principal.resource_id.empty()) claims["xms_mirid"] = principal.resource_id;
    Json header = {{"kid", key.x5t()}, {"x5t", key.x5t()}};
    std::string token =
        TRY(jose::mint_jwt(std::move(header), claims, key.key(), crypto::SigAlg::rs256));
    IssuedToken issued{SecretBytes::copy_of(token), std::string(audience), now, now + lifetime};
    wipe({reinterpret_cast<uint8_t*>(token.data()), token.size()});
    return issued;
}

}  // namespace vouchsafe::identity
