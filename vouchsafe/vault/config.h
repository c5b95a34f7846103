// Settings of the vault service. Each has its default and the reason for it.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::vault {

struct Config {
    // Folder for the root key file that wraps every key's data key. Made (mode 0700) if absent. No
    // default: two services must never share one by accident.
    Path directory;

    // Vaults are reached as "{vault}.{suffix}", with any port. Default: Azure's own suffix, because
    // some clients accept no other (azure-api F.7).
    std::vector<std::string> dns_suffixes = {"vault.azure.net"};

    // What the challenge tells clients to get a token for, and the `aud` that tokens must have. The
    // host of every vault must end with a dot and this host, or clients refuse the challenge.
    std::string resource = "https://vault.azure.net";

    // Base URL of the token issuer, no trailing slash. The vault's tenant is appended for the
    // challenge and for fetching the keys that verify access tokens.
    std::string login_authority = "https://login.microsoftonline.com";

    // `iss` of version 1 access tokens is this, the tenant and a slash; that of version 2 tokens is
    // login_authority, the tenant and "/v2.0" (azure-api B.3).
    std::string issuer_base = "https://sts.windows.net";

    // The attestation services whose tokens may release keys, as "https://host[:port]", however
    // many more the keys' policies name. Default: none, so that nothing is released before somebody
    // decided whom to believe; and nobody else's URL is ever fetched.
    std::vector<std::string> attestation_origins;

    // Whether tokens about simulated machines count. It belongs to the kind of the data directory:
    // a laboratory's says true, a production one's false. The store remembers the first value and
    // every key is sealed under it; opening the store with the other one fails.
    bool allow_simulated = false;

    // Allowed difference between this clock and that of a token's issuer (azure-api A.7, B.3).
    Seconds token_skew{300};

    // How long the key sets of token issuers are kept.
    access::KeySetTimes keys;
};

}  // namespace vouchsafe::vault
