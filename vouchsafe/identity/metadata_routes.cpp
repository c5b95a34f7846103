// Every path of the metadata service (azure-api D.1 to D.3).
#include "vouchsafe/identity/metadata_impl.h"

namespace vouchsafe::identity {

namespace {

// versioned wraps a handler that needs a known api-version.
net::Handler versioned(net::Handler handler) {
    return [handler = std::move(handler)](const net::Request& request) {
        const std::string* version = request.query_value("api-version");
        if (version == nullptr || !is_known_version(*version)) return unknown_version();
        return handler(request);
    };
}

// Renewing AK certificates: a client that is told 404 asks again for minutes (guest-protocol 3).
net::Response no_renewal(const net::Request&) {
    return metadata_error(400, "invalid_request", "Certificate renewal is not built");
}

}  // namespace

void add_routes(Metadata::Impl& impl) {
    net::Router& router = impl.router;
    Metadata::Impl* self = &impl;

    router.add("GET", "/metadata/identity/oauth2/token",
               versioned([self](const net::Request& request) { return self->token(request); }));
    router.add("GET", "/metadata/THIM/amd/certification",
               [self](const net::Request& request) { return self->certification(request); });
    router.add("POST", "/metadata/THIM/tvm/certificate/renew", no_renewal);
    router.add("GET", "/metadata/THIM/tvm/certificate/query", no_renewal);
    router.add("GET", "/metadata/versions",
               [self](const net::Request&) { return self->versions(); });
    for (std::string_view path :
         {"/metadata/instance", "/metadata/instance/{part}", "/metadata/instance/{part}/{name}",
          "/metadata/instance/{part}/{name}/{member}"}) {
        router.add("GET", path, versioned([self](const net::Request& request) {
                       return self->instance(request);
                   }));
    }
}

}  // namespace vouchsafe::identity
