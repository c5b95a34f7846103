// The client of the machine's metadata service (IMDS) and certificate service (THIM): azure-api D.1
// to D.3. Plain HTTP to the link-local address, never through a proxy.
#pragma once

#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

class MetadataClient {
  public:
    static constexpr std::string_view kAddress = "http://169.254.169.254";

    // `options.connect_to` may send the address elsewhere; proxies are never used.
    explicit MetadataClient(net::ClientOptions options);

    // vcek_chain returns the PEM text of VCEK, ASK and ARK in that order.
    Result<std::string> vcek_chain();

    // managed_identity_token asks as the system-assigned identity, or as `client_id` if not "".
    Result<SecretBytes> managed_identity_token(std::string_view resource,
                                               std::string_view client_id);

  private:
    Result<net::ClientResponse> get(std::string_view target);
    net::Client client_;
};

}  // namespace vouchsafe::guest
