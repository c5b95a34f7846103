#include "vouchsafe/guest/credential.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/remote_error.h"

namespace vouchsafe::guest {

Result<SecretBytes> ManagedIdentityCredential::token(std::string_view resource) {
    return metadata_.managed_identity_token(resource, identity_);
}

Result<SecretBytes> ClientSecretCredential::token(std::string_view resource) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("{}/{}/oauth2/v2.0/token", options_.authority, options_.tenant);
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = fmt::format(
        "grant_type=client_credentials&client_id={}&scope={}%2F.default&client_secret={}",
        encode_percent(options_.client_id), encode_percent(resource),
        encode_percent(options_.secret.expose_text()));
    auto sent = client_.send(request);
    wipe({reinterpret_cast<uint8_t*>(request.body.data()), request.body.size()});
    auto response = TRY(with_context(std::move(sent), "identity service"));
    if (response.status != 200) return fail(remote_error("the identity service", response));
    Json body = TRY(with_context(parse_json_object(response.body), "identity service"));
    return SecretBytes::copy_of(TRY(json_string(body, "access_token")));
}

}  // namespace vouchsafe::guest
