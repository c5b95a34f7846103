#include "vouchsafe/attest/providers.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/request_id.h"

namespace vouchsafe::attest {

namespace {

net::Response no_such_provider(const net::Request& request) {
    std::string request_id = crypto::random_uuid();
    net::Response response = net::error_response(
        421, "ProviderNotFound",
        fmt::format("No attestation provider here has the host name {}. Send the request to the "
                    "host of its issuer (request {}).",
                    show_json(host_name(request.host)), request_id));
    response.headers.set("x-ms-error-code", "ProviderNotFound");
    net::identify(request.headers, request_id, response);
    return response;
}

}  // namespace

std::string host_name(std::string_view authority) {
    // A colon within brackets belongs to an IPv6 address.
    size_t bracket = authority.rfind(']');
    size_t colon = authority.rfind(':');
    bool port = colon != authority.npos && (bracket == authority.npos || colon > bracket);
    std::string_view host = port ? authority.substr(0, colon) : authority;
    if (host.ends_with('.')) host.remove_suffix(1);
    return to_lower(host);
}

Result<std::unique_ptr<Providers>> Providers::create(
    std::vector<std::unique_ptr<Service>> services) {
    if (services.empty()) return fail(Code::invalid, "there is no attestation provider");
    std::unique_ptr<Providers> out(new Providers(std::move(services)));
    for (const std::unique_ptr<Service>& service : out->services_) {
        const std::string& issuer = service->config().issuer;
        std::string host = host_name(TRY(net::Url::parse(issuer)).host);
        if (!out->by_host_.emplace(host, service.get()).second) {
            return fail(Code::invalid, "two attestation providers have the host name {}", host);
        }
        out->handlers_.emplace(service.get(), service->handler());
    }
    return out;
}

Service* Providers::find(const net::Request& request) const {
    if (services_.size() == 1) return services_.front().get();
    auto found = by_host_.find(host_name(request.host));
    return found == by_host_.end() ? nullptr : found->second;
}

net::Handler Providers::handler() {
    return [this](const net::Request& request) {
        const Service* service = find(request);
        return service == nullptr ? no_such_provider(request) : handlers_.at(service)(request);
    };
}

std::string_view Providers::route_of(const net::Request& request) const {
    const Service* service = find(request);
    return service == nullptr ? std::string_view() : service->route_of(request);
}

}  // namespace vouchsafe::attest
