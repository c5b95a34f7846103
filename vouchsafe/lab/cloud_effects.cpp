// Which kind of resource has which effects. The effects themselves are in one file for each kind.
#include "vouchsafe/lab/cloud_effects.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/cloud_effects_impl.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;

// The types that have effects.
enum class Kind { vault, role, user_identity, machine, with_identity, provider };
struct KindRow {
    std::string_view type;
    Kind kind;
};
constexpr KindRow kKinds[] = {
    {"Microsoft.KeyVault/vaults", Kind::vault},
    {"Microsoft.Authorization/roleAssignments", Kind::role},
    {"Microsoft.ManagedIdentity/userAssignedIdentities", Kind::user_identity},
    {"Microsoft.Compute/virtualMachines", Kind::machine},
    {"Microsoft.Compute/diskEncryptionSets", Kind::with_identity},
    {"Microsoft.Attestation/attestationProviders", Kind::provider},
};

const KindRow* find_kind(std::string_view type) {
    auto found = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const KindRow& row) {
        return equal_ignore_case(row.type, type);
    });
    return found == std::end(kKinds) ? nullptr : found;
}

}  // namespace

const Json& member_or_null(const Json& object, std::string_view name) {
    static const Json kNull;
    const Json* found = find_member(object, name);
    return found == nullptr ? kNull : *found;
}

const Json& property_or_null(const cloud::Resource& resource, std::string_view name) {
    return member_or_null(member_or_null(resource.body, "properties"), name);
}

std::string property_text(const cloud::Resource& resource, std::string_view name) {
    const Json& value = property_or_null(resource, name);
    return value.is_string() ? value.get<std::string>() : "";
}

std::string actor_of(const cloud::Resource& resource) {
    return resource.actor.empty() ? "operator" : resource.actor;
}

bool CloudEffects::concerns(std::string_view type) const {
    return find_kind(type) != nullptr;
}

cloud::Outcome<Json> CloudEffects::put(const Resource& now, const Resource* before) {
    switch (find_kind(now.type)->kind) {
        case Kind::vault:
            return put_vault_effect(world_, now);
        case Kind::role:
            return put_role_effect(world_, now);
        case Kind::user_identity:
            return put_user_identity_effect(world_, now);
        case Kind::machine:
            return put_machine_effect(world_, now, before);
        case Kind::with_identity:
            return put_identities_effect(world_, now, before);
        case Kind::provider:
            return put_provider_effect(world_, now, before);
    }
    return fail(Code::internal, "{} has no effects", now.type);
}

cloud::Outcome<void> CloudEffects::remove(const Resource& resource) {
    switch (find_kind(resource.type)->kind) {
        case Kind::vault:
            return remove_vault_effect(world_, resource);
        case Kind::role:
            return remove_role_effect(world_, resource);
        case Kind::user_identity:
            return remove_identity_effect(world_, resource);
        case Kind::machine:
            return remove_machine_effect(world_, resource);
        case Kind::with_identity:
            return remove_identities_effect(world_, resource);
        case Kind::provider:
            return remove_provider_effect(world_, resource);
    }
    return fail(Code::internal, "{} has no effects", resource.type);
}

cloud::Outcome<void> CloudEffects::act(const Resource& resource, std::string_view action) {
    switch (find_kind(resource.type)->kind) {
        case Kind::vault:
            return act_on_vault(world_, resource, action);
        case Kind::machine:
            return world_.vms.act(resource, action);
        case Kind::role:
        case Kind::user_identity:
        case Kind::with_identity:
        case Kind::provider:
            return {};
    }
    return fail(Code::internal, "{} has no effects", resource.type);
}

Result<void> CloudEffects::take_up(const Resource& resource) {
    switch (find_kind(resource.type)->kind) {
        case Kind::provider:
            return take_up_provider(world_, resource);
        case Kind::vault:
        case Kind::role:
        case Kind::user_identity:
        case Kind::machine:
        case Kind::with_identity:
            return {};
    }
    return fail(Code::internal, "{} has no effects", resource.type);
}

std::optional<cloud::Effects::Condition> CloudEffects::condition(const Resource& machine) const {
    return world_.vms.condition(machine);
}

}  // namespace vouchsafe::lab
