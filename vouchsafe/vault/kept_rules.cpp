#include "vouchsafe/vault/kept_rules.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::vault {

namespace {

constexpr std::string_view kMarkTable = "vault_rules_version";
constexpr std::string_view kStateTable = "vault_rules_state";

using UseVersion = std::function<Result<void>(std::string_view version)>;

Result<void> each_version(store::View& view, std::string_view vault, const KeyRecord& record,
                          const UseVersion& use) {
    const std::string prefix = version_record_key(vault, record.name, "");
    for (std::string after;;) {
        const auto page = TRY(view.scan(kVersionTable, prefix, after, store::kMaxScan));
        for (const store::Record& found : page) {
            TRY(use(std::string_view(found.key).substr(prefix.size())));
        }
        if (page.size() < store::kMaxScan) return {};
        after = page.back().key;
    }
}

// find_rules_id finds the rules that some version of the key ever was under.
Result<std::string> find_rules_id(store::View& view, std::string_view vault,
                                  const KeyRecord& record) {
    std::string out = record.rules_id;
    TRY(each_version(view, vault, record, [&](std::string_view version) -> Result<void> {
        if (auto marked = TRY(view.get(kMarkTable, version))) out = to_text(*marked);
        return {};
    }));
    return out;
}

Result<void> take_state(KeyRecord& record, ByteView state) {
    const Json json = TRY(parse_json_object(as_text(state)));
    record.policy = TRY(json_string(json, "policy"));
    record.policy_content_type = TRY(json_string(json, "policy_content_type"));
    record.policy_immutable = TRY(json_bool(json, "policy_immutable"));
    record.rules = TRY(json_string(json, "rules"));
    return {};
}

}  // namespace

Result<void> keep_rules(store::Transaction& tx, const KeyRecord& record) {
    if (record.rules_id.empty()) return {};
    const std::string state = dump_json({{"policy", record.policy},
                                         {"policy_content_type", record.policy_content_type},
                                         {"policy_immutable", record.policy_immutable},
                                         {"rules", record.rules}});
    return tx.put(kStateTable, record.rules_id, as_bytes(state));
}

Result<void> mark_version(store::Transaction& tx, const KeyRecord& record,
                          std::string_view version) {
    if (record.rules_id.empty()) return {};
    return tx.put(kMarkTable, version, as_bytes(record.rules_id));
}

Result<void> mark_versions(store::Transaction& tx, std::string_view vault,
                           const KeyRecord& record) {
    if (record.rules_id.empty()) return {};
    return each_version(tx, vault, record, [&](std::string_view version) {
        return mark_version(tx, record, version);
    });
}

Result<void> take_kept_rules(store::Transaction& tx, Call& call) {
    const std::string& vault = call.vault->name;
    auto found = TRY(read_key_record(tx, vault, call.key));
    if (!found) return fail(Code::io, "a key that was restored is missing");
    KeyRecord& record = *found;
    const KeyRecord before = record;
    record.rules_id = TRY(find_rules_id(tx, vault, record));
    if (record.rules_id.empty()) return {};
    if (auto state = TRY(tx.get(kStateTable, record.rules_id))) {
        if (!take_state(record, *state)) {
            return fail(Code::io, "what was kept of the rules of {} is damaged", record.name);
        }
    }
    TRY(mark_versions(tx, vault, record));
    if (record == before) return {};
    TRY(put_key_record(tx, vault, record));
    call.details["release_rules"] = record.rules;
    call.details["release_policy"] = record.policy;
    call.details["kept_since_backup"] = true;
    return {};
}

}  // namespace vouchsafe::vault
