#include "vouchsafe/guest/metadata_client.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/remote_error.h"

namespace vouchsafe::guest {

namespace {
net::ClientOptions without_proxy(net::ClientOptions options) {
    options.use_proxy = false;
    return options;
}
}  // namespace

MetadataClient::MetadataClient(net::ClientOptions options)
    : client_(without_proxy(std::move(options))) {}

Result<net::ClientResponse> MetadataClient::get(std::string_view target) {
    net::ClientRequest request;
    request.url = fmt::format("{}{}", kAddress, target);
    request.headers.set("Metadata", "true");
    auto response = TRY(with_context(client_.send(request), "metadata service"));
    if (response.status != 200) return fail(remote_error("the metadata service", response));
    return response;
}

Result<std::string> MetadataClient::vcek_chain() {
    auto response = TRY(get("/metadata/THIM/amd/certification"));
    Json body = TRY(with_context(parse_json_object(response.body), "certificate service"));
    std::string vcek = TRY(json_string(body, "vcekCert"));
    std::string chain = TRY(json_string(body, "certificateChain"));
    if (vcek.empty() || chain.empty()) {
        return fail(Code::unavailable, "the certificate service has no VCEK for this machine");
    }
    return vcek + chain;
}

Result<SecretBytes> MetadataClient::managed_identity_token(std::string_view resource,
                                                           const IdentityName& identity) {
    std::string target =
        fmt::format("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}",
                    encode_percent(resource));
    if (!identity.value.empty()) {
        target += fmt::format("&{}={}", identity.parameter, encode_percent(identity.value));
    }
    auto response = TRY(get(target));
    Json body = TRY(with_context(parse_json_object(response.body), "metadata service"));
    SecretBytes token = SecretBytes::copy_of(TRY(json_string(body, "access_token")));
    wipe({reinterpret_cast<uint8_t*>(response.body.data()), response.body.size()});
    return token;
}

}  // namespace vouchsafe::guest
