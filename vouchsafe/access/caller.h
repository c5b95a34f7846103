// Who calls: by an access token of Microsoft's form (azure-api B.3), by one of an issuer that the
// operator trusts (trusted_issuers.h), or by a client certificate (client_certificates.h).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/net/message.h"

namespace vouchsafe::access {

class TrustedIssuers;
class ClientCertificates;

// Caller is made by verify_caller alone.
struct Caller {
    std::string object_id;
    std::string app_id;               // for the log; may be ""
    std::vector<std::string> groups;  // object ids
    // For the log: who vouches for the caller and under which name, if it is not the service's own
    // login; "" else.
    std::string vouched_by = {};
    std::string name = {};
    // Of a person whom the service's own login knows: the name to sign in with (upn); "" else. To
    // be shown, never to decide by.
    std::string user_name = {};
    // For the log: token_id_of the access token; "" where there was none.
    std::string token_id = {};
};

// token_id_of is what an issuer calls one token: `uti` as Entra has it, else `jti` (RFC 7519,
// 4.1.7). One over 128 bytes is told as its SHA-256; "" if the issuer gives none.
std::string token_id_of(const Json& claims);

// add_vouching puts into an audit entry's details which access token it was, as "access_token" if
// it has an id, and who vouched for the caller under which name, as "vouched_by" and "name", if it
// was not the service's own login.
void add_vouching(const Caller& caller, Json& details);

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

// CallerRules are what the callers of a service are judged by, in the form that their tokens are
// compared with: worked out once for all of them.
struct CallerRules {
    // A token must be for one of `audiences`, with or without a slash at its end.
    CallerRules(Issuer of, std::vector<std::string> audiences);

    Issuer issuer;
    std::vector<std::string> audiences;
    std::string login;     // whose keys verify the tokens of the service's own login
    jose::JwtRules token;  // of these tokens, but for the time
};

// Vouching is what else than the service's own login may say who calls. Either may be nullptr.
struct Vouching {
    std::shared_ptr<const TrustedIssuers> issuers = nullptr;
    std::shared_ptr<const ClientCertificates> certificates = nullptr;

    // login_of is where a tenant's clients get their tokens: `login`, unless one of the issuers
    // says otherwise.
    std::string login_of(std::string_view tenant, const std::string& login) const;
};

// CurrentVouching is a Vouching that an operator may replace while callers are judged. Thread-safe.
class CurrentVouching {
  public:
    explicit CurrentVouching(Vouching first) : vouching_(std::move(first)) {}
    Vouching get() const {
        std::lock_guard lock(mutex_);
        return vouching_;
    }
    void set(Vouching vouching) {
        std::lock_guard lock(mutex_);
        vouching_ = std::move(vouching);
    }

  private:
    mutable std::mutex mutex_;
    Vouching vouching_;
};

// shows_credential tells whether a request comes with anything that could say who calls: such a
// request is judged by that, and any other is a stranger's.
bool shows_credential(const net::Request& request);

// verify_caller checks the bearer token of a request to a service: CALLER-TOKEN, the checks of
// jose::verify_jwt, CALLER-TENANT, CALLER-OID. A request without a token, but with a client
// certificate that stands for somebody, is judged by that: CALLER-CERTIFICATE. Every refusal is
// Code::unauthenticated; Code::unavailable if the issuer's keys cannot be had.
Result<Caller> verify_caller(const net::Request& request, const CallerRules& rules,
                             KeySets& key_sets, Time now, Checks& checks,
                             const Vouching& vouching = {});
inline Result<Caller> verify_caller(const net::Request& request, const Issuer& issuer,
                                    const std::vector<std::string>& audiences, KeySets& key_sets,
                                    Time now, Checks& checks, const Vouching& vouching = {}) {
    return verify_caller(request, CallerRules(issuer, audiences), key_sets, now, checks, vouching);
}
inline Result<Caller> verify_caller(const net::Request& request, const Issuer& issuer,
                                    const std::string& audience, KeySets& key_sets, Time now,
                                    Checks& checks, const Vouching& vouching = {}) {
    return verify_caller(request, issuer, std::vector<std::string>{audience}, key_sets, now, checks,
                         vouching);
}

}  // namespace vouchsafe::access
