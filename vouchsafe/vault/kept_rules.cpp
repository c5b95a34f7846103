#include "vouchsafe/vault/kept_rules.h"

#include <limits>
#include <set>
#include <tuple>

#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/proposals.h"
#include "vouchsafe/vault/rule_uses.h"

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

Result<void> take_state(KeyRecord& record, ByteView state) {
    const Json json = TRY(parse_json_object(as_text(state)));
    record.policy = TRY(json_string(json, "policy"));
    record.policy_content_type = TRY(json_string(json, "policy_content_type"));
    record.policy_immutable = TRY(json_bool(json, "policy_immutable"));
    record.rules = TRY(json_string(json, "rules"));
    return {};
}

// kept_as is the record under the rules of that id, as they were kept.
Result<std::optional<KeyRecord>> kept_as(store::View& view, KeyRecord record,
                                         const std::string& rules_id) {
    const auto state = TRY(view.get(kStateTable, rules_id));
    if (!state) return std::optional<KeyRecord>();
    if (!take_state(record, *state)) {
        return fail(Code::io, "what was kept of the rules of {} is damaged", record.name);
    }
    record.rules_id = rules_id;
    return std::optional(std::move(record));
}

// find_rules_ids finds all rules that some version of the key ever was under.
Result<std::set<std::string>> find_rules_ids(store::View& view, std::string_view vault,
                                             const KeyRecord& record) {
    std::set<std::string> out;
    if (!record.rules_id.empty()) out.insert(record.rules_id);
    TRY(each_version(view, vault, record, [&](std::string_view version) -> Result<void> {
        // Marks of earlier programs have no id in their key.
        for (const store::Record& mark : TRY(view.scan(kMarkTable, version, "", store::kMaxScan))) {
            out.insert(to_text(mark.value));
        }
        return {};
    }));
    return out;
}

// Candidate is what a restored key may come back as.
struct Candidate {
    KeyRecord record;
    ReleaseRules rules;
    int64_t left = 0;  // releases
};

Result<Candidate> make_candidate(store::View& view, const KeyRecord& restored,
                                 const std::string& rules_id) {
    Candidate out;
    out.record = TRY(kept_as(view, restored, rules_id)).value_or(restored);
    out.record.rules_id = rules_id;
    out.rules = TRY(ReleaseRules::of_record(out.record.rules));
    const int64_t most = out.rules.max_releases.value_or(std::numeric_limits<int64_t>::max());
    out.left = most - TRY(releases_of(view, rules_id));
    return out;
}

// is_stricter: what more persons must agree to comes first, then what allows less.
bool is_stricter(const Candidate& one, const Candidate& other) {
    const auto order = [](const Candidate& of) {
        return std::tuple(of.rules.two_person, of.record.policy_immutable, -of.left);
    };
    if (order(one) != order(other)) return order(one) > order(other);
    return laxer_than(other.rules, one.rules).empty() && !(one.rules == other.rules);
}

// strictest gives the key as the strictest rules have it that it ever was under; nullopt if there
// never were any. Of those that are alike it keeps its own.
Result<std::optional<KeyRecord>> strictest(store::View& view, std::string_view vault,
                                           const KeyRecord& restored) {
    std::optional<Candidate> best;
    for (const std::string& id : TRY(find_rules_ids(view, vault, restored))) {
        Candidate next = TRY(make_candidate(view, restored, id));
        const bool own = id == restored.rules_id && best && !is_stricter(*best, next);
        if (!best || own || is_stricter(next, *best)) best = std::move(next);
    }
    if (!best) return std::optional<KeyRecord>();
    return std::optional(std::move(best->record));
}

bool same_rules(const KeyRecord& one, const KeyRecord& other) {
    return rules_state(one) == rules_state(other) &&
           one.policy_content_type == other.policy_content_type;
}

Result<bool> needs_two_persons(const std::optional<KeyRecord>& record) {
    if (!record) return false;
    return TRY(ReleaseRules::of_record(record->rules)).two_person;
}

}  // namespace

Result<void> keep_rules(store::Transaction& tx, std::string_view vault, const KeyRecord& record) {
    if (record.rules_id.empty()) return {};
    const auto before = TRY(read_key_record(tx, vault, record.name));
    const auto kept = TRY(kept_as(tx, record, record.rules_id));
    if (kept && before && same_rules(*before, record)) return {};
    if (TRY(needs_two_persons(kept)) && !TRY(needs_two_persons(before))) return {};
    const std::string state = dump_json({{"policy", record.policy},
                                         {"policy_content_type", record.policy_content_type},
                                         {"policy_immutable", record.policy_immutable},
                                         {"rules", record.rules}});
    return tx.put(kStateTable, record.rules_id, as_bytes(state));
}

Result<void> mark_version(store::Transaction& tx, const KeyRecord& record,
                          std::string_view version) {
    if (record.rules_id.empty()) return {};
    return tx.put(kMarkTable, fmt::format("{}/{}", version, record.rules_id),
                  as_bytes(record.rules_id));
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
    const KeyRecord before = std::move(*found);
    const auto kept = TRY(strictest(tx, vault, before));
    if (!kept) return {};
    const KeyRecord& record = *kept;
    TRY(mark_versions(tx, vault, record));
    if (record == before) return {};
    TRY(put_key_record(tx, vault, record));
    call.details["release_rules"] = record.rules;
    call.details["release_policy"] = record.policy;
    call.details["kept_since_backup"] = true;
    return {};
}

}  // namespace vouchsafe::vault
