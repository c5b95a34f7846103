// The inside of CloudEffects: what the effects of one kind are, one file for each kind. Each finds
// its own work again (cloud/effects.h). One runs at a time.
#pragma once

#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/cloud_effects.h"

namespace vouchsafe::lab {

using EffectWorld = CloudEffects::World;

// A member of an object, or null.
const Json& member_or_null(const Json& object, std::string_view name);
// A member of the resource's "properties", or null.
const Json& property_or_null(const cloud::Resource& resource, std::string_view name);
// The same, "" if it is no text.
std::string property_text(const cloud::Resource& resource, std::string_view name);

// actor_of is who an act stands for in the services' audit logs.
std::string actor_of(const cloud::Resource& resource);

// vault_effects.cpp
Result<Json> put_vault_effect(const EffectWorld& world, const cloud::Resource& resource);
Result<void> remove_vault_effect(const EffectWorld& world, const cloud::Resource& resource);
Result<void> act_on_vault(const EffectWorld& world, const cloud::Resource& resource,
                          std::string_view action);

// role_effects.cpp
Result<Json> put_role_effect(const EffectWorld& world, const cloud::Resource& resource);
Result<void> remove_role_effect(const EffectWorld& world, const cloud::Resource& resource);

// identity_effects.cpp: user-assigned identities, and those of what has an "identity" of its own or
// borrows some. The latter returns the members of "identity" that the service makes.
Result<Json> put_user_identity_effect(const EffectWorld& world, const cloud::Resource& resource);
Result<void> remove_identity_effect(const EffectWorld& world, const cloud::Resource& resource);
Result<Json> put_identities_effect(const EffectWorld& world, const cloud::Resource& now,
                                   const cloud::Resource* before);
Result<void> remove_identities_effect(const EffectWorld& world, const cloud::Resource& resource);

// machine_effects.cpp
cloud::Outcome<Json> put_machine_effect(const EffectWorld& world, const cloud::Resource& now,
                                        const cloud::Resource* before);
cloud::Outcome<void> remove_machine_effect(const EffectWorld& world,
                                           const cloud::Resource& machine);

// provider_effects.cpp
Result<Json> put_provider_effect(const EffectWorld& world, const cloud::Resource& now,
                                 const cloud::Resource* before);
Result<void> take_up_provider(const EffectWorld& world, const cloud::Resource& resource);
Result<void> remove_provider_effect(const EffectWorld& world, const cloud::Resource& resource);

}  // namespace vouchsafe::lab
