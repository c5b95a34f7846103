#include "vouchsafe/identity/metadata.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/identity/metadata_impl.h"

namespace vouchsafe::identity {

namespace {

net::Response no_identity() {
    return metadata_error(400, "invalid_request", "Identity not found");
}

// The rules for every request (azure-api D.1). They keep a program that can be talked into fetching
// a URL from reaching this service: such a program sets no Metadata header, or adds a forwarding
// one.
std::optional<net::Response> broken_rule(const net::Request& request) {
    if (request.headers.count("Metadata") != 1 ||
        !equal_ignore_case(request.headers.get("Metadata"), "true")) {
        return metadata_error(400, "invalid_request", "Required metadata header not specified");
    }
    if (request.headers.find("X-Forwarded-For") != nullptr) {
        return metadata_error(400, "invalid_request",
                              "Requests with an X-Forwarded-For header are not answered");
    }
    for (const auto& [name, value] : request.query) {
        if (request.query_count(name) > 1) {
            return metadata_error(400, "invalid_request",
                                  "A query parameter is given more than once");
        }
    }
    return std::nullopt;
}

// One way of naming a managed identity in a request. Both spellings of the third are in use.
struct Selector {
    std::string_view parameter;
    std::string Principal::*field;
};
constexpr Selector kSelectors[] = {{"client_id", &Principal::client_id},
                                   {"object_id", &Principal::object_id},
                                   {"msi_res_id", &Principal::resource_id},
                                   {"mi_res_id", &Principal::resource_id}};

// choose_identity returns the principal that the request means among the machine's own.
Result<Principal> choose_identity(const Service& issuer, const Machine& machine,
                                  const net::Request& request) {
    const Selector* selector = nullptr;
    for (const Selector& candidate : kSelectors) {
        if (request.query_value(candidate.parameter) == nullptr) continue;
        if (selector != nullptr) {
            return fail(Code::invalid, "More than one parameter names an identity");
        }
        selector = &candidate;
    }
    if (selector == nullptr) {
        if (!machine.system_identity.empty()) return issuer.find_principal(machine.system_identity);
        if (machine.user_identities.size() > 1) {
            return fail(Code::invalid, "Multiple user assigned identities exist: name one");
        }
        if (machine.user_identities.empty()) return fail(Code::not_found, "Identity not found");
        return issuer.find_principal(machine.user_identities.front());
    }
    std::vector<std::string> own = machine.user_identities;
    if (!machine.system_identity.empty()) own.push_back(machine.system_identity);
    for (const std::string& client_id : own) {
        Result<Principal> principal = issuer.find_principal(client_id);
        if (principal && equal_ignore_case((*principal).*(selector->field),
                                           *request.query_value(selector->parameter))) {
            return principal;
        }
    }
    return fail(Code::not_found, "Identity not found");
}

}  // namespace

net::Response metadata_error(int status, std::string_view error, std::string_view description) {
    return net::json_response(status, {{"error", error}, {"error_description", description}});
}

Metadata::Impl::Impl(const Service& token_issuer, std::optional<Machine> about)
    : issuer(token_issuer),
      current(about ? std::make_shared<const Machine>(std::move(*about)) : nullptr) {
    add_routes(*this);
}

std::shared_ptr<const Machine> Metadata::Impl::machine() const {
    std::lock_guard lock(mutex);
    return current;
}

net::Response Metadata::Impl::handle(const net::Request& request) const {
    if (std::optional<net::Response> broken = broken_rule(request)) return std::move(*broken);
    if (machine() == nullptr) return no_identity();
    return router.handle(request);
}

net::Response Metadata::Impl::token(const net::Request& request) const {
    std::shared_ptr<const Machine> about = machine();
    if (about == nullptr) return no_identity();
    const std::string* resource = request.query_value("resource");
    if (resource == nullptr || resource->empty()) {
        return metadata_error(400, "invalid_resource", "The parameter resource is missing");
    }
    Result<Principal> principal = choose_identity(issuer, *about, request);
    if (!principal && principal.error().code == Code::invalid) {
        return metadata_error(400, "invalid_request", principal.error().message);
    }
    Result<IssuedToken> issued =
        principal ? issuer.issue_managed_identity_token(principal->client_id, *resource)
                  : fail(principal.error());
    if (!issued) {
        switch (issued.error().code) {
            case Code::not_found:
                return no_identity();
            case Code::invalid:
                return metadata_error(400, "invalid_resource", issued.error().message);
            default:
                log_event(LogLevel::error, "no managed identity token",
                          {{"request_id", request.params.at("request_id")},
                           {"error", issued.error().message}});
                return metadata_error(500, "server_error", "The service failed");
        }
    }
    std::string lifetime = std::to_string((issued->expires - issued->not_before).count());
    net::Response response =
        net::json_response(200, {{"access_token", issued->token.expose_text()},
                                 {"client_id", principal->client_id},
                                 {"expires_in", lifetime},
                                 {"ext_expires_in", lifetime},
                                 {"expires_on", std::to_string(to_unix(issued->expires))},
                                 {"not_before", std::to_string(to_unix(issued->not_before))},
                                 {"resource", *resource},
                                 {"token_type", "Bearer"}});
    response.headers.set("Cache-Control", "no-store");
    return response;
}

net::Response Metadata::Impl::certification(const net::Request&) const {
    std::shared_ptr<const Machine> about = machine();
    if (about == nullptr || !about->certificates) {
        // Not 404: the clients would ask again for minutes (guest-protocol 3).
        return metadata_error(400, "invalid_request", "This machine has no such certificates");
    }
    const HostCertificates& certificates = *about->certificates;
    return net::json_response(200, {{"vcekCert", certificates.vcek_pem},
                                    {"certificateChain", certificates.chain_pem},
                                    {"tcbm", fmt::format("{:016X}", certificates.reported_tcb)},
                                    {"cacheControl", "86400"}});
}

Metadata::Metadata(const Service& issuer, std::optional<Machine> machine)
    : impl_(std::make_unique<Impl>(issuer, std::move(machine))) {}
Metadata::~Metadata() = default;

net::Handler Metadata::handler() {
    return [impl = impl_.get()](const net::Request& request) { return impl->handle(request); };
}

void Metadata::set_machine(std::optional<Machine> machine) {
    auto next = machine ? std::make_shared<const Machine>(std::move(*machine)) : nullptr;
    std::lock_guard lock(impl_->mutex);
    impl_->current = std::move(next);
}

}  // namespace vouchsafe::identity
