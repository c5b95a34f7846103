// Operators known by their client certificates: a certificate's name stands for a principal, who
// then holds what roles and access policies were given to its object id. Which certificates are
// genuine, TLS has found out (net/tls.h); which names count is the operator's word.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "vouchsafe/access/caller.h"

namespace vouchsafe::access {

// ClientCertificates is immutable and thread-safe.
class ClientCertificates {
  public:
    // parse takes entries "OBJECT-ID=NAME". The id is a GUID. A name is "dns:ops.example.org",
    // "uri:spiffe://example.org/ops" or "email:ops@example.org", of the subject's alternative
    // names, or "subject:CN=Ops,O=Example", the whole subject as RFC 2253 writes it. Code::invalid,
    // also for a name that stands for two.
    static Result<std::shared_ptr<const ClientCertificates>> parse(
        std::span<const std::string> entries);

    // verify returns whom the request's client certificate stands for, nullopt if it has none or
    // none of its names counts; nor where a header Origin says that a browser sends it for a web
    // page, for browsers show certificates to whoever makes them ask (RFC 6454, 7.3). It checks
    // CALLER-CERTIFICATE: it is valid now, for connections outlive certificates, and all its names
    // that count stand for the same one.
    Result<std::optional<Caller>> verify(const net::Request& request, Time now,
                                         Checks& checks) const;

  private:
    explicit ClientCertificates(std::map<std::string, std::string> by_name)
        : by_name_(std::move(by_name)) {}
    const std::map<std::string, std::string> by_name_;  // object ids
};

}  // namespace vouchsafe::access
