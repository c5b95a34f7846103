#include "vouchsafe/access/assignments.h"

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::access {

namespace {

constexpr std::string_view kTable = "role_assignment";

Result<RoleAssignment> parse_assignment(ByteView bytes) {
    Json json = TRY(parse_json_object(as_text(bytes)));
    RoleAssignment out;
    out.id = TRY(json_string(json, "id"));
    out.principal = TRY(json_string(json, "principal"));
    out.role_id = TRY(json_string(json, "role"));
    out.scope = TRY(json_string(json, "scope"));
    return out;
}

std::string record_key(const RoleAssignment& assignment) {
    return to_lower(assignment.principal) + "/" + to_lower(assignment.id);
}

std::string join(const std::set<std::string_view>& names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

bool allows_any(const Role& role, Provider provider, std::span<const std::string_view> actions) {
    return std::any_of(actions.begin(), actions.end(), [&](std::string_view action) {
        return role_allows(role, provider, action);
    });
}

// is_path tells whether a text can be a resource id.
bool is_path(std::string_view text) {
    constexpr size_t kMaxScope = 512;  // characters
    return text.starts_with('/') && text.size() <= kMaxScope &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Error no_role(std::string_view asked) {
    std::vector<std::string_view> names;
    for (const Role& role : built_in_roles()) names.push_back(role.name);
    return {Code::invalid,
            fmt::format("there is no role \"{}\": {}", asked, fmt::join(names, ", "))};
}

Result<void> check_names(std::string_view principal, std::string_view scope) {
    if (!is_guid(principal)) return fail(Code::invalid, "a principal is an object id, a GUID");
    if (!is_path(scope)) {
        return fail(Code::invalid, "a scope is a resource id, \"/subscriptions/...\"");
    }
    return {};
}

}  // namespace

Result<Assigned> assign_role(store::Transaction& tx, std::string_view principal,
                             std::string_view role, std::string_view scope) {
    const Role* found = find_role(role);
    if (found == nullptr) return fail(no_role(role));
    TRY(check_names(principal, scope));
    RoleAssignment made{crypto::random_uuid(), to_lower(principal), std::string(found->id),
                        std::string(scope)};
    auto existing = TRY(read_roles(tx, principal));
    for (RoleAssignment& old : existing) {
        if (old.role_id == made.role_id && equal_ignore_case(old.scope, made.scope)) {
            return Assigned{std::move(old), false};
        }
    }
    if (existing.size() >= kMaxRolesOfPrincipal) {
        return fail(Code::conflict, "a principal has at most {} role assignments",
                    kMaxRolesOfPrincipal);
    }
    const std::string json = dump_json({{"id", made.id},
                                        {"principal", made.principal},
                                        {"role", made.role_id},
                                        {"scope", made.scope}});
    TRY(tx.put(kTable, record_key(made), as_bytes(json)));
    return Assigned{std::move(made), true};
}

Result<bool> has_roles_on(store::View& view, std::string_view scope) {
    for (std::string last;;) {
        auto page = TRY(view.scan(kTable, "", last, store::kMaxScan));
        for (const store::Record& record : page) {
            const std::string given = TRY(parse_assignment(record.value)).scope;
            if (scope_covers(given, scope) && scope_covers(scope, given)) return true;
        }
        if (page.size() < store::kMaxScan) return false;
        last = page.back().key;
    }
}

Result<RoleAssignment> remove_role(store::Transaction& tx, std::string_view principal,
                                   std::string_view assignment_id) {
    for (RoleAssignment& assignment : TRY(read_roles(tx, principal))) {
        if (!equal_ignore_case(assignment.id, assignment_id)) continue;
        TRY(tx.erase(kTable, record_key(assignment)));
        return std::move(assignment);
    }
    return fail(Code::not_found, "there is no such role assignment");
}

Result<std::vector<RoleAssignment>> remove_roles_below(store::Transaction& tx,
                                                       std::string_view scope) {
    std::vector<RoleAssignment> out;
    for (std::string last;;) {
        const auto page = TRY(tx.scan(kTable, "", last, store::kMaxScan));
        for (const store::Record& record : page) {
            RoleAssignment one = TRY(parse_assignment(record.value));
            if (!scope_covers(scope, one.scope)) continue;
            TRY(tx.erase(kTable, record.key));
            out.push_back(std::move(one));
        }
        if (page.size() < store::kMaxScan) return out;
        last = page.back().key;
    }
}

Result<std::vector<RoleAssignment>> read_roles(store::View& view, std::string_view principal) {
    std::vector<RoleAssignment> out;
    const std::string prefix = to_lower(principal) + "/";
    for (const store::Record& record : TRY(view.scan(kTable, prefix, "", store::kMaxScan))) {
        out.push_back(TRY(parse_assignment(record.value)));
    }
    return out;
}

Result<void> authorize(store::View& view, const Caller& caller, Provider provider,
                       std::string_view resource, std::span<const std::string_view> actions,
                       Checks& checks) {
    std::vector<std::string> principals = caller.groups;
    principals.push_back(caller.object_id);
    std::set<std::string_view> found;
    bool allowed = false;
    for (const std::string& principal : principals) {
        for (const RoleAssignment& assignment : TRY(read_roles(view, principal))) {
            const Role* role = find_role(assignment.role_id);
            if (role == nullptr || !scope_covers(assignment.scope, resource)) continue;
            found.insert(role->name);
            allowed = allowed || allows_any(*role, provider, actions);
        }
    }
    std::set<std::string_view> expected;
    for (const Role& role : built_in_roles()) {
        if (allows_any(role, provider, actions)) expected.insert(role.name);
    }
    return checks.require(allowed, "CALLER-ROLE",
                          fmt::format("{}/{}", provider_name(provider), fmt::join(actions, " or ")),
                          "one of: " + join(expected), join(found));
}

}  // namespace vouchsafe::access
