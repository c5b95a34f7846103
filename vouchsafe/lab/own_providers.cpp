#include "vouchsafe/lab/own_providers.h"

#include <algorithm>

#include "vouchsafe/attest/administration.h"
#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/attest/providers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kOwnerTable = "lab_provider";  // issuer -> resource id

net::Response no_such_provider(const net::Request& request) {
    return net::error_response(
        404, "ProviderNotFound",
        fmt::format("No attestation provider of this lab has the host name {}.",
                    attest::host_name(request.host)));
}

std::string host_of(const OwnProvider& provider) {
    return attest::host_name(MUST(net::Url::parse(provider.issuer)).host);
}

}  // namespace

Result<bool> OwnProviders::owns(const OwnProvider& provider) const {
    std::optional<Bytes> owner;
    TRY(deps_.store.read([&](store::View& view) -> Result<void> {
        owner = TRY(view.get(kOwnerTable, provider.issuer));
        return {};
    }));
    return owner && equal_ignore_case(as_text(*owner), provider.resource_id);
}

Result<void> OwnProviders::claim(const OwnProvider& provider) const {
    if (TRY(owns(provider))) return {};
    const auto issuers = TRY(attest::issuers_with_keys(deps_.store));
    const bool others = std::find(issuers.begin(), issuers.end(), provider.issuer) != issuers.end();
    return deps_.store.run([&](store::Transaction& tx) -> Result<void> {
        const bool claimed = TRY(tx.get(kOwnerTable, provider.issuer)).has_value();
        if (others || claimed) {
            return fail(Code::conflict,
                        "The given service URI '{}' is already in use. Please try again with a "
                        "different name.",
                        provider.issuer);
        }
        return tx.put(kOwnerTable, provider.issuer, as_bytes(provider.resource_id));
    });
}

Result<void> OwnProviders::make(const OwnProvider& provider, std::string_view actor) {
    TRY(claim(provider));
    stop(provider);
    TRY(attest::erase_provider(deps_.store, deps_.audit, deps_.clock, provider.issuer, "", actor));
    return start(provider);
}

Result<void> OwnProviders::start(const OwnProvider& provider) {
    const std::string host = host_of(provider);
    if (find(host) != nullptr) return {};
    attest::Config config = like_;
    config.issuer = provider.issuer;
    config.resource_id = provider.resource_id;
    if (provider.isolated) config.policy_changes = attest::Config::PolicyChanges::signers;
    config.policy_signers = provider.signers;
    Shared service = TRY(attest::Service::create(std::move(config), deps_));
    std::lock_guard lock(mutex_);
    running_[host] = std::move(service);
    return {};
}

void OwnProviders::stop(const OwnProvider& provider) {
    Shared ended;  // without the lock
    std::lock_guard lock(mutex_);
    const auto found = running_.find(host_of(provider));
    if (found == running_.end()) return;
    ended = std::move(found->second);
    running_.erase(found);
}

Result<void> OwnProviders::remove(const OwnProvider& provider, std::string_view actor) {
    if (!TRY(owns(provider))) return {};
    stop(provider);
    TRY(attest::erase_provider(deps_.store, deps_.audit, deps_.clock, provider.issuer,
                               provider.resource_id, actor));
    return deps_.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase(kOwnerTable, provider.issuer));
        return {};
    });
}

OwnProviders::Shared OwnProviders::find(std::string_view host) const {
    std::lock_guard lock(mutex_);
    const auto found = running_.find(host);
    return found == running_.end() ? nullptr : found->second;
}

net::Handler OwnProviders::handler() const {
    return [this](const net::Request& request) {
        const Shared service = find(attest::host_name(request.host));
        return service == nullptr ? no_such_provider(request) : service->handler()(request);
    };
}

access::FetchJson OwnProviders::fetching(access::FetchJson otherwise) const {
    return [this, otherwise = std::move(otherwise)](const std::string& url) -> Result<Json> {
        const Shared service = find(TRY(net::Url::parse(url)).host);
        if (service == nullptr) return otherwise(url);
        const std::string& issuer = service->config().issuer;
        if (url == issuer + "/certs") return service->jwks();
        return Json{{"issuer", issuer}, {"jwks_uri", issuer + "/certs"}};
    };
}

std::vector<std::string> OwnProviders::hosts() const {
    std::vector<std::string> out;
    std::lock_guard lock(mutex_);
    for (const auto& [host, service] : running_) out.push_back(host);
    return out;
}

}  // namespace vouchsafe::lab
