#include "vouchsafe/lab/cloud_effects.h"

#include <algorithm>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;
using World = CloudEffects::World;

const Json& member_or_null(const Json& object, std::string_view name) {
    static const Json kNull;
    const Json* found = find_member(object, name);
    return found == nullptr ? kNull : *found;
}

const Json& property_or_null(const Resource& resource, std::string_view name) {
    return member_or_null(member_or_null(resource.body, "properties"), name);
}

std::string property_text(const Resource& resource, std::string_view name) {
    const Json& value = property_or_null(resource, name);
    return value.is_string() ? value.get<std::string>() : "";
}

// Vaults.

// Nobody comes from this address: a list with it alone lets nobody in, an empty one everybody.
constexpr std::string_view kNowhere = "0.0.0.0/32";

// wanted_networks reads which networks may reach a vault (azure-api E.3). "bypass" has no meaning
// here: no service of a lab reaches a vault without a role in it.
Result<std::vector<std::string>> wanted_networks(const Resource& vault) {
    if (equal_ignore_case(property_text(vault, "publicNetworkAccess"), "Disabled")) {
        return std::vector<std::string>{std::string(kNowhere)};
    }
    const Json& rules = property_or_null(vault, "networkAcls");
    const std::string action = text_or_empty(rules, "defaultAction");
    if (action.empty() || equal_ignore_case(action, "Allow")) return std::vector<std::string>{};
    if (!equal_ignore_case(action, "Deny")) {
        return fail(Code::invalid, "networkAcls.defaultAction is 'Allow' or 'Deny'");
    }
    const Json& subnets = member_or_null(rules, "virtualNetworkRules");
    if (subnets.is_array() && !subnets.empty()) {
        return fail(Code::unsupported,
                    "networkAcls.virtualNetworkRules: a lab's virtual networks carry nothing");
    }
    std::vector<std::string> out;
    const Json& addresses = member_or_null(rules, "ipRules");
    if (!addresses.is_array()) return std::vector<std::string>{std::string(kNowhere)};
    for (const Json& rule : addresses) {
        out.push_back(text_or_empty(rule, "value"));
        TRY(with_context(access::Network::parse(out.back()), "networkAcls.ipRules"));
    }
    if (out.empty()) out.emplace_back(kNowhere);
    return out;
}

Result<std::vector<std::string>> wanted_permissions(const Json& permissions, const char* kind,
                                                    std::span<const std::string_view> known) {
    std::vector<std::string> out;
    const Json& given = member_or_null(permissions, kind);
    if (!given.is_array()) return out;
    for (const Json& one : given) {
        const std::string name = one.is_string() ? one.get<std::string>() : "";
        const bool is_known = equal_ignore_case(name, "all") ||
                              std::any_of(known.begin(), known.end(), [&](std::string_view there) {
                                  return equal_ignore_case(there, name);
                              });
        if (!is_known) return fail(Code::invalid, "permissions.{}: '{}' is none", kind, name);
        out.push_back(name);
    }
    return out;
}

Result<std::vector<access::AccessPolicy>> wanted_policies(const Resource& vault,
                                                          const std::string& tenant) {
    std::vector<access::AccessPolicy> out;
    const Json& given = property_or_null(vault, "accessPolicies");
    if (!given.is_array()) return out;
    for (const Json& one : given) {
        // An object id of another tenant may be somebody else's here.
        const std::string of = text_or_empty(one, "tenantId");
        if (!of.empty() && !equal_ignore_case(of, tenant)) {
            return fail(Code::invalid, "an access policy's tenantId is not the vault's");
        }
        const std::string application = text_or_empty(one, "applicationId");
        const std::string object = text_or_empty(one, "objectId");
        if (!is_guid(object) || (!application.empty() && !is_guid(application))) {
            return fail(Code::invalid, "an access policy's ids are GUIDs");
        }
        const Json& permissions = member_or_null(one, "permissions");
        access::AccessPolicy policy{to_lower(object), to_lower(application), {}, {}};
        policy.keys = TRY(wanted_permissions(permissions, "keys", access::key_permissions()));
        policy.secrets =
            TRY(wanted_permissions(permissions, "secrets", access::secret_permissions()));
        out.push_back(std::move(policy));
    }
    if (out.size() > access::kMaxAccessPolicies) {
        return fail(Code::invalid, "a vault has at most {} access policies",
                    access::kMaxAccessPolicies);
    }
    return out;
}

// WantedVault is what a record says of its vault, checked as a whole before anything is done.
struct WantedVault {
    vault::VaultSpec spec;
    vault::Authorization authorization = vault::Authorization::access_policies;
    std::vector<std::string> networks;
    std::vector<access::AccessPolicy> policies;
};

Result<WantedVault> parse_wanted_vault(const Resource& vault, const std::string& tenant) {
    auto id = cloud::ResourceId::parse(vault.id);
    if (!id) return fail(Code::internal, "{} is no resource id", vault.id);
    WantedVault out;
    out.spec.name = vault.name;
    const Json& sku = member_or_null(property_or_null(vault, "sku"), "name");
    out.spec.sku = sku.is_string() && equal_ignore_case(sku.get<std::string>(), "premium")
                       ? vault::Sku::premium
                       : vault::Sku::standard;
    out.spec.tenant = tenant;
    out.spec.subscription = id->subscription;
    out.spec.resource_group = id->group;
    const Json& days = property_or_null(vault, "softDeleteRetentionInDays");
    if (days.is_number_integer()) out.spec.retention_days = days.get<int>();
    out.spec.purge_protection = property_or_null(vault, "enablePurgeProtection") == Json(true);
    if (property_or_null(vault, "enableRbacAuthorization") == Json(true)) {
        out.authorization = vault::Authorization::roles;
    }
    out.networks = TRY(wanted_networks(vault));
    out.policies = TRY(wanted_policies(vault, tenant));
    return out;
}

// make_or_find_vault returns the vault of this resource id: the one there is, if nothing about it
// would have to change that cannot.
Result<vault::VaultInfo> make_or_find_vault(const World& world, const WantedVault& wanted,
                                            const Resource& resource) {
    auto made = world.vault.create_vault(wanted.spec);
    if (made || made.error().code != Code::conflict) return made;
    vault::VaultInfo found = TRY(world.vault.find_vault(wanted.spec.name));
    if (!equal_ignore_case(found.resource_id, resource.id) || found.deleted) {
        return fail(Code::conflict, "the vault name '{}' is already in use", wanted.spec.name);
    }
    if (found.sku != wanted.spec.sku || found.retention_days != wanted.spec.retention_days) {
        return fail(Code::unsupported, "a vault's sku and retention stay as they were made");
    }
    return found;
}

bool same_identity(const access::AccessPolicy& a, const access::AccessPolicy& b) {
    return equal_ignore_case(a.object_id, b.object_id) &&
           equal_ignore_case(a.application_id, b.application_id);
}

// set_policies makes the vault's access policies those of the list. What is taken away goes first.
Result<void> set_policies(vault::Administration& vaults, const std::string& vault,
                          const std::vector<access::AccessPolicy>& wanted) {
    const auto before = TRY(vaults.access_policies(vault));
    for (const access::AccessPolicy& old : before) {
        const bool kept = std::any_of(wanted.begin(), wanted.end(), [&](const auto& policy) {
            return same_identity(policy, old);
        });
        if (!kept) TRY(vaults.remove_access_policy(vault, old.object_id, old.application_id));
    }
    for (const access::AccessPolicy& policy : wanted) {
        TRY(vaults.set_access_policy(vault, policy));
    }
    return {};
}

Result<Json> put_vault_effect(const World& world, const Resource& resource) {
    const WantedVault wanted = TRY(parse_wanted_vault(resource, world.tenant));
    vault::VaultInfo info = TRY(make_or_find_vault(world, wanted, resource));
    vault::Administration& vaults = world.vault.administration();
    if (info.networks != wanted.networks) TRY(vaults.set_networks(info.name, wanted.networks));
    TRY(set_policies(vaults, info.name, wanted.policies));
    if (info.authorization != wanted.authorization) {
        TRY(vaults.set_authorization(info.name, wanted.authorization));
    }
    if (wanted.spec.purge_protection) info = TRY(vaults.protect_from_purge(info.name));
    world.new_vault(info.name);
    // An operator may have turned it on beside the resource manager.
    if (info.purge_protection) return Json{{"properties", {{"enablePurgeProtection", true}}}};
    return Json::object();
}

// is_own_vault keeps a record from ending a vault that is not its own.
Result<bool> is_own_vault(const World& world, const Resource& resource) {
    auto found = world.vault.find_vault(resource.name);
    if (!found && found.error().code == Code::not_found) return false;
    if (!found) return fail(found.error());
    return equal_ignore_case(found->resource_id, resource.id);
}

Result<void> remove_vault_effect(const World& world, const Resource& resource) {
    if (!TRY(is_own_vault(world, resource))) return {};
    TRY(world.vault.administration().delete_vault(resource.name));
    return {};
}

Result<void> act_on_vault(const World& world, const Resource& resource, std::string_view action) {
    if (action == "purge") {
        return fail(Code::unsupported,
                    "a lab cannot purge a vault: '{}' stays deleted and can be recovered",
                    resource.name);
    }
    if (!TRY(is_own_vault(world, resource))) {
        return fail(Code::not_found, "there is no vault '{}' to recover", resource.name);
    }
    TRY(world.vault.administration().recover_vault(resource.name));
    return {};
}

// Role assignments.

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

Result<Json> put_role_effect(const World& world, const Resource& resource) {
    const WantedRole wanted = TRY(parse_wanted_role(resource));
    if (!wanted.role->key_vault.empty()) {
        TRY(world.vault.assign_role(wanted.principal, wanted.role->id, wanted.scope));
    }
    if (!wanted.role->attestation.empty()) {
        TRY(world.attestation.assign_role(wanted.principal, wanted.role->id, wanted.scope));
    }
    return Json::object();
}

Result<void> remove_role_effect(const World& world, const Resource& resource) {
    const WantedRole wanted = TRY(parse_wanted_role(resource));
    for (const auto& assigned : TRY(world.vault.roles_of(wanted.principal))) {
        if (assigned.role_id != wanted.role->id) continue;
        if (!equal_ignore_case(assigned.scope, wanted.scope)) continue;
        TRY(world.vault.remove_role(wanted.principal, assigned.id));
    }
    if (wanted.role->attestation.empty()) return {};
    auto removed = world.attestation.remove_role(wanted.principal, wanted.role->id, wanted.scope);
    if (!removed && removed.error().code != Code::not_found) return fail(removed.error());
    return {};
}

// Identities.

Result<std::optional<identity::Principal>> identity_of(const World& world,
                                                       std::string_view resource_id) {
    for (identity::Principal& principal : TRY(world.identity.principals())) {
        if (principal.kind == identity::PrincipalKind::managed_identity &&
            equal_ignore_case(principal.resource_id, resource_id)) {
            return std::optional(std::move(principal));
        }
    }
    return std::optional<identity::Principal>();
}

Result<identity::Principal> make_or_find_identity(const World& world, const Resource& resource) {
    auto there = TRY(identity_of(world, resource.id));
    if (there) return std::move(*there);
    return world.identity.create_managed_identity(resource.name, resource.id);
}

Result<void> remove_identity(const World& world, const Resource& resource) {
    const auto there = TRY(identity_of(world, resource.id));
    if (!there) return {};
    return world.identity.remove_principal(there->client_id);
}

bool has_own_identity(const Resource& resource) {
    const std::string type = text_or_empty(member_or_null(resource.body, "identity"), "type");
    return to_lower(type).find("systemassigned") != std::string::npos;
}

// put_identities_effect gives what has a system-assigned identity one, and shows the ids of the
// user-assigned ones that were given to it.
Result<Json> put_identities_effect(const World& world, const Resource& now,
                                   const Resource* before) {
    Json shown = Json::object();
    const Json& lent =
        member_or_null(member_or_null(now.body, "identity"), "userAssignedIdentities");
    if (lent.is_object()) {
        for (const auto& [id, options] : lent.items()) {
            if (options.is_null()) continue;  // taken away by PATCH
            const auto known = TRY(identity_of(world, id));
            if (!known) return fail(Code::invalid, "there is no identity {}", id);
            shown["userAssignedIdentities"][id] = {{"principalId", known->object_id},
                                                   {"clientId", known->client_id}};
        }
    }
    if (has_own_identity(now)) {
        shown["principalId"] = TRY(make_or_find_identity(world, now)).object_id;
    } else if (before != nullptr && has_own_identity(*before)) {
        TRY(remove_identity(world, now));
    }
    return shown.empty() ? shown : Json{{"identity", shown}};
}

Result<Json> put_user_identity_effect(const World& world, const Resource& resource) {
    const identity::Principal made = TRY(make_or_find_identity(world, resource));
    return Json{{"properties", {{"principalId", made.object_id}, {"clientId", made.client_id}}}};
}

// The types that have effects.
enum class Kind { vault, role, user_identity, with_identity, provider };
struct KindRow {
    std::string_view type;
    Kind kind;
};
constexpr KindRow kKinds[] = {
    {"Microsoft.KeyVault/vaults", Kind::vault},
    {"Microsoft.Authorization/roleAssignments", Kind::role},
    {"Microsoft.ManagedIdentity/userAssignedIdentities", Kind::user_identity},
    {"Microsoft.Compute/virtualMachines", Kind::with_identity},
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

bool CloudEffects::concerns(std::string_view type) const {
    return find_kind(type) != nullptr;
}

Result<Json> CloudEffects::put(const Resource& now, const Resource* before) {
    switch (find_kind(now.type)->kind) {
        case Kind::vault:
            return put_vault_effect(world_, now);
        case Kind::role:
            return put_role_effect(world_, now);
        case Kind::user_identity:
            return put_user_identity_effect(world_, now);
        case Kind::with_identity:
            return put_identities_effect(world_, now, before);
        case Kind::provider:
            break;
    }
    return fail(Code::unsupported,
                "a lab has one attestation provider, sharedweu.weu.attest.azure.net: providers of "
                "one's own are not built");
}

Result<void> CloudEffects::remove(const Resource& resource) {
    switch (find_kind(resource.type)->kind) {
        case Kind::vault:
            return remove_vault_effect(world_, resource);
        case Kind::role:
            return remove_role_effect(world_, resource);
        case Kind::user_identity:
            return remove_identity(world_, resource);
        case Kind::with_identity:
            if (!has_own_identity(resource)) return {};
            return remove_identity(world_, resource);
        case Kind::provider:
            break;
    }
    return {};
}

Result<void> CloudEffects::act(const Resource& resource, std::string_view action) {
    if (find_kind(resource.type)->kind == Kind::vault) {
        return act_on_vault(world_, resource, action);
    }
    return {};  // of machines: their power state is in the record alone
}

}  // namespace vouchsafe::lab
