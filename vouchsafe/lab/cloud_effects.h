// What resources of a lab's resource manager do: vaults are made in the vault service, attestation
// providers run beside the shared one, role assignments govern both services, identities can get
// tokens, and virtual machines run (vms.h). Each effect finds its own work again, as cloud::Effects
// asks for.
//
// What is done stands in the services' audit logs as done by whose object id the resource has as
// `actor`; "operator" if it has none, for then it was the lab itself.
#pragma once

#include <functional>

#include "vouchsafe/attest/service.h"
#include "vouchsafe/cloud/effects.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/lab/own_providers.h"
#include "vouchsafe/lab/vms.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::lab {

// CloudEffects borrows the services. One effect runs at a time, by any thread.
class CloudEffects : public cloud::Effects {
  public:
    struct World {
        vault::Service& vault;
        attest::Service& attestation;
        identity::Service& identity;
        OwnProviders& providers;
        Vms& vms;
        std::string tenant = {};                               // of vaults
        std::vector<std::string> owners = {};                  // object ids of who owns everything
        std::function<void(std::string_view)> new_vault = {};  // told the name of each
        // Told the issuer of each attestation provider that began and ended.
        std::function<Result<void>(const std::string&)> show_provider = {};
        std::function<void(const std::string&)> hide_provider = {};
        // A resource as clients get it. Code::not_found.
        std::function<Result<Json>(std::string_view)> find_resource = {};
    };
    explicit CloudEffects(World world) : world_(std::move(world)) {}

    bool concerns(std::string_view type) const override;
    cloud::Outcome<Json> put(const cloud::Resource& now, const cloud::Resource* before) override;
    cloud::Outcome<void> remove(const cloud::Resource& resource) override;
    cloud::Outcome<void> act(const cloud::Resource& resource, std::string_view action) override;

    std::optional<Condition> condition(const cloud::Resource& machine) const override;

    // take_up brings back what does not outlive the process, at the start, of a resource that has
    // its effect: an attestation provider runs again.
    Result<void> take_up(const cloud::Resource& resource);

  private:
    const World world_;
};

}  // namespace vouchsafe::lab
