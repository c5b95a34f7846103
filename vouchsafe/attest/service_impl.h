// The inside of Service, shared by service.cpp (what it does) and routes.cpp (under which path).
#pragma once

#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::attest {

using Appraise = Result<Appraisal> (*)(std::string_view body, const Config& config,
                                       const evidence::TrustAnchors& anchors, Time now,
                                       Checks& checks);

struct Service::Impl {
    Impl(Config settings, Dependencies dependencies, jose::SigningKey signing_key);

    // attest appraises, mints, writes the audit entry, and only then answers with the token.
    // `policy_hash` is the claim x-ms-policy-hash.
    net::Response attest(std::string_view action, const net::Request& request, Appraise appraise,
                         const std::string& policy_hash) const;
    net::Response openid_configuration() const;
    Json jwks() const;

    const Config config;
    const Dependencies deps;
    const jose::SigningKey key;
    const std::string kid;
    const std::string azure_guest_policy_hash;
    const std::string snp_vm_policy_hash;
    net::Router router;

  private:
    // mint signs the claims, and seals the token where there is a key to seal it to.
    Result<std::string> mint(const Appraisal& appraisal) const;
    net::Response refuse(audit::Entry entry, const Error& error) const;
};

// add_routes fills impl.router: the whole table of the service (routes.cpp).
void add_routes(Service::Impl& impl);

}  // namespace vouchsafe::attest
