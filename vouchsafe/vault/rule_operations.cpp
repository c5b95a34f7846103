// Release rules over HTTP: reading and setting them, and proposals where a change needs two
// persons.
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/body.h"
#include "vouchsafe/vault/kept_rules.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/proposals.h"
#include "vouchsafe/vault/rule_uses.h"

namespace vouchsafe::vault {

namespace {

Result<Json> parse_rules_body(const Call& call) {
    return parse_body(call.request.body, kMaxRulesBytes);
}

Result<KeyRecord> exportable_record(store::View& view, Call& call) {
    Key key = TRY(read_key(view, call.vault->name, call.key, ""));
    TRY(call.checks.require(key.record.exportable, "VAULT-KEY-EXPORTABLE", "attributes.exportable",
                            "true", key.record.exportable ? "true" : "false"));
    return std::move(key.record);
}

Result<Json> rules_answer(store::View& view, const KeyRecord& record) {
    const ReleaseRules rules = TRY(ReleaseRules::of_record(record.rules));
    const int64_t releases = TRY(releases_of(view, record.rules_id));
    return Json{{"rules", rules.to_json()}, {"releases", releases}};
}

std::string proposal_id(const Call& call) {
    auto found = call.request.params.find("proposal");
    return found == call.request.params.end() ? "" : found->second;
}

// note_change puts into the log what changed, and by whose word.
void note_change(Call& call, const KeyRecord& before, const KeyRecord& after) {
    call.details["release_rules"] = after.rules;
    call.details["release_rules_before"] = before.rules;
    call.details["release_policy"] = after.policy;
    call.details["release_policy_immutable"] = after.policy_immutable;
    if (before.policy != after.policy) call.details["release_policy_before"] = before.policy;
}

void note_proposal(Call& call, const Proposal& proposal) {
    call.details["proposal"] = proposal.to_json(call.vault->name, call.key);
}

Result<void> check_second_person(Call& call, const Proposal& proposal, const KeyRecord& record,
                                 const std::string& approved, Time now) {
    const std::string hash = proposal.hash(call.vault->name, call.key);
    const bool other = call.caller.object_id != proposal.proposer;
    TRY(call.checks.require(other, "VAULT-PROPOSAL-SECOND", "oid",
                            "another principal than the proposer", other ? "so" : "the proposer"));
    TRY(call.checks.require(approved == hash, "VAULT-PROPOSAL-HASH", "hash", hash,
                            show_json(approved)));
    TRY(call.checks.require(to_unix(now) < proposal.expires, "VAULT-PROPOSAL-OPEN", "expires",
                            "before " + format_rfc3339(from_unix(proposal.expires)),
                            format_rfc3339(now)));
    const bool current = rules_state(record) == proposal.base;
    return call.checks.require(current, "VAULT-PROPOSAL-CURRENT", "key",
                               "policy and rules as when it was proposed",
                               current ? "so" : "changed");
}

}  // namespace

Result<Json> get_release_rules(Core& core, Call& call) {
    Json out;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const Key key = TRY(read_key(view, call.vault->name, call.key, ""));
        out = TRY(rules_answer(view, key.record));
        return {};
    }));
    return out;
}

Result<Json> put_release_rules(Core& core, Call& call) {
    const ReleaseRules rules = TRY(ReleaseRules::parse(TRY(parse_rules_body(call))));
    Json out;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const KeyRecord before = TRY(exportable_record(tx, call));
        const ReleaseRules old = TRY(ReleaseRules::of_record(before.rules));
        const bool alone = !old.two_person || rules == old;
        TRY(call.checks.require(alone, "VAULT-RULES-APPROVAL", "release rules",
                                "a change that two persons made", alone ? "so" : "by one"));
        KeyRecord after = before;
        TRY(set_rules(after, rules, call.checks));
        TRY(put_key_record(tx, call.vault->name, after));
        TRY(mark_versions(tx, call.vault->name, after));
        note_change(call, before, after);
        out = TRY(rules_answer(tx, after));
        return append_success(core, tx, call);
    }));
    return out;
}

Result<Json> list_rule_proposals(Core& core, Call& call) {
    Json list = Json::array();
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        TRY(read_key(view, call.vault->name, call.key, ""));
        auto open = TRY(read_proposals(view, call.vault->name, call.key, core.clock.now()));
        for (const Proposal& proposal : open) {
            list.push_back(proposal.to_json(call.vault->name, call.key));
        }
        return {};
    }));
    return Json{{"value", std::move(list)}};
}

Result<Json> get_rule_proposal(Core& core, Call& call) {
    Json out;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        const Proposal found =
            TRY(read_proposal(view, call.vault->name, call.key, proposal_id(call)));
        out = found.to_json(call.vault->name, call.key);
        return {};
    }));
    return out;
}

Result<Json> propose_rules(Core& core, Call& call) {
    Proposal proposal;
    proposal.change = TRY(parse_rules_body(call));
    const RuleChange change = TRY(parse_change(proposal.change));
    proposal.id = crypto::random_uuid();
    proposal.proposer = call.caller.object_id;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const Time now = core.clock.now();
        KeyRecord record = TRY(exportable_record(tx, call));
        if (!TRY(ReleaseRules::of_record(record.rules)).two_person) {
            return fail(Code::invalid,
                        "the rules of this key do not ask for two persons (twoPerson): change "
                        "them, or its policy, directly");
        }
        proposal.created = to_unix(now);
        proposal.expires = to_unix(now + kProposalLife);
        proposal.base = rules_state(record);
        TRY(apply_change(record, change, call.checks));  // of a copy: what nobody could approve
        TRY(put_proposal(tx, call.vault->name, call.key, proposal, now));
        note_proposal(call, proposal);
        return append_success(core, tx, call);
    }));
    return proposal.to_json(call.vault->name, call.key);
}

Result<Json> approve_rules(Core& core, Call& call) {
    const Json body = TRY(parse_rules_body(call));
    const std::string approved = TRY(json_string(body, "hash"));
    Json out;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const std::string& vault = call.vault->name;
        const Proposal proposal = TRY(read_proposal(tx, vault, call.key, proposal_id(call)));
        note_proposal(call, proposal);
        const KeyRecord before = TRY(exportable_record(tx, call));
        TRY(check_second_person(call, proposal, before, approved, core.clock.now()));
        KeyRecord after = before;
        TRY(apply_change(after, TRY(parse_change(proposal.change)), call.checks));
        TRY(put_key_record(tx, vault, after));
        TRY(mark_versions(tx, vault, after));
        // The others were about the state of before.
        TRY(erase_proposals(tx, vault, call.key));
        note_change(call, before, after);
        out = TRY(rules_answer(tx, after));
        return append_success(core, tx, call);
    }));
    return out;
}

Result<Json> withdraw_rules(Core& core, Call& call) {
    Json out;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const std::string& vault = call.vault->name;
        const Proposal proposal = TRY(read_proposal(tx, vault, call.key, proposal_id(call)));
        note_proposal(call, proposal);
        TRY(erase_proposal(tx, vault, call.key, proposal.id));
        out = proposal.to_json(vault, call.key);
        return append_success(core, tx, call);
    }));
    return out;
}

}  // namespace vouchsafe::vault
