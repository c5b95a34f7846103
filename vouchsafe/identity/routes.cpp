// Every path of the token issuer (azure-api D.4). The pages are there a second time under "/aad",
// where a lab's front door has them for browsers (Config::page_base).
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/service_impl.h"

namespace vouchsafe::identity {

void add_routes(Service::Impl& impl) {
    using Protocol = Service::Impl::Protocol;
    net::Router& router = impl.router;
    Service::Impl* service = &impl;

    auto token = [service](Protocol protocol) -> net::Handler {
        return [service, protocol](const net::Request& request) {
            return service->token(request, protocol);
        };
    };
    auto configuration = [service](Protocol protocol) -> net::Handler {
        return [service, protocol](const net::Request& request) {
            return service->openid_configuration(request, protocol);
        };
    };
    net::Handler keys = [service](const net::Request& request) {
        const std::string& tenant = request.params.at("tenant");
        if (service->knows_tenant(tenant)) return net::json_response(200, service->jwks());
        return oauth_error_response(unknown_tenant(tenant), request, service->deps.clock.now());
    };

    router.add("POST", "/{tenant}/oauth2/v2.0/token", token(Protocol::v2));
    router.add("POST", "/{tenant}/oauth2/token", token(Protocol::v1));
    router.add("GET", "/{tenant}/v2.0/.well-known/openid-configuration",
               configuration(Protocol::v2));
    router.add("GET", "/{tenant}/.well-known/openid-configuration", configuration(Protocol::v1));
    // The authority form of AD FS has no version in its path, and its clients speak version 2.
    router.add("GET", "/adfs/.well-known/openid-configuration",
               [service](const net::Request& request) {
                   net::Request adfs = request;
                   adfs.params["tenant"] = "adfs";
                   return service->openid_configuration(adfs, Protocol::v2);
               });
    for (const char* base : {"", "/aad"}) {
        for (const char* method : {"GET", "POST"}) {
            router.add(
                method, fmt::format("{}/{{tenant}}/oauth2/v2.0/authorize", base),
                [service](const net::Request& request) { return service->authorize(request); });
            router.add(
                method, fmt::format("{}/device", base),
                [service](const net::Request& request) { return service->device_page(request); });
        }
    }
    router.add("POST", "/{tenant}/oauth2/v2.0/devicecode",
               [service](const net::Request& request) { return service->device_code(request); });
    router.add("GET", "/common/userrealm/{user}",
               [service](const net::Request& request) { return service->user_realm(request); });
    router.add("GET", "/{tenant}/discovery/v2.0/keys", keys);
    router.add("GET", "/{tenant}/discovery/keys", keys);
    router.add("GET", "/common/discovery/instance", [service](const net::Request& request) {
        return service->instance_discovery(request);
    });
}

}  // namespace vouchsafe::identity
