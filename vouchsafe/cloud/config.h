// Settings of the resource manager. Each has its default and the reason for it.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/access/caller.h"

namespace vouchsafe::cloud {

struct Config {
    // Whose access tokens count; the tenant in it is the tenant of the subscription. No default.
    access::Issuer callers;

    // The one subscription, a GUID. No default: it is made when the data directory is.
    std::string subscription_id;
    std::string subscription_name = "Vouchsafe lab";
    std::string tenant_name = "Vouchsafe lab";
    std::string tenant_domain = "vouchsafe.localhost";

    // Audiences of tokens: both names of Azure's resource manager (azure-api B.3).
    std::vector<std::string> audiences = {"https://management.azure.com",
                                          "https://management.core.windows.net"};

    // Base of the URLs in headers, no trailing slash. Default: the name clients come by.
    std::string endpoint = "https://management.azure.com";

    // Object ids that own the subscription without a role assignment: the lab's own user. All
    // others may do what role assignments let them do; machines' identities nothing at first.
    std::vector<std::string> owners;

    // Suffix of vaults' names.
    std::string vault_suffix = "vault.azure.net";
    // Suffix of attestation providers' names, behind the region's code.
    std::string attestation_suffix = "attest.azure.net";
    // Regions whose shared attestation provider is there. Default: the one that a lab has.
    std::vector<std::string> shared_provider_regions = {"westeurope"};

    // The first two numbers of public IP addresses. A loopback network, so that such an address
    // leads to this computer and nowhere else.
    std::string public_network = "127.42";

    // Longest accepted body: Azure's limit for a template.
    size_t max_body = 4 << 20;
};

}  // namespace vouchsafe::cloud
