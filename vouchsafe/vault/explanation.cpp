#include "vouchsafe/vault/explanation.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/vault/address.h"
#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

namespace {

Json explained_check(const Check& check) {
    Json out = {{"code", check.code},
                {"field", check.field},
                {"expected", check.expected},
                {"found", check.found},
                {"passed", check.passed}};
    const CheckInfo* info = check.passed ? nullptr : find_check_info(check.code);
    if (info == nullptr) return out;
    out["what"] = info->what;
    out["source"] = info->source;
    out["remedy"] = info->remedy;
    return out;
}

// Members of an entry's details that explain, and under which name they are told.
constexpr std::pair<const char*, const char*> kTold[] = {
    {"explanation", "policy"},
    {"smallest_change", "smallest_change"},
    {"release_rules", "release_rules"},
};

Result<audit::Entry> last_entry(audit::Log& log, std::string_view request_id) {
    if (!is_guid(request_id)) return fail(no_explanation());
    auto entries = TRY(log.find(to_lower(request_id)));
    if (entries.empty()) return fail(no_explanation());
    return std::move(entries.back().entry);
}

std::string request_in_path(const Call& call) {
    auto found = call.request.params.find("request");
    return found == call.request.params.end() ? "" : found->second;
}

}  // namespace

Error no_explanation() {
    return Error{Code::not_found, "There is no explanation of such a request.", {}};
}

std::string key_of_entry(const audit::Entry& entry, std::string_view vault,
                         const std::vector<std::string>& suffixes) {
    constexpr std::string_view kScheme = "https://";
    std::string_view rest = entry.resource;
    if (!rest.starts_with(kScheme)) return "";
    rest.remove_prefix(kScheme.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    Result<Address> address = Address::parse(rest.substr(0, slash), suffixes);
    if (!address || !equal_ignore_case(address->vault, vault)) return "";
    constexpr std::string_view kKeysPath = "/keys/";
    rest.remove_prefix(slash);
    if (!rest.starts_with(kKeysPath)) return "";
    rest.remove_prefix(kKeysPath.size());
    return std::string(rest.substr(0, rest.find('/')));
}

Result<Json> explain_request(audit::Log& log, std::string_view request_id) {
    const audit::Entry entry = TRY(last_entry(log, request_id));
    Json checks = Json::array();
    for (const Check& check : entry.checks) checks.push_back(explained_check(check));
    Json out = {{"request_id", entry.request_id}, {"time", format_rfc3339(entry.time)},
                {"operation", entry.action},      {"resource", entry.resource},
                {"caller", entry.actor},          {"outcome", audit::outcome_name(entry.outcome)},
                {"reason", entry.reason},         {"checks", std::move(checks)}};
    for (auto [name, told] : kTold) {
        const Json* found = find_member(entry.details, name);
        if (found == nullptr) continue;
        // Rules are kept as text, so that they cannot be taken for something else.
        Result<Json> parsed = found->is_string() ? parse_json(found->get_ref<const std::string&>())
                                                 : Result<Json>(*found);
        if (parsed) out[told] = std::move(*parsed);
    }
    return out;
}

Result<void> locate_explained(Core& core, Call& call) {
    const audit::Entry entry = TRY(last_entry(core.log, request_in_path(call)));
    call.key = key_of_entry(entry, call.vault->name, core.config.dns_suffixes);
    if (call.key.empty()) return fail(no_explanation());
    return {};
}

Result<Json> get_explanation(Core& core, Call& call) {
    return explain_request(core.log, request_in_path(call));
}

}  // namespace vouchsafe::vault
