// The client of the machine's metadata service (IMDS) and certificate service (THIM): azure-api D.1
// to D.3. Plain HTTP to the link-local address, never through a proxy.
#pragma once

#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// IdentityName says which managed identity is meant, by one of the service's parameters (azure-api
// D.2): "client_id", "object_id" or "msi_res_id". An empty value: the machine's own.
struct IdentityName {
    std::string parameter = "client_id";
    std::string value;
};

class MetadataClient {
  public:
    static constexpr std::string_view kAddress = "http://169.254.169.254";

    // `options.connect_to` may send the address elsewhere; proxies are never used.
    explicit MetadataClient(net::ClientOptions options);

    // vcek_chain returns the PEM text of VCEK, ASK and ARK in that order.
    Result<std::string> vcek_chain();

    // managed_identity_token asks for an access token for `resource`.
    Result<SecretBytes> managed_identity_token(std::string_view resource,
                                               const IdentityName& identity);

  private:
    Result<net::ClientResponse> get(std::string_view target);
    net::Client client_;
};

}  // namespace vouchsafe::guest
