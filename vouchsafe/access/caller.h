// Who calls: access tokens of Microsoft's form (azure-api B.3).
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/net/message.h"

namespace vouchsafe::access {

// Caller is made by verify_caller alone.
struct Caller {
    std::string object_id;
    std::string app_id;               // for the log; may be ""
    std::vector<std::string> groups;  // object ids
};

// Issuer says whose access tokens count.
struct Issuer {
    // Base URL, no trailing slash. The tenant is appended to fetch the keys that verify tokens.
    std::string login_authority = "https://login.microsoftonline.com";
    // `iss` of version 1 tokens is this, the tenant and a slash; that of version 2 tokens is
    // login_authority, the tenant and "/v2.0".
    std::string issuer_base = "https://sts.windows.net";
    std::string tenant;  // GUID
    Seconds skew{300};   // allowed difference between the clocks
};

// verify_caller checks the bearer token of a request to a service: CALLER-TOKEN, the checks of
// jose::verify_jwt, CALLER-TENANT, CALLER-OID. The token must be for `audience`, with or without a
// slash at its end. Every refusal is Code::unauthenticated; Code::unavailable if the issuer's keys
// cannot be had.
Result<Caller> verify_caller(const net::Request& request, const Issuer& issuer,
                             const std::string& audience, KeySets& key_sets, Time now,
                             Checks& checks);

}  // namespace vouchsafe::access
