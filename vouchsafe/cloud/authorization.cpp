// Roles: the definitions Azure has built in, assignments with inherited scopes, and what they let
// callers do here (azure-api B.1, B.2). What they let them do in vaults and attestation services is
// those services' business: Effects tell them of each assignment.
#include <algorithm>

#include "vouchsafe/access/roles.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

namespace {

using Actions = std::string_view;

// ControlRole is what a built-in role may do in the resource manager, and what it may not of that.
struct ControlRole {
    std::string_view name;
    std::span<const Actions> actions;
    std::span<const Actions> not_actions = {};
};

constexpr Actions kEverything[] = {"*"};
constexpr Actions kNotContributor[] = {"Microsoft.Authorization/*/Delete",
                                       "Microsoft.Authorization/*/Write",
                                       "Microsoft.Authorization/elevateAccess/Action"};
constexpr Actions kReader[] = {"*/read"};
constexpr Actions kAccessAdministrator[] = {"*/read", "Microsoft.Authorization/*"};
constexpr Actions kVaultContributor[] = {
    "Microsoft.Authorization/*/read", "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.KeyVault/*"};
constexpr Actions kNotVaultContributor[] = {
    "Microsoft.KeyVault/locations/deletedVaults/purge/action", "Microsoft.KeyVault/hsmPools/*",
    "Microsoft.KeyVault/managedHsms/*"};
constexpr Actions kVaultData[] = {"Microsoft.Authorization/*/read",
                                  "Microsoft.Resources/subscriptions/resourceGroups/read",
                                  "Microsoft.KeyVault/checkNameAvailability/read",
                                  "Microsoft.KeyVault/deletedVaults/read",
                                  "Microsoft.KeyVault/locations/*/read",
                                  "Microsoft.KeyVault/vaults/*/read",
                                  "Microsoft.KeyVault/vaults/read"};
constexpr Actions kPurgeOperator[] = {"Microsoft.KeyVault/deletedVaults/read",
                                      "Microsoft.KeyVault/locations/deletedVaults/read",
                                      "Microsoft.KeyVault/locations/deletedVaults/purge/action"};
constexpr Actions kAttestationContributor[] = {
    "Microsoft.Attestation/attestationProviders/attestation/read",
    "Microsoft.Attestation/attestationProviders/attestation/write",
    "Microsoft.Attestation/attestationProviders/attestation/delete",
    "Microsoft.Attestation/attestationProviders/read"};
constexpr Actions kAttestationReader[] = {
    "Microsoft.Attestation/attestationProviders/attestation/read",
    "Microsoft.Attestation/attestationProviders/read"};

constexpr ControlRole kControlRoles[] = {
    {"Owner", kEverything},
    {"Contributor", kEverything, kNotContributor},
    {"Reader", kReader},
    {"User Access Administrator", kAccessAdministrator},
    {"Key Vault Contributor", kVaultContributor, kNotVaultContributor},
    {"Key Vault Administrator", kVaultData},
    {"Key Vault Reader", kVaultData},
    {"Key Vault Crypto Officer", kVaultData},
    {"Key Vault Secrets Officer", kVaultData},
    {"Key Vault Certificates Officer", kVaultData},
    {"Key Vault Purge Operator", kPurgeOperator},
    {"Attestation Contributor", kAttestationContributor},
    {"Attestation Reader", kAttestationReader},
};

const ControlRole* find_control_role(std::string_view name) {
    auto found = std::find_if(std::begin(kControlRoles), std::end(kControlRoles),
                              [&](const ControlRole& role) { return role.name == name; });
    return found == std::end(kControlRoles) ? nullptr : found;
}

bool any_matches(std::span<const Actions> patterns, std::string_view action) {
    return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
        return access::pattern_matches(pattern, action);
    });
}

bool allows(std::string_view role_name, std::string_view action) {
    const ControlRole* role = find_control_role(role_name);
    return role != nullptr && any_matches(role->actions, action) &&
           !any_matches(role->not_actions, action);
}

Json texts(std::span<const Actions> actions, std::string_view prefix = "") {
    Json out = Json::array();
    for (std::string_view action : actions) {
        out.push_back(std::string(prefix) + std::string(action));
    }
    return out;
}

Json definition(const access::Role& role, const std::string& subscription) {
    Json data = texts(role.key_vault, "Microsoft.KeyVault/vaults/");
    Json actions = Json::array(), not_actions = Json::array();
    if (const ControlRole* control = find_control_role(role.name)) {
        actions = texts(control->actions);
        not_actions = texts(control->not_actions);
    }
    return {{"id", fmt::format("/subscriptions/{}/providers/Microsoft.Authorization/"
                               "roleDefinitions/{}",
                               subscription, role.id)},
            {"name", role.id},
            {"type", "Microsoft.Authorization/roleDefinitions"},
            {"properties",
             {{"roleName", role.name},
              {"type", "BuiltInRole"},
              {"description", ""},
              {"assignableScopes", {"/"}},
              {"permissions",
               {{{"actions", std::move(actions)},
                 {"notActions", std::move(not_actions)},
                 {"dataActions", std::move(data)},
                 {"notDataActions", Json::array()}}}}}}};
}

// Assignment is what of a stored role assignment decides.
struct Assignment {
    std::string principal, scope;
    const access::Role* role = nullptr;
};

Assignment assignment_of(const Resource& resource) {
    auto text = [&](std::string_view name) {
        const Json* found = resource.property(name);
        return found != nullptr && found->is_string() ? found->get<std::string>() : "";
    };
    const std::string definition_id = text("roleDefinitionId");
    return {text("principalId"), text("scope"),
            access::find_role(definition_id.substr(definition_id.rfind('/') + 1))};
}

bool is_assignment(const Resource& resource) {
    return resource.is_a("Microsoft.Authorization/roleAssignments");
}

bool is_callers(const Assignment& assignment, const access::Caller& caller) {
    auto same = [&](const std::string& id) { return equal_ignore_case(id, assignment.principal); };
    return same(caller.object_id) || std::any_of(caller.groups.begin(), caller.groups.end(), same);
}

// normal_scope gives a scope as ids are kept: the root is "/".
std::string normal_scope(const ResourceId& collection) {
    return collection.scope();
}

}  // namespace

Outcome<void> Service::Impl::authorize(const Call& call, std::string_view scope,
                                       std::string_view action) const {
    if (call.owner) return {};
    for (const Resource& resource : TRY(all_below("/"))) {
        if (!is_assignment(resource)) continue;
        const Assignment assignment = assignment_of(resource);
        if (assignment.role == nullptr || !is_callers(assignment, call.caller)) continue;
        if (!access::scope_covers(assignment.scope, scope)) continue;
        if (allows(assignment.role->name, action)) return {};
    }
    return refuse(403, "AuthorizationFailed",
                  "The client '{}' with object id '{}' does not have authorization to perform "
                  "action '{}' over scope '{}' or the scope is invalid.",
                  call.caller.app_id, call.caller.object_id, action, scope);
}

Outcome<bool> Service::Impl::has_any_role(const Call& call) const {
    if (call.owner) return true;
    for (const Resource& resource : TRY(all_below("/"))) {
        if (is_assignment(resource) && is_callers(assignment_of(resource), call.caller)) {
            return true;
        }
    }
    return false;
}

Outcome<Answer> Service::Impl::list_role_definitions(const Call& call, const ResourceId&) {
    const std::string name = filter_value(call.request, "roleName");
    const bool filtered = filter_has(call.request, "roleName eq");
    Json values = Json::array();
    for (const access::Role& role : access::built_in_roles()) {
        if (!filtered || equal_ignore_case(role.name, name)) {
            values.push_back(definition(role, config.subscription_id));
        }
    }
    return Answer{200, {{"value", std::move(values)}}};
}

Outcome<Answer> Service::Impl::get_role_definition(const ResourceId& id) const {
    for (const access::Role& role : access::built_in_roles()) {
        if (equal_ignore_case(role.id, id.name())) {
            return Answer{200, definition(role, config.subscription_id)};
        }
    }
    return refuse(404, "RoleDefinitionDoesNotExist",
                  "The specified role definition with ID '{}' does not exist.", id.name());
}

// Without atScope() the assignments below the scope are listed too, as Azure does; those above it
// count everywhere.
Outcome<Answer> Service::Impl::list_role_assignments(const Call& call,
                                                     const ResourceId& collection) {
    const std::string scope = normal_scope(collection);
    const std::string principal = filter_value(call.request, "principalId");
    const bool at_scope = filter_has(call.request, "atScope()");
    Json values = Json::array();
    for (const Resource& resource : TRY(all_below("/"))) {
        if (!is_assignment(resource)) continue;
        const Assignment assignment = assignment_of(resource);
        const bool above = access::scope_covers(assignment.scope, scope);
        const bool below = !at_scope && access::scope_covers(scope, assignment.scope);
        if (!above && !below) continue;
        if (!principal.empty() && !equal_ignore_case(principal, assignment.principal)) continue;
        values.push_back(resource.shown());
    }
    return Answer{200, {{"value", std::move(values)}}};
}

// A principal that was made a moment ago may not be known to Azure's directory everywhere: who says
// that it is a service principal is believed, and others are looked up.
Outcome<std::string> Service::Impl::principal_type(const std::string& principal,
                                                   const std::string& given) const {
    constexpr std::string_view kTypes[] = {"User", "Group", "ServicePrincipal"};
    const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](std::string_view one) {
        return equal_ignore_case(one, given);
    });
    if (!given.empty() && type == std::end(kTypes)) {
        return refuse(400, "InvalidPrincipalType",
                      "The principal type '{}' is none: User, Group or ServicePrincipal.", given);
    }
    const std::string said = given.empty() ? "" : std::string(*type);
    const std::string found = deps.principal_kind ? TRY(deps.principal_kind(principal)) : said;
    if (found.empty() && deps.principal_kind && said != "ServicePrincipal") {
        return refuse(400, "PrincipalNotFound",
                      "Principal {} does not exist in the directory {}. Check that you have the "
                      "correct principal ID. If you are creating this principal and then "
                      "immediately assigning a role, this error might be related to a replication "
                      "delay. In this case, set the role assignment principalType property to "
                      "ServicePrincipal.",
                      principal, config.callers.tenant);
    }
    if (!said.empty() && !found.empty() && found != said) {
        return refuse(400, "UnmatchedPrincipalType",
                      "The PrincipalId '{}' has type '{}', which is different from specified "
                      "PrincipalType '{}'.",
                      principal, found, said);
    }
    if (!found.empty()) return found;
    return said.empty() ? "User" : said;
}

Outcome<Answer> Service::Impl::put_role_assignment(const Call& call, const ResourceId& id,
                                                   const Json& body) {
    const Json* given = find_member(body, "properties");
    if (!is_guid(id.name())) {
        return refuse(400, "InvalidRoleAssignmentId",
                      "The role assignment ID '{}' is not valid. The role assignment ID must be a "
                      "GUID.",
                      id.name());
    }
    if (given == nullptr || !given->is_object()) {
        return refuse(400, "InvalidRequestContent",
                      "The request content was invalid: 'properties' is missing.");
    }
    const std::string principal = to_lower(text_or_empty(*given, "principalId"));
    const std::string definition_id = text_or_empty(*given, "roleDefinitionId");
    const std::string role_id = definition_id.substr(definition_id.rfind('/') + 1);
    const access::Role* role = is_guid(role_id) ? access::find_role(role_id) : nullptr;
    if (!is_guid(principal)) {
        return refuse(400, "InvalidPrincipalId", "A valid principal ID must be provided.");
    }
    if (role == nullptr) {
        return refuse(400, "RoleDefinitionDoesNotExist",
                      "The specified role definition with ID '{}' does not exist.", role_id);
    }
    if (find_member(*given, "condition") != nullptr && !given->at("condition").is_null()) {
        return refuse(400, "ConditionNotSupported",
                      "Role assignments with conditions are not supported: a condition that is "
                      "ignored would give more than it says.");
    }
    const std::string scope = id.scope();
    std::optional<Resource> before = TRY(read(id.text()));
    if (!id.group.empty()) TRY(find_group(id.group));
    for (const Resource& other : TRY(all_below("/"))) {
        if (!is_assignment(other)) continue;
        const Assignment known = assignment_of(other);
        const bool same = known.role == role && equal_ignore_case(known.principal, principal) &&
                          equal_ignore_case(known.scope, scope);
        const bool this_one = before && record_key(other.id) == record_key(before->id);
        if (this_one && !same) {
            return refuse(409, "RoleAssignmentUpdateNotPermitted",
                          "Tenant ID, application ID, principal ID, and scope are not allowed to "
                          "be updated.");
        }
        if (!this_one && same) {
            return refuse(409, "RoleAssignmentExists", "The role assignment already exists.");
        }
    }
    const std::string kind = TRY(principal_type(principal, text_or_empty(*given, "principalType")));
    Resource now = before.value_or(Resource{id.text(), id.type(), id.name()});
    const std::string stamp = format_rfc3339(from_unix(this->now()));
    now.body = {{"properties",
                 {{"roleDefinitionId", definition_id},
                  {"principalId", principal},
                  {"principalType", kind},
                  {"scope", scope},
                  {"createdOn", before ? *before->property("createdOn") : Json(stamp)},
                  {"updatedOn", stamp},
                  {"createdBy", call.caller.object_id}}}};
    Answer answer = TRY(write(call, std::move(now), before ? &*before : nullptr));
    answer.status = 201;  // Azure's, for a repetition too
    return answer;
}

}  // namespace vouchsafe::cloud
