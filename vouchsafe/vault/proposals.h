// Changes of a key's release policy and release rules that need two persons: proposed by one,
// approved by another who names the hash of what he read. Private to vault/; the operations are in
// rule_operations.cpp.
//
//   table                    key                          value
//   vault_release_proposal   {vault}/{key}/{id}           Proposal
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/release_rules.h"
#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxProposals = 16;         // open ones of a key
inline constexpr Seconds kProposalLife{7 * 86400};  // a week: over holidays, not for ever

// Proposal is a change that waits for its second person.
struct Proposal {
    std::string id;  // GUID
    std::string proposer;
    int64_t created = 0;  // seconds since 1970
    int64_t expires = 0;
    std::string base;  // hash of policy and rules as they were
    Json change;       // {"rules": {...}} and, or, {"release_policy": {...}}, as sent

    // hash is hex of SHA-256 over canonical JSON of the key's place, base and change: who approves
    // it approves this change of this state of this key and no other.
    std::string hash(std::string_view vault, std::string_view key) const;
    // to_json is what the network sees, to_record what is kept.
    Json to_json(std::string_view vault, std::string_view key) const;
    Json to_record() const;
    static Result<Proposal> parse(ByteView record);
};

// rules_state is the hash of a key's policy and rules.
std::string rules_state(const KeyRecord& record);

// parse_change reads the body of a proposal: rules, release_policy or both, nothing else.
struct RuleChange {
    std::optional<ReleaseRules> rules;
    std::optional<PolicyEnvelope> policy;
};
Result<RuleChange> parse_change(const Json& body);

// apply_change changes the record by two persons' word. Fails where nobody's word is enough: an
// immutable policy (AKV.SKR.1020), laxer rules beside one (VAULT-RULES-STRICTER).
Result<void> apply_change(KeyRecord& record, const RuleChange& change, Checks& checks);

// set_rules replaces the rules of a key. It fails with VAULT-RULES-STRICTER where the policy is
// immutable and the new rules allow what the old ones do not.
Result<void> set_rules(KeyRecord& record, const ReleaseRules& rules, Checks& checks);

// Proposals of a key in the store, those that are over left out; Code::not_found.
Result<std::vector<Proposal>> read_proposals(store::View& view, std::string_view vault,
                                             std::string_view key, Time now);
Result<Proposal> read_proposal(store::View& view, std::string_view vault, std::string_view key,
                               std::string_view id);
// put_proposal removes those that are over. Code::conflict if kMaxProposals are open.
Result<void> put_proposal(store::Transaction& tx, std::string_view vault, std::string_view key,
                          const Proposal& proposal, Time now);
Result<void> erase_proposal(store::Transaction& tx, std::string_view vault, std::string_view key,
                            std::string_view id);
Result<void> erase_proposals(store::Transaction& tx, std::string_view vault, std::string_view key);

}  // namespace vouchsafe::vault
