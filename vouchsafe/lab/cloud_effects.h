// What resources of a lab's resource manager do: vaults are made in the vault service, role
// assignments govern it and the attestation service, identities can get tokens, and virtual
// machines run (vms.h). Each effect
// finds its own work again, as cloud::Effects asks for.
//
// Not built, and answered with Code::unsupported: attestation providers of one's own, purging a
// deleted vault, another SKU or retention for a vault that is there, and rules for virtual
// networks.
#pragma once

#include <functional>

#include "vouchsafe/attest/service.h"
#include "vouchsafe/cloud/effects.h"
#include "vouchsafe/identity/service.h"
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
        std::string tenant;                               // of vaults
        std::function<void(std::string_view)> new_vault;  // told the name of each
        Vms& vms;
    };
    explicit CloudEffects(World world) : world_(std::move(world)) {}

    bool concerns(std::string_view type) const override;
    cloud::Outcome<Json> put(const cloud::Resource& now, const cloud::Resource* before) override;
    cloud::Outcome<void> remove(const cloud::Resource& resource) override;
    cloud::Outcome<void> act(const cloud::Resource& resource, std::string_view action) override;

    std::optional<Condition> condition(const cloud::Resource& machine) const override;

  private:
    const World world_;
};

}  // namespace vouchsafe::lab
