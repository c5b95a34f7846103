// What vaults have beside being resources: names that are taken, soft deletion, and the list of
// access policies with operations of its own (azure-api A.10, E.2).
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kDeletedRead = "Microsoft.KeyVault/deletedVaults/read";

bool is_protected(const Resource& vault) {
    const Json* flag = vault.property("enablePurgeProtection");
    return flag != nullptr && *flag == Json(true);
}

Json show_deleted(const Deleted& deleted, const std::string& subscription) {
    const Resource& vault = deleted.vault;
    Json properties = {{"vaultId", vault.id},
                       {"location", vault.location()},
                       {"deletionDate", format_rfc3339(from_unix(deleted.deleted))},
                       {"scheduledPurgeDate", format_rfc3339(from_unix(deleted.purge))}};
    if (is_protected(vault)) properties["purgeProtectionEnabled"] = true;
    if (const Json* tags = find_member(vault.body, "tags")) properties["tags"] = *tags;
    return {{"id", fmt::format("{}/providers/Microsoft.KeyVault/locations/{}/deletedVaults/{}",
                               subscription, vault.location(), vault.name)},
            {"name", vault.name},
            {"type", "Microsoft.KeyVault/deletedVaults"},
            {"properties", std::move(properties)}};
}

// same_identity compares what access policies are told apart by.
bool same_identity(const Json& a, const Json& b) {
    for (const char* member : {"tenantId", "objectId", "applicationId"}) {
        if (!equal_ignore_case(text_or_empty(a, member), text_or_empty(b, member))) return false;
    }
    return true;
}

// unite adds the permissions of one policy to another's.
void unite(Json& policy, const Json& more) {
    const Json* given = find_member(more, "permissions");
    if (given == nullptr) return;
    for (const auto& [kind, permissions] : given->items()) {
        Json& known = policy["permissions"][kind];
        if (!known.is_array()) known = Json::array();
        for (const Json& permission : permissions) {
            if (std::find(known.begin(), known.end(), permission) == known.end()) {
                known.push_back(permission);
            }
        }
    }
}

// take_away removes permissions, of those kinds that `less` names.
void take_away(Json& policy, const Json& less) {
    const Json* given = find_member(less, "permissions");
    if (given == nullptr || !policy.contains("permissions")) return;
    for (const auto& [kind, permissions] : given->items()) {
        if (!policy["permissions"].contains(kind)) continue;
        Json kept = Json::array();
        for (const Json& permission : policy["permissions"][kind]) {
            if (std::find(permissions.begin(), permissions.end(), permission) ==
                permissions.end()) {
                kept.push_back(permission);
            }
        }
        policy["permissions"][kind] = std::move(kept);
    }
}

Outcome<void> check_policies(const Json& policies) {
    for (const Json& policy : policies) {
        const Json* permissions = find_member(policy, "permissions");
        bool ok = is_guid(text_or_empty(policy, "objectId")) && permissions != nullptr &&
                  permissions->is_object();
        if (ok) {
            for (const Json& list : *permissions) ok = ok && list.is_array();
        }
        if (ok) continue;
        return refuse(400, "InvalidRequestContent",
                      "An access policy has tenantId, objectId and permissions, whose members are "
                      "arrays.");
    }
    return {};
}

}  // namespace

Outcome<Answer> Service::Impl::put_vault(const Call& call, const ResourceId& id, Json body) {
    std::optional<Resource> before = TRY(read(id.text()));
    TRY(check_place(id, body, before ? &*before : nullptr));
    const Json* properties = find_member(body, "properties");
    if (properties == nullptr || !properties->is_object()) {
        return refuse(400, "InvalidRequestContent",
                      "The request content was invalid: 'properties' is missing.");
    }
    const Json* policies = find_member(*properties, "accessPolicies");
    if (policies != nullptr && policies->is_array()) TRY(check_policies(*policies));
    const bool recovers = equal_ignore_case(text_or_empty(*properties, "createMode"), "recover");
    if (!before) {
        TRY(check_unique(id));
        std::optional<Deleted> deleted;
        TRY(deps.store.read([&](store::View& view) -> Result<void> {
            deleted = TRY(read_deleted(view, id.name().substr(0, kMaxNameLength)));
            return {};
        }));
        if (deleted && deleted->purge <= now()) {
            TRY(purge_deleted(deleted->vault));
            deleted.reset();
        }
        if (deleted && recovers) return recover_vault(call, id, *deleted);
        if (deleted) {
            return refuse(409, "ConflictError",
                          "A vault with the same name already exists in deleted state. You need to "
                          "either recover or purge existing key vault.");
        }
        if (recovers) {
            return refuse(404, "DeletedVaultNotFound",
                          "A deleted vault with the name '{}' does not exist.", id.name());
        }
    }
    Resource now = before.value_or(Resource{id.text(), id.type(), id.name()});
    now.body = std::move(body);
    return write(call, std::move(now), before ? &*before : nullptr);
}

Outcome<Answer> Service::Impl::recover_vault(const Call& call, const ResourceId& id,
                                             const Deleted& deleted) {
    if (record_key(deleted.vault.id) != record_key(id.text())) {
        return refuse(
            409, "ConflictError",
            "The deleted vault '{}' can be recovered where it was, in its resource group.",
            id.name());
    }
    Resource now = deleted.vault;
    now.order = 0;
    now.changed = this->now();
    call.sign(now);
    TRY(restore_deleted(now));
    return Answer{201, now.shown()};
}

Outcome<void> Service::Impl::have_effect_on_deleted(const Resource& vault, Pending::What what) {
    if (!concerned(vault.type)) return {};
    TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
        return put_pending(tx, {what, vault});
    }));
    Outcome<void> done =
        deps.effects->act(vault, what == Pending::What::purge ? "purge" : "recover");
    if (!done) forget_pending(vault.id);
    return done;
}

Outcome<void> Service::Impl::restore_deleted(Resource& vault) {
    TRY(have_effect_on_deleted(vault, Pending::What::recover));
    return end_writing([vault](store::Transaction& tx) -> Result<void> {
        Resource stored = vault;
        TRY(erase_deleted(tx, vault.name));
        TRY(put_resource(tx, stored));
        return erase_pending(tx, vault.id);
    });
}

Outcome<void> Service::Impl::purge_deleted(const Resource& vault) {
    TRY(have_effect_on_deleted(vault, Pending::What::purge));
    return end_writing([vault](store::Transaction& tx) -> Result<void> {
        TRY(erase_deleted(tx, vault.name));
        return erase_pending(tx, vault.id);
    });
}

Outcome<Answer> Service::Impl::change_access_policies(const Call& call, const ResourceId& id,
                                                      const Json& body) {
    const std::string how = to_lower(id.name());
    if (how != "add" && how != "replace" && how != "remove") {
        return refuse(400, "InvalidParameter", "Access policies take add, replace and remove.");
    }
    const ResourceId vault = id.parent();
    std::optional<Resource> before = TRY(read(vault.text()));
    if (!before) return no_resource(vault.text());
    const Json* properties = find_member(body, "properties");
    const Json* given =
        properties == nullptr ? nullptr : find_member(*properties, "accessPolicies");
    if (given == nullptr || !given->is_array()) {
        return refuse(400, "InvalidRequestContent",
                      "The request content was invalid: 'properties.accessPolicies' is missing.");
    }
    TRY(check_policies(*given));
    Resource now = *before;
    Json& policies = now.properties()["accessPolicies"];
    if (!policies.is_array()) policies = Json::array();
    for (const Json& one : *given) {
        auto known = std::find_if(policies.begin(), policies.end(),
                                  [&](const Json& policy) { return same_identity(policy, one); });
        if (how == "remove") {
            if (known != policies.end()) take_away(*known, one);
        } else if (known == policies.end()) {
            policies.push_back(one);
        } else if (how == "replace") {
            *known = one;
        } else {
            unite(*known, one);
        }
    }
    Answer answer = TRY(write(call, std::move(now), &*before));
    return Answer{
        200,
        {{"id", vault.text() + "/accessPolicies/"},
         {"type", "Microsoft.KeyVault/vaults/accessPolicies"},
         {"properties", {{"accessPolicies", answer.body["properties"]["accessPolicies"]}}}}};
}

Outcome<net::Response> Service::Impl::check_vault_name(const Call& call) {
    TRY(authorize(call, subscription_path(), "Microsoft.KeyVault/checkNameAvailability/read"));
    Json body = TRY(parse_body(call.request));
    const std::string name = text_or_empty(body, "name");
    bool taken = false;
    for (const Resource& other : TRY(all_below(subscription_path() + "/"))) {
        taken = taken ||
                (other.is_a("Microsoft.KeyVault/vaults") && equal_ignore_case(other.name, name));
    }
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        for (const Deleted& one : TRY(read_all_deleted(view))) {
            taken = taken || equal_ignore_case(one.vault.name, name);
        }
        return {};
    }));
    if (!taken) return net::json_response(200, {{"nameAvailable", true}});
    return net::json_response(200,
                              {{"nameAvailable", false},
                               {"reason", "AlreadyExists"},
                               {"message", fmt::format("The name '{}' is already in use.", name)}});
}

Outcome<net::Response> Service::Impl::list_deleted_vaults(const Call& call) {
    TRY(authorize(call, subscription_path(), kDeletedRead));
    Json values = Json::array();
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        for (const Deleted& one : TRY(read_all_deleted(view))) {
            if (one.purge > now()) values.push_back(show_deleted(one, subscription_path()));
        }
        return {};
    }));
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::get_deleted_vault(const Call& call) {
    TRY(authorize(call, subscription_path(), "Microsoft.KeyVault/locations/deletedVaults/read"));
    const std::string& name = call.request.params.at("vault");
    std::optional<Deleted> found;
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        found = TRY(read_deleted(view, name.substr(0, kMaxNameLength)));
        return {};
    }));
    const std::string location = normal_location(call.request.params.at("location"));
    if (!found || found->purge <= now() || found->vault.location() != location) {
        return refuse(404, "DeletedVaultNotFound",
                      "The specified deleted vault '{}' does not exist.", name);
    }
    if (call.request.method == "GET") {
        return net::json_response(200, show_deleted(*found, subscription_path()));
    }
    return net::Response{204};
}

Outcome<net::Response> Service::Impl::purge_vault(const Call& call) {
    TRY(authorize(call, subscription_path(),
                  "Microsoft.KeyVault/locations/deletedVaults/purge/action"));
    TRY(get_deleted_vault({call.request, call.caller, call.api_version, true}));
    const auto lock = TRY(begin_writing());
    std::optional<Deleted> found;
    const std::string& name = call.request.params.at("vault");
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        found = TRY(read_deleted(view, name));
        return {};
    }));
    if (!found) {
        return refuse(404, "DeletedVaultNotFound",
                      "The specified deleted vault '{}' does not exist.", name);
    }
    constexpr int kForbidden = 403;
    call.sign(found->vault);
    Outcome<void> purged;
    if (!is_protected(found->vault)) purged = purge_deleted(found->vault);
    // Somebody may have turned protection on in the vault alone.
    if (is_protected(found->vault) || (!purged && purged.error().status == kForbidden)) {
        return refuse(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.");
    }
    TRY(std::move(purged));
    return net::Response{200};
}

}  // namespace vouchsafe::cloud
