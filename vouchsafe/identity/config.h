// Settings of the token issuer. Each has its default and the reason for it.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::identity {

struct Config {
    // The tenant: a GUID in lower case. Part of every URL and of `tid` and `iss`. No default: it is
    // made when the data directory is.
    std::string tenant_id;

    // Other names of the tenant in URLs. The first two are what clients put there when they leave
    // the tenant open; "adfs" is the one authority form that old clients accept without asking a
    // public service first (azure-api D.5).
    std::vector<std::string> tenant_aliases = {"common", "organizations", "adfs"};

    // Base URL of the token endpoint, no trailing slash. Default: Azure's own name, which clients
    // reach at a loopback address in a lab.
    std::string authority = "https://login.microsoftonline.com";

    // `iss` of the tokens is this, the tenant and a slash: "https://sts.windows.net/{tid}/" is the
    // issuer of version 1 access tokens, the kind Key Vault gets (azure-api B.3).
    std::string issuer_base = "https://sts.windows.net/";

    // Folder for the root key file that seals the signing key at rest. Made (mode 0700) if absent.
    Path directory;

    // Resources tokens are issued for, as they appear in `aud`. Asked for with or without a
    // trailing slash. Default: vault, attestation and resource manager, under both of its names.
    std::vector<std::string> resources = {
        "https://vault.azure.net", "https://attest.azure.net", "https://management.azure.com",
        "https://management.core.windows.net", "https://graph.microsoft.com"};

    // Applications that users sign in with and that have no secret: Azure's command line, its
    // PowerShell, and the client of its development libraries. Others are AADSTS700016.
    std::vector<std::string> public_clients = {"04b07795-8ddb-461a-bbee-02f9e1bf7b46",
                                               "1950a258-227b-4e31-a9cf-717495945fc2",
                                               "aebc6443-996d-45c2-90f0-388ff96faa56"};

    // The user whom the sign-in pages and device codes sign in without asking, by name: a lab has
    // one person in front of it. Empty: name and password are asked for.
    std::string sign_in_as;

    // Lifetime of a token for a client secret: an hour less a second, as Azure's.
    Seconds app_token_lifetime{3599};
    // Lifetime of a managed identity's token: a day less a second, as Azure's.
    Seconds managed_identity_token_lifetime{86399};

    // Lifetime of a user's access token and identity token: an hour less a second, as Azure's.
    Seconds user_token_lifetime{3599};
    // How long a sign-in can be renewed without the user: 90 days, as Azure's refresh tokens.
    Seconds refresh_token_lifetime{std::chrono::hours{24 * 90}};

    // Lifetime of a client secret. Two years is the longest Azure's portal offers.
    Seconds client_secret_lifetime{std::chrono::hours{24 * 730}};

    // Lifetime of the self-signed signing certificate in the key set.
    Seconds certificate_lifetime{std::chrono::hours{24 * 365 * 10}};

    // Longest accepted form.
    size_t max_body = 64 << 10;
};

}  // namespace vouchsafe::identity
