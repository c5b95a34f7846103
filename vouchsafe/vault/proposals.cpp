#include "vouchsafe/vault/proposals.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/key_rules.h"

namespace vouchsafe::vault {

namespace {

constexpr std::string_view kProposalTable = "vault_release_proposal";

std::string proposal_prefix(std::string_view vault, std::string_view key) {
    return key_record_key(vault, key) + "/";
}

std::string hash_of(const Json& json) {
    return encode_hex(crypto::sha256(as_bytes(dump_json(json))));
}

Result<Proposal> parse_stored(const store::Record& record) {
    Result<Proposal> parsed = Proposal::parse(record.value);
    if (!parsed) return fail(Code::io, "proposal {} is damaged", record.key);
    return parsed;
}

// all_proposals has those that are over as well: there are few, they are swept.
Result<std::vector<Proposal>> all_proposals(store::View& view, std::string_view vault,
                                            std::string_view key) {
    std::vector<Proposal> out;
    const std::string prefix = proposal_prefix(vault, key);
    for (const auto& record : TRY(view.scan(kProposalTable, prefix, "", store::kMaxScan))) {
        out.push_back(TRY(parse_stored(record)));
    }
    return out;
}

}  // namespace

std::string Proposal::hash(std::string_view vault, std::string_view key) const {
    return hash_of({{"key", key_record_key(vault, key)}, {"base", base}, {"change", change}});
}

Json Proposal::to_json(std::string_view vault, std::string_view key) const {
    return {{"id", id},           {"proposer", proposer}, {"created", created},
            {"expires", expires}, {"change", change},     {"hash", hash(vault, key)}};
}

Json Proposal::to_record() const {
    return {{"id", id},           {"proposer", proposer}, {"created", created},
            {"expires", expires}, {"base", base},         {"change", change}};
}

Result<Proposal> Proposal::parse(ByteView record) {
    const Json json = TRY(parse_json_object(as_text(record)));
    Proposal out;
    out.id = TRY(json_string(json, "id"));
    out.proposer = TRY(json_string(json, "proposer"));
    out.created = TRY(json_integer(json, "created"));
    out.expires = TRY(json_integer(json, "expires"));
    out.base = TRY(json_string(json, "base"));
    out.change = *TRY(json_object(json, "change"));
    return out;
}

std::string rules_state(const KeyRecord& record) {
    return hash_of({{"policy", record.policy},
                    {"immutable", record.policy_immutable},
                    {"rules", record.rules},
                    {"rules_id", record.rules_id}});
}

Result<RuleChange> parse_change(const Json& body) {
    RuleChange out;
    if (!body.is_object()) return fail(Code::invalid, "a change is a JSON object");
    for (const auto& [name, value] : body.items()) {
        if (name == "rules") {
            out.rules = TRY(ReleaseRules::parse(value));
        } else if (name == "release_policy") {
            out.policy = TRY(parse_policy_envelope(value));
        } else {
            return fail(Code::invalid, "a change has rules and release_policy, not {}",
                        show_json(name));
        }
    }
    if (!out.rules && !out.policy) {
        return fail(Code::invalid, "a change has rules, release_policy, or both");
    }
    return out;
}

Result<void> set_rules(KeyRecord& record, const ReleaseRules& rules, Checks& checks) {
    if (record.policy_immutable) {
        const std::string laxer = laxer_than(TRY(ReleaseRules::of_record(record.rules)), rules);
        TRY(checks.require(laxer.empty(), "VAULT-RULES-STRICTER",
                           laxer.empty() ? "release rules" : laxer, "as strict as before",
                           laxer.empty() ? "so" : "laxer"));
    }
    record.rules = rules.text();
    if (record.rules_id.empty() && !record.rules.empty()) record.rules_id = crypto::random_uuid();
    return {};
}

Result<void> apply_change(KeyRecord& record, const RuleChange& change, Checks& checks) {
    if (change.rules) TRY(set_rules(record, *change.rules, checks));
    if (change.policy) TRY(change_policy(record, *change.policy, Approval::two_persons));
    return {};
}

Result<std::vector<Proposal>> read_proposals(store::View& view, std::string_view vault,
                                             std::string_view key, Time now) {
    std::vector<Proposal> all = TRY(all_proposals(view, vault, key));
    std::erase_if(all, [&](const Proposal& proposal) { return proposal.expires <= to_unix(now); });
    return all;
}

Result<Proposal> read_proposal(store::View& view, std::string_view vault, std::string_view key,
                               std::string_view id) {
    std::string place = proposal_prefix(vault, key) + to_lower(id);
    std::optional<Bytes> found;
    if (is_guid(id)) found = TRY(view.get(kProposalTable, place));
    if (!found) return fail(Code::not_found, "there is no such proposal for this key");
    return parse_stored({std::move(place), std::move(*found)});
}

Result<void> put_proposal(store::Transaction& tx, std::string_view vault, std::string_view key,
                          const Proposal& proposal, Time now) {
    size_t open = 0;
    for (const Proposal& other : TRY(all_proposals(tx, vault, key))) {
        if (other.expires > to_unix(now)) {
            ++open;
        } else {
            TRY(erase_proposal(tx, vault, key, other.id));
        }
    }
    if (open >= kMaxProposals) {
        return fail(Code::conflict, "a key has at most {} open proposals: withdraw one",
                    kMaxProposals);
    }
    return tx.insert(kProposalTable, proposal_prefix(vault, key) + proposal.id,
                     as_bytes(dump_json(proposal.to_record())));
}

Result<void> erase_proposal(store::Transaction& tx, std::string_view vault, std::string_view key,
                            std::string_view id) {
    TRY(tx.erase(kProposalTable, proposal_prefix(vault, key) + to_lower(id)));
    return {};
}

Result<void> erase_proposals(store::Transaction& tx, std::string_view vault, std::string_view key) {
    for (const Proposal& proposal : TRY(all_proposals(tx, vault, key))) {
        TRY(erase_proposal(tx, vault, key, proposal.id));
    }
    return {};
}

}  // namespace vouchsafe::vault
