// Vaults: made, changed and deleted in the vault service.
#include <algorithm>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/cloud_effects_impl.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;

// Nobody comes from this address: a list with it alone lets nobody in, an empty one everybody.
constexpr std::string_view kNowhere = "0.0.0.0/32";

// add_subnet adds the addresses of a subnet: machines of a lab come from addresses of their own, so
// who comes from there is one of the subnet's machines. Two subnets with the same addresses are not
// told apart.
Result<void> add_subnet(const EffectWorld& world, const std::string& id,
                        std::vector<std::string>& networks) {
    const auto subnet = world.find_resource(id);
    if (!subnet) {
        return fail(Code::invalid, "networkAcls.virtualNetworkRules: there is no subnet '{}'", id);
    }
    const Json& properties = member_or_null(*subnet, "properties");
    const Json& several = member_or_null(properties, "addressPrefixes");
    const size_t before = networks.size();
    if (const std::string one = text_or_empty(properties, "addressPrefix"); !one.empty()) {
        networks.push_back(one);
    } else if (several.is_array()) {
        for (const Json& prefix : several) {
            networks.push_back(prefix.is_string() ? prefix.get<std::string>() : "");
        }
    }
    if (networks.size() == before) {
        return fail(Code::invalid, "networkAcls.virtualNetworkRules: '{}' has no addresses", id);
    }
    for (size_t i = before; i < networks.size(); ++i) {
        TRY(with_context(access::Network::parse(networks[i]), id));
    }
    return {};
}

// wanted_networks reads which networks may reach a vault (azure-api E.3). "bypass" has no meaning
// here: no service of a lab reaches a vault without a role in it.
Result<std::vector<std::string>> wanted_networks(const EffectWorld& world, const Resource& vault) {
    if (equal_ignore_case(property_text(vault, "publicNetworkAccess"), "Disabled")) {
        return std::vector<std::string>{std::string(kNowhere)};
    }
    const Json& rules = property_or_null(vault, "networkAcls");
    const std::string action = text_or_empty(rules, "defaultAction");
    if (action.empty() || equal_ignore_case(action, "Allow")) return std::vector<std::string>{};
    if (!equal_ignore_case(action, "Deny")) {
        return fail(Code::invalid, "networkAcls.defaultAction is 'Allow' or 'Deny'");
    }
    std::vector<std::string> out;
    const Json& addresses = member_or_null(rules, "ipRules");
    if (addresses.is_array()) {
        for (const Json& rule : addresses) {
            out.push_back(text_or_empty(rule, "value"));
            TRY(with_context(access::Network::parse(out.back()), "networkAcls.ipRules"));
        }
    }
    const Json& subnets = member_or_null(rules, "virtualNetworkRules");
    if (subnets.is_array()) {
        for (const Json& rule : subnets) {
            TRY(add_subnet(world, text_or_empty(rule, "id"), out));
        }
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

Result<WantedVault> parse_wanted_vault(const EffectWorld& world, const Resource& vault) {
    auto id = cloud::ResourceId::parse(vault.id);
    if (!id) return fail(Code::internal, "{} is no resource id", vault.id);
    WantedVault out;
    out.spec.name = vault.name;
    const Json& sku = member_or_null(property_or_null(vault, "sku"), "name");
    out.spec.sku = sku.is_string() && equal_ignore_case(sku.get<std::string>(), "premium")
                       ? vault::Sku::premium
                       : vault::Sku::standard;
    out.spec.tenant = world.tenant;
    out.spec.subscription = id->subscription;
    out.spec.resource_group = id->group;
    const Json& days = property_or_null(vault, "softDeleteRetentionInDays");
    if (days.is_number_integer()) out.spec.retention_days = days.get<int>();
    out.spec.purge_protection = property_or_null(vault, "enablePurgeProtection") == Json(true);
    if (property_or_null(vault, "enableRbacAuthorization") == Json(true)) {
        out.authorization = vault::Authorization::roles;
    }
    out.networks = TRY(wanted_networks(world, vault));
    out.policies = TRY(wanted_policies(vault, world.tenant));
    return out;
}

// make_or_find_vault returns the vault of this resource id: the one there is, if nothing about it
// would have to change that cannot.
Result<vault::VaultInfo> make_or_find_vault(vault::Administration& vaults,
                                            const WantedVault& wanted, const Resource& resource) {
    auto made = vaults.create_vault(wanted.spec);
    if (made || made.error().code != Code::conflict) return made;
    vault::VaultInfo found = TRY(vaults.find_vault(wanted.spec.name));
    if (!equal_ignore_case(found.resource_id, resource.id) || found.deleted) {
        return fail(Code::conflict, "the vault name '{}' is already in use", wanted.spec.name);
    }
    if (found.retention_days != wanted.spec.retention_days) {
        return fail(Code::invalid,
                    "The property \"softDeleteRetentionInDays\" has been set already and it can't "
                    "be modified.");
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

// is_own_vault keeps a record from ending a vault that is not its own.
Result<bool> is_own_vault(const EffectWorld& world, const Resource& resource) {
    auto found = world.vault.find_vault(resource.name);
    if (!found && found.error().code == Code::not_found) return false;
    if (!found) return fail(found.error());
    return equal_ignore_case(found->resource_id, resource.id);
}

}  // namespace

Result<Json> put_vault_effect(const EffectWorld& world, const Resource& resource) {
    const WantedVault wanted = TRY(parse_wanted_vault(world, resource));
    vault::Administration vaults = world.vault.administration().as(actor_of(resource));
    vault::VaultInfo info = TRY(make_or_find_vault(vaults, wanted, resource));
    if (info.sku != wanted.spec.sku) TRY(vaults.set_sku(info.name, wanted.spec.sku));
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

Result<void> remove_vault_effect(const EffectWorld& world, const Resource& resource) {
    if (!TRY(is_own_vault(world, resource))) return {};
    TRY(world.vault.administration().as(actor_of(resource)).delete_vault(resource.name));
    return {};
}

Result<void> act_on_vault(const EffectWorld& world, const Resource& resource,
                          std::string_view action) {
    const bool own = TRY(is_own_vault(world, resource));
    if (action == "purge") {
        if (!own) return {};
        return world.vault.purge_vault(resource.name, actor_of(resource));
    }
    if (!own) return fail(Code::not_found, "there is no vault '{}' to recover", resource.name);
    TRY(world.vault.administration().as(actor_of(resource)).recover_vault(resource.name));
    return {};
}

}  // namespace vouchsafe::lab
