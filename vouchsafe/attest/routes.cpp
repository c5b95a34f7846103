// Every path of the attestation service (azure-api C.1).
#include <algorithm>
#include <array>

#include "vouchsafe/attest/policy/administration.h"
#include "vouchsafe/attest/reference/reference_administration.h"
#include "vouchsafe/attest/service_impl.h"
#include "vouchsafe/attest/tcb_baselines.h"

namespace vouchsafe::attest {

using policy::AttestationTarget;

namespace {

// Every route answers on every version (azure-api C.1); the last is what the Python client sends.
constexpr std::array<std::string_view, 6> kApiVersions = {
    "2018-09-01-preview", "2020-10-01", "2022-08-01",
    "2022-09-01-preview", "2025-06-01", "2023-04-01-preview"};

// versioned wraps a handler that needs a known api-version.
net::Handler versioned(net::Handler handler) {
    return [handler = std::move(handler)](const net::Request& request) {
        if (request.query_count("api-version") != 1) {
            return net::error_response(400, "MissingApiVersionParameter",
                                       "The query parameter api-version must be given once.");
        }
        const std::string& version = *request.query_value("api-version");
        if (std::find(kApiVersions.begin(), kApiVersions.end(), version) == kApiVersions.end()) {
            return net::error_response(400, "UnsupportedApiVersion",
                                       "The api-version is not supported.");
        }
        return handler(request);
    };
}

}  // namespace

void add_routes(Service::Impl& impl) {
    net::Router& router = impl.router;
    Service::Impl* service = &impl;

    for (AttestationTarget target : policy::kAttestationTargets) {
        if (target == AttestationTarget::tpm) continue;  // has a protocol of its own: below
        router.add("POST", fmt::format("/attest/{}", policy::target_name(target)),
                   versioned([service, target](const net::Request& request) {
                       return service->attest(target, request);
                   }));
    }

    auto administers = [&](std::string_view method, std::string_view path, auto act) {
        router.add(method, path, versioned([service, act](const net::Request& request) {
                       return act(*service, request);
                   }));
    };
    administers("GET", "/policies/{type}", get_policy);
    administers("PUT", "/policies/{type}", set_policy);
    administers("POST", "/policies/{type}", reset_policy);  // "{type}:reset" is one segment
    administers("GET", "/certificates", get_signers);
    administers("POST", "/certificates:add", add_signer);
    administers("POST", "/certificates:remove", remove_signer);
    administers("GET", "/tcbbaselines/{type}", get_tcb_baselines);

    router.add("GET", "/certs",
               [service](const net::Request& request) { return service->certs(request); });
    router.add("GET", "/.well-known/openid-configuration", [service](const net::Request& request) {
        return service->openid_configuration(request);
    });

    router.add("POST", "/challenge",
               [service](const net::Request&) { return service->issue_challenge(); });

    router.add("POST", "/attest/Tpm", versioned([service](const net::Request& request) {
                   return service->attest_tpm(request);
               }));
    // Routes of our own: they have no versions yet.
    auto keeps = [&](std::string_view method, std::string_view path, auto act) {
        router.add(method, path,
                   [service, act](const net::Request& request) { return act(*service, request); });
    };
    keeps("GET", "/reference-values", list_references);
    keeps("GET", "/reference-values/{name}", get_reference);
    keeps("PUT", "/reference-values/{name}", put_reference);
    keeps("DELETE", "/reference-values/{name}", delete_reference);
}

}  // namespace vouchsafe::attest
