#include "vouchsafe/access/access_policies.h"

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::access {

namespace {

constexpr std::string_view kPolicyTable = "access_policy";

constexpr std::string_view kKeyPermissions[] = {"get",
                                                "list",
                                                "update",
                                                "create",
                                                "import",
                                                "delete",
                                                "recover",
                                                "backup",
                                                "restore",
                                                "decrypt",
                                                "encrypt",
                                                "unwrapKey",
                                                "wrapKey",
                                                "verify",
                                                "sign",
                                                "purge",
                                                "release",
                                                "rotate",
                                                "getrotationpolicy",
                                                "setrotationpolicy"};
constexpr std::string_view kSecretPermissions[] = {"get",     "list",   "set",     "delete",
                                                   "recover", "backup", "restore", "purge"};

struct ActionRow {
    std::string_view action;
    std::string_view one;   // permission
    std::string_view list;  // permission if the operation lists; "": the same
};
// azure-api A.2.
constexpr ActionRow kActions[] = {
    {"keys/read", "get", "list"},
    {"keys/create/action", "create", ""},
    {"keys/import/action", "import", ""},
    {"keys/update/action", "update", ""},
    {"keys/delete", "delete", ""},
    {"keys/recover/action", "recover", ""},
    {"keys/purge/action", "purge", ""},
    {"keys/backup/action", "backup", ""},
    {"keys/restore/action", "restore", ""},
    {"keys/rotate/action", "rotate", ""},
    {"keyrotationpolicies/read", "getrotationpolicy", ""},
    {"keyrotationpolicies/write", "setrotationpolicy", ""},
    {"keys/encrypt/action", "encrypt", ""},
    {"keys/decrypt/action", "decrypt", ""},
    {"keys/sign/action", "sign", ""},
    {"keys/verify/action", "verify", ""},
    {"keys/wrap/action", "wrapKey", ""},
    {"keys/unwrap/action", "unwrapKey", ""},
    {"keys/release/action", "release", ""},
    {"secrets/readMetadata/action", "get", "list"},
    {"secrets/getSecret/action", "get", ""},
    {"secrets/setSecret/action", "set", ""},
    {"secrets/update/action", "set", ""},
    {"secrets/delete", "delete", ""},
    {"secrets/recover/action", "recover", ""},
    {"secrets/purge/action", "purge", ""},
    {"secrets/backup/action", "backup", ""},
    {"secrets/restore/action", "restore", ""},
};

std::string policy_key(std::string_view vault, std::string_view object_id,
                       std::string_view application_id) {
    return fmt::format("{}/{}/{}", to_lower(vault), to_lower(object_id),
                       application_id.empty() ? "-" : to_lower(application_id));
}

Result<std::vector<std::string>> checked(const std::vector<std::string>& given,
                                         std::span<const std::string_view> known) {
    std::set<std::string> wanted;
    for (const std::string& name : given) {
        if (equal_ignore_case(name, "all")) {
            wanted.insert(known.begin(), known.end());
            continue;
        }
        auto found = std::find_if(known.begin(), known.end(), [&](std::string_view one) {
            return equal_ignore_case(one, name);
        });
        if (found == known.end()) {
            return fail(Code::invalid, "there is no permission {}: all, {}", show_json(name),
                        fmt::join(known, ", "));
        }
        wanted.insert(std::string(*found));
    }
    return std::vector<std::string>(wanted.begin(), wanted.end());
}

Result<std::vector<std::string>> read_texts(const Json& json, std::string_view name) {
    const Json* list = TRY(json_array(json, name));
    std::vector<std::string> out;
    for (const Json& item : *list) {
        if (!item.is_string()) return fail(Code::invalid, "{} has something that is no text", name);
        out.push_back(item.get<std::string>());
    }
    return out;
}

Result<AccessPolicy> parse_policy(const store::Record& record) {
    const Json json = TRY(parse_json_object(as_text(record.value)));
    AccessPolicy out;
    out.object_id = TRY(json_string(json, "object_id"));
    out.application_id = TRY(json_string(json, "application_id"));
    out.keys = TRY(read_texts(json, "keys"));
    out.secrets = TRY(read_texts(json, "secrets"));
    return out;
}

}  // namespace

std::span<const std::string_view> key_permissions() {
    return kKeyPermissions;
}
std::span<const std::string_view> secret_permissions() {
    return kSecretPermissions;
}

Result<AccessPolicy> put_access_policy(store::Transaction& tx, std::string_view vault,
                                       AccessPolicy policy) {
    if (!is_guid(policy.object_id)) return fail(Code::invalid, "an object id is a GUID");
    if (!policy.application_id.empty() && !is_guid(policy.application_id)) {
        return fail(Code::invalid, "an application id is a GUID");
    }
    policy.object_id = to_lower(policy.object_id);
    policy.application_id = to_lower(policy.application_id);
    policy.keys = TRY(checked(policy.keys, kKeyPermissions));
    policy.secrets = TRY(checked(policy.secrets, kSecretPermissions));
    const std::string key = policy_key(vault, policy.object_id, policy.application_id);
    const bool there = TRY(tx.get(kPolicyTable, key)).has_value();
    if (!there && TRY(read_access_policies(tx, vault)).size() >= kMaxAccessPolicies) {
        return fail(Code::conflict, "a vault has at most {} access policies", kMaxAccessPolicies);
    }
    const std::string json = dump_json({{"object_id", policy.object_id},
                                        {"application_id", policy.application_id},
                                        {"keys", policy.keys},
                                        {"secrets", policy.secrets}});
    TRY(tx.put(kPolicyTable, key, as_bytes(json)));
    return policy;
}

Result<void> remove_access_policy(store::Transaction& tx, std::string_view vault,
                                  std::string_view object_id, std::string_view application_id) {
    if (!TRY(tx.erase(kPolicyTable, policy_key(vault, object_id, application_id)))) {
        return fail(Code::not_found, "the vault has no access policy of this identity");
    }
    return {};
}

Result<std::vector<AccessPolicy>> read_access_policies(store::View& view, std::string_view vault) {
    std::vector<AccessPolicy> out;
    const std::string prefix = to_lower(vault) + "/";
    for (std::string last;;) {
        auto page = TRY(view.scan(kPolicyTable, prefix, last, store::kMaxScan));
        for (const store::Record& record : page) out.push_back(TRY(parse_policy(record)));
        if (page.size() < store::kMaxScan) return out;
        last = page.back().key;
    }
}

Permission permission_of(std::string_view action, bool lists) {
    for (const ActionRow& row : kActions) {
        if (row.action != action) continue;
        return {action.starts_with("secrets/"), lists && !row.list.empty() ? row.list : row.one};
    }
    return {action.starts_with("secrets/"), ""};
}

Result<void> authorize_by_policies(store::View& view, std::string_view vault, const Caller& caller,
                                   const Permission& permission, Checks& checks) {
    std::vector<std::string> principals = caller.groups;
    principals.push_back(caller.object_id);
    std::set<std::string> found;
    for (const std::string& principal : principals) {
        // One for whatever application, one for the application that acts.
        std::vector<std::string> places = {policy_key(vault, principal, "")};
        if (is_guid(caller.app_id)) places.push_back(policy_key(vault, principal, caller.app_id));
        for (const std::string& place : places) {
            auto bytes = TRY(view.get(kPolicyTable, place));
            if (!bytes) continue;
            const AccessPolicy policy = TRY(parse_policy({place, std::move(*bytes)}));
            const auto& given = permission.secrets ? policy.secrets : policy.keys;
            found.insert(given.begin(), given.end());
        }
    }
    const bool allowed = !permission.name.empty() && found.contains(std::string(permission.name));
    return checks.require(allowed, "CALLER-ACCESS-POLICY", permission.secrets ? "secrets" : "keys",
                          permission.name.empty() ? "a role: access policies cannot give it"
                                                  : std::string(permission.name),
                          found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", ")));
}

}  // namespace vouchsafe::access
