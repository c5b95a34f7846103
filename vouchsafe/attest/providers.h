// Several attestation providers behind one listener, told apart by the host name that a request is
// for, as Azure's are ({name}.{region}.attest.azure.net). Each is a Service of its own: keys,
// policies, signers, challenges and the scope of its roles are not shared; store, audit log and
// collateral may be.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/attest/service.h"

namespace vouchsafe::attest {

// host_name is the name in a Host header or an issuer's URL: in lower case, without port and
// without the dot that ends a full name. "" if there is none.
std::string host_name(std::string_view authority);

// Providers is thread-safe.
class Providers {
  public:
    // create takes at least one service. Code::invalid if two issuers have the same host name:
    // ports and paths do not tell them apart.
    static Result<std::unique_ptr<Providers>> create(
        std::vector<std::unique_ptr<Service>> services);

    // handler answers as the service whose issuer has the request's host name. Another name gets
    // 421 (RFC 9110, 15.5.20) with Azure's error body, code "ProviderNotFound". A single provider
    // answers to every name: who reaches it by an address or behind a proxy can mean no other. It
    // borrows this.
    net::Handler handler();
    // route_of is the route's name at the service that answers; "" if none does.
    std::string_view route_of(const net::Request& request) const;

    const std::vector<std::unique_ptr<Service>>& services() const { return services_; }

  private:
    explicit Providers(std::vector<std::unique_ptr<Service>> services)
        : services_(std::move(services)) {}
    Service* find(const net::Request& request) const;  // nullptr if there is none

    const std::vector<std::unique_ptr<Service>> services_;
    std::map<std::string, Service*> by_host_;
    std::map<const Service*, net::Handler> handlers_;
};

}  // namespace vouchsafe::attest
