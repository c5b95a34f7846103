#include "vouchsafe/vault/administration.h"

#include <algorithm>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/address.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::vault {

namespace {

// is_path tells whether a text can be a resource id or a part of one.
bool is_path(std::string_view text) {
    return !text.empty() && text.size() <= 512 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Json policy_details(const access::AccessPolicy& policy) {
    return {{"object_id", policy.object_id},
            {"application_id", policy.application_id},
            {"keys", policy.keys},
            {"secrets", policy.secrets}};
}

}  // namespace

Result<void> Administration::record(store::Transaction& tx, std::string_view action,
                                    std::string_view resource, Json details) {
    audit::Entry entry;
    entry.time = clock_.now();
    entry.actor = actor_;
    entry.action = std::string(action);
    entry.resource = std::string(resource);
    entry.request_id = crypto::random_uuid();
    entry.details = std::move(details);
    TRY(log_.append(tx, entry));
    return {};
}

Result<VaultInfo> Administration::create_vault(const VaultSpec& spec) {
    if (!is_vault_name(spec.name)) {
        return fail(Code::invalid,
                    "a vault's name has 3 to 24 of 0-9, a-z, A-Z and -, no two hyphens in a row");
    }
    if (!is_guid(spec.tenant)) return fail(Code::invalid, "a vault's tenant is a GUID");
    if (!is_path(spec.subscription) || !is_path(spec.resource_group)) {
        return fail(Code::invalid, "subscription and resource_group must be given");
    }
    if (spec.retention_days < kMinRetentionDays || spec.retention_days > kMaxRetentionDays) {
        return fail(Code::invalid, "a vault keeps deleted objects for {} to {} days",
                    kMinRetentionDays, kMaxRetentionDays);
    }
    VaultInfo vault{spec.name,
                    spec.sku,
                    to_lower(spec.tenant),
                    fmt::format("/subscriptions/{}/resourceGroups/{}/providers/"
                                "Microsoft.KeyVault/vaults/{}",
                                spec.subscription, spec.resource_group, spec.name),
                    spec.retention_days,
                    spec.purge_protection};
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        Result<void> inserted = insert_vault(tx, vault);
        if (!inserted && inserted.error().code == Code::conflict) {
            return fail(Code::conflict, "there is a vault {} already", spec.name);
        }
        TRY(std::move(inserted));
        return record(tx, "vaults/write", vault.resource_id,
                      {{"sku", spec.sku == Sku::premium ? "premium" : "standard"},
                       {"tenant", vault.tenant},
                       {"retention_days", vault.retention_days},
                       {"purge_protection", vault.purge_protection}});
    }));
    return vault;
}

Result<VaultInfo> Administration::find_vault(std::string_view name) const {
    std::optional<VaultInfo> vault;
    if (is_vault_name(name)) {
        TRY(store_.read([&](store::View& view) -> Result<void> {
            vault = TRY(read_vault(view, name));
            return {};
        }));
    }
    if (!vault) return fail(Code::not_found, "there is no vault of this name");
    return std::move(*vault);
}

Result<std::vector<VaultInfo>> Administration::vaults() const {
    std::vector<VaultInfo> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(read_vaults(view));
        return {};
    }));
    return out;
}

Result<RoleAssignment> Administration::assign_role(std::string_view principal,
                                                   std::string_view role, std::string_view scope) {
    RoleAssignment out;
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        access::Assigned assigned = TRY(access::assign_role(tx, principal, role, scope));
        out = std::move(assigned.assignment);
        if (!assigned.made) return {};
        return record(tx, "roleAssignments/write", out.scope,
                      {{"assignment", out.id},
                       {"principal", out.principal},
                       {"role", access::find_role(out.role_id)->name}});
    }));
    return out;
}

Result<void> Administration::remove_role(std::string_view principal,
                                         std::string_view assignment_id) {
    return store_.run([&](store::Transaction& tx) -> Result<void> {
        RoleAssignment removed = TRY(access::remove_role(tx, principal, assignment_id));
        return record(tx, "roleAssignments/delete", removed.scope,
                      {{"assignment", removed.id},
                       {"principal", removed.principal},
                       {"role", removed.role_id}});
    });
}

Result<std::vector<RoleAssignment>> Administration::roles_of(std::string_view principal) const {
    std::vector<RoleAssignment> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(access::read_roles(view, principal));
        return {};
    }));
    return out;
}

Result<VaultInfo> Administration::change(std::string_view vault, std::string_view action,
                                         const std::function<Result<Json>(VaultInfo&)>& edit) {
    VaultInfo info = TRY(find_vault(vault));
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        auto now = TRY(read_vault(tx, vault));
        if (!now) return fail(Code::not_found, "there is no vault of this name");
        info = std::move(*now);
        Json details = TRY(edit(info));
        TRY(put_vault(tx, info));
        return record(tx, action, info.resource_id, std::move(details));
    }));
    return info;
}

Result<VaultInfo> Administration::protect_from_purge(std::string_view name) {
    VaultInfo now = TRY(find_vault(name));
    if (now.purge_protection) return now;
    return change(name, "vaults/write", [](VaultInfo& info) -> Result<Json> {
        info.purge_protection = true;
        return Json{{"purge_protection", true}};
    });
}

Result<VaultInfo> Administration::set_authorization(std::string_view vault,
                                                    Authorization authorization) {
    return change(vault, "vaults/authorization/write", [&](VaultInfo& info) -> Result<Json> {
        info.authorization = authorization;
        return Json{{"authorization", authorization_name(authorization)}};
    });
}

Result<VaultInfo> Administration::set_sku(std::string_view vault, Sku sku) {
    return change(vault, "vaults/sku/write", [&](VaultInfo& info) -> Result<Json> {
        info.sku = sku;
        return Json{{"sku", sku == Sku::premium ? "premium" : "standard"}};
    });
}

Result<VaultInfo> Administration::set_networks(std::string_view vault,
                                               std::vector<std::string> networks) {
    if (networks.size() > kMaxNetworks) {
        return fail(Code::invalid, "a vault has at most {} networks", kMaxNetworks);
    }
    for (const std::string& network : networks) TRY(access::Network::parse(network));
    return change(vault, "vaults/networks/write", [&](VaultInfo& info) -> Result<Json> {
        Json details = {{"networks", networks}, {"networks_before", info.networks}};
        info.networks = std::move(networks);
        return details;
    });
}

Result<VaultInfo> Administration::set_deleted(std::string_view vault, bool deleted) {
    VaultInfo now = TRY(find_vault(vault));
    if (now.deleted == deleted) return now;
    const std::string_view action = deleted ? "vaults/delete" : "vaults/recover";
    return change(vault, action, [&](VaultInfo& info) -> Result<Json> {
        info.deleted = deleted;
        info.deleted_at = deleted ? to_unix(clock_.now()) : 0;
        return Json::object();
    });
}

Result<VaultInfo> Administration::delete_vault(std::string_view vault) {
    return set_deleted(vault, true);
}

Result<VaultInfo> Administration::recover_vault(std::string_view vault) {
    return set_deleted(vault, false);
}

Result<access::AccessPolicy> Administration::set_access_policy(std::string_view vault,
                                                               access::AccessPolicy policy) {
    const VaultInfo info = TRY(find_vault(vault));
    std::optional<access::AccessPolicy> made;
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        made = TRY(access::put_access_policy(tx, info.name, policy));
        return record(tx, "vaults/accessPolicies/write", info.resource_id, policy_details(*made));
    }));
    return std::move(*made);
}

Result<void> Administration::remove_access_policy(std::string_view vault,
                                                  std::string_view object_id,
                                                  std::string_view application_id) {
    const VaultInfo info = TRY(find_vault(vault));
    return store_.run([&](store::Transaction& tx) -> Result<void> {
        TRY(access::remove_access_policy(tx, info.name, object_id, application_id));
        return record(tx, "vaults/accessPolicies/delete", info.resource_id,
                      {{"object_id", object_id}, {"application_id", application_id}});
    });
}

Result<std::vector<access::AccessPolicy>> Administration::access_policies(
    std::string_view vault) const {
    const VaultInfo info = TRY(find_vault(vault));
    std::vector<access::AccessPolicy> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(access::read_access_policies(view, info.name));
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::vault
