// Managed identities: principals of the token issuer.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/cloud_effects_impl.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;

Result<std::optional<identity::Principal>> identity_of(const EffectWorld& world,
                                                       std::string_view resource_id) {
    for (identity::Principal& principal : TRY(world.identity.principals())) {
        if (principal.kind == identity::PrincipalKind::managed_identity &&
            equal_ignore_case(principal.resource_id, resource_id)) {
            return std::optional(std::move(principal));
        }
    }
    return std::optional<identity::Principal>();
}

Result<identity::Principal> make_or_find_identity(const EffectWorld& world,
                                                  const Resource& resource) {
    auto there = TRY(identity_of(world, resource.id));
    if (there) return std::move(*there);
    return world.identity.create_managed_identity(resource.name, resource.id);
}

bool has_own_identity(const Resource& resource) {
    const std::string type = text_or_empty(member_or_null(resource.body, "identity"), "type");
    return to_lower(type).find("systemassigned") != std::string::npos;
}

}  // namespace

Result<void> remove_identity_effect(const EffectWorld& world, const Resource& resource) {
    const auto there = TRY(identity_of(world, resource.id));
    if (!there) return {};
    return world.identity.remove_principal(there->client_id);
}

Result<void> remove_identities_effect(const EffectWorld& world, const Resource& resource) {
    if (!has_own_identity(resource)) return {};
    return remove_identity_effect(world, resource);
}

// put_identities_effect gives what has a system-assigned identity one, and shows the ids of the
// user-assigned ones that were given to it.
Result<Json> put_identities_effect(const EffectWorld& world, const Resource& now,
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
        TRY(remove_identity_effect(world, now));
    }
    return shown.empty() ? shown : Json{{"identity", shown}};
}

Result<Json> put_user_identity_effect(const EffectWorld& world, const Resource& resource) {
    const identity::Principal made = TRY(make_or_find_identity(world, resource));
    return Json{{"properties", {{"principalId", made.object_id}, {"clientId", made.client_id}}}};
}

}  // namespace vouchsafe::lab
