// The issuers of access tokens that an operator trusts beside the service's own login: another
// tenant's, an identity service, a build service's, a company's; any with OpenID Connect. Whose
// tokens count, for which tenant and for whom they speak is the operator's word; nothing in a token
// (jku, x5u, jwk) is followed to find the keys.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/access/caller.h"
#include "vouchsafe/access/key_sets.h"

namespace vouchsafe::access {

// Principals says for whom an issuer can speak.
enum class Principals {
    // Object ids made of the issuer's name and the claim's value (principal_of): nobody that
    // another issuer speaks for.
    own,
    // The claims' values are the tenant's object ids, as Entra's are: whoever has a role there.
    tenant,
};

// TrustedIssuer is one issuer's tokens for one tenant.
struct TrustedIssuer {
    std::string issuer;                  // `iss` of its tokens, an https URL
    std::string tenant;                  // GUID: its tokens count where this is the tenant
    std::vector<std::string> audiences;  // one of which must be in `aud`; empty: the service's
    std::string jwks_uri;                // https; "": as its discovery document says
    Principals principals = Principals::own;
    std::string principal_claim = "sub";
    std::string groups_claim = "groups";
    std::string tenant_claim;  // must name the tenant; "": no claim is looked at
    // Where the clients of this tenant log in, a base URL to which the tenant is appended; the
    // service's own login then counts no more for this tenant. "": it goes on to count.
    std::string login;
    FetchJson fetch;  // its keys, with its own certificate authorities; nullptr: as all others
    std::string trust = {};  // a name for these authorities, as in KeyPlace
};

// TrustedIssuers is immutable and thread-safe.
class TrustedIssuers {
  public:
    // create fails with Code::invalid for what is no https URL, tenant or claim's name, for an
    // issuer that is named twice for a tenant, and for a tenant with two logins.
    static Result<std::shared_ptr<const TrustedIssuers>> create(std::vector<TrustedIssuer> issuers);

    // find returns the issuer that is trusted in this tenant and has this `iss`, or nullptr.
    const TrustedIssuer* find(std::string_view tenant, std::string_view iss) const;
    // login_of is where a tenant's clients log in instead of the service's own login, if one of its
    // issuers says so.
    std::optional<std::string> login_of(std::string_view tenant) const;

  private:
    explicit TrustedIssuers(std::vector<TrustedIssuer> issuers) : issuers_(std::move(issuers)) {}
    const std::vector<TrustedIssuer> issuers_;
};

// principal_of and group_of are the object ids that stand, in role assignments and access policies,
// for a principal or a group of an issuer with Principals::own: GUIDs made of a hash of both names
// (RFC 9562, 5.8), so that nobody else's can be the same.
std::string principal_of(std::string_view issuer, std::string_view name);
std::string group_of(std::string_view issuer, std::string_view name);

// verify_trusted makes the checks of jose::verify_jwt with the issuer's keys, then CALLER-TENANT if
// a claim must name the tenant, and CALLER-OID. `audiences` are the service's.
Result<Caller> verify_trusted(jose::ReadToken token, const TrustedIssuer& trusted,
                              const std::vector<std::string>& audiences, Seconds skew,
                              KeySets& key_sets, Time now, Checks& checks);

}  // namespace vouchsafe::access
