// The inside of Metadata, shared by metadata.cpp (rules and answers), instance_document.cpp and
// metadata_routes.cpp (under which path).
#pragma once

#include <mutex>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/identity/metadata.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::identity {

struct Metadata::Impl {
    Impl(const Service& token_issuer, std::optional<Machine> about);

    net::Response handle(const net::Request& request) const;
    net::Response token(const net::Request& request) const;
    net::Response certification(const net::Request& request) const;
    net::Response instance(const net::Request& request) const;
    net::Response versions() const;

    std::shared_ptr<const Machine> machine() const;

    const Service& issuer;
    net::Router router;

    mutable std::mutex mutex;
    std::shared_ptr<const Machine> current;  // guarded by `mutex`; nullptr: no VM
};

// add_routes fills impl.router: the whole table (metadata_routes.cpp).
void add_routes(Metadata::Impl& impl);

// instance_document is /metadata/instance: every primitive is text, as on Azure (azure-api D.1).
Json instance_document(const Machine& machine);

// metadata_error gives {"error","error_description"}.
net::Response metadata_error(int status, std::string_view error, std::string_view description);

// unknown_version is the 400 for a missing or unknown api-version, with the newest ones listed.
net::Response unknown_version();
bool is_known_version(std::string_view version);
std::vector<std::string> known_versions();

}  // namespace vouchsafe::identity
