// Role assignments: they govern the vault service and the attestation service.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/cloud_effects_impl.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;

// WantedRole is what a role assignment says. Where it counts is told by what its role may do; its
// scope is judged by the service, inheritance too.
struct WantedRole {
    std::string principal;
    std::string scope;
    const access::Role* role = nullptr;
};

Result<WantedRole> parse_wanted_role(const Resource& resource) {
    WantedRole out{property_text(resource, "principalId"), property_text(resource, "scope")};
    const std::string definition = property_text(resource, "roleDefinitionId");
    out.role = access::find_role(definition.substr(definition.rfind('/') + 1));
    if (out.role == nullptr) return fail(Code::invalid, "{} is no role", definition);
    return out;
}

// is_by_settings: who owns the subscription by the lab's settings owns each provider without an
// assignment (provider_effects.cpp), and keeps that when one goes.
bool is_by_settings(const EffectWorld& world, const WantedRole& wanted) {
    const auto scope = cloud::ResourceId::parse(wanted.scope);
    const bool owner = std::any_of(world.owners.begin(), world.owners.end(), [&](const auto& id) {
        return equal_ignore_case(id, wanted.principal);
    });
    return owner && wanted.role->name == "Owner" && scope && scope->is_item() &&
           equal_ignore_case(scope->type(), "Microsoft.Attestation/attestationProviders");
}

}  // namespace

Result<Json> put_role_effect(const EffectWorld& world, const Resource& resource) {
    const WantedRole wanted = TRY(parse_wanted_role(resource));
    if (!wanted.role->key_vault.empty()) {
        auto vaults = world.vault.administration().as(actor_of(resource));
        TRY(vaults.assign_role(wanted.principal, wanted.role->id, wanted.scope));
    }
    if (!wanted.role->attestation.empty()) {
        TRY(world.attestation.assign_role(wanted.principal, wanted.role->id, wanted.scope,
                                          actor_of(resource)));
    }
    return Json::object();
}

Result<void> remove_role_effect(const EffectWorld& world, const Resource& resource) {
    const WantedRole wanted = TRY(parse_wanted_role(resource));
    for (const auto& assigned : TRY(world.vault.roles_of(wanted.principal))) {
        if (assigned.role_id != wanted.role->id) continue;
        if (!equal_ignore_case(assigned.scope, wanted.scope)) continue;
        TRY(world.vault.administration()
                .as(actor_of(resource))
                .remove_role(wanted.principal, assigned.id));
    }
    if (wanted.role->attestation.empty() || is_by_settings(world, wanted)) return {};
    auto removed = world.attestation.remove_role(wanted.principal, wanted.role->id, wanted.scope,
                                                 actor_of(resource));
    if (!removed && removed.error().code != Code::not_found) return fail(removed.error());
    return {};
}

}  // namespace vouchsafe::lab
