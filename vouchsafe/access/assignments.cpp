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

Result<std::vector<store::Record>> records_of(store::View& view, std::string_view principal) {
    return view.scan(kTable, to_lower(principal) + "/", "", store::kMaxScan);
}

std::string join(const std::set<std::string_view>& names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
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
    for (const store::Record& record : TRY(records_of(view, principal))) {
        out.push_back(TRY(parse_assignment(record.value)));
    }
    return out;
}

NeededActions::NeededActions(Provider provider, std::span<const std::string_view> names)
    : names_(names.begin(), names.end()),
      field_(fmt::format("{}/{}", provider_name(provider), fmt::join(names, " or "))) {
    std::set<std::string_view> allowing;
    for (const Role& role : built_in_roles()) {
        const bool allows = std::any_of(names.begin(), names.end(), [&](std::string_view action) {
            return role_allows(role, provider, action);
        });
        if (!allows) continue;
        roles_.push_back(&role);
        allowing.insert(role.name);
    }
    expected_ = "one of: " + join(allowing);
}

bool NeededActions::allowed_by(const Role& role) const {
    return std::find(roles_.begin(), roles_.end(), &role) != roles_.end();
}

Result<std::shared_ptr<const KnownAssignments::Given>> KnownAssignments::read(const Bytes& record) {
    if (auto kept = given_.find(record)) return kept;
    RoleAssignment parsed = TRY(parse_assignment(record));
    auto made = std::make_shared<const Given>(find_role(parsed.role_id), std::move(parsed.scope));
    given_.keep(record, made);
    return made;
}

Result<void> authorize(store::View& view, const Caller& caller, const NeededActions& needed,
                       std::string_view resource, KnownAssignments& known, Checks& checks) {
    std::set<std::string_view> found;
    bool allowed = false;
    const auto look = [&](std::string_view principal) -> Result<void> {
        for (const store::Record& record : TRY(records_of(view, principal))) {
            const auto given = TRY(known.read(record.value));
            if (given->role == nullptr || !scope_covers(given->scope, resource)) continue;
            found.insert(given->role->name);
            allowed = allowed || needed.allowed_by(*given->role);
        }
        return {};
    };
    for (const std::string& group : caller.groups) TRY(look(group));
    TRY(look(caller.object_id));
    return checks.require(allowed, "CALLER-ROLE", needed.field(), needed.expected(), join(found));
}

}  // namespace vouchsafe::access
