// vault rules: release rules of a key, and changes of them that need two persons.
#include "app/cmd_vault.h"
#include "app/credential_options.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/guest/vault_client.h"
#include "vouchsafe/policy/release/release_policy.h"

namespace vouchsafe::app {

namespace {

struct RulesCommand {
    std::string key;
    std::string file;
    std::string policy;
    std::string proposal;
    std::string hash;
    bool immutable = false;
    CredentialOptions credential;
};

constexpr size_t kMaxRulesFile = 64 << 10;

// ask sends a request about the key's rules.
Result<Json> ask(const Context& context, const RulesCommand& command, std::string_view method,
                 const std::string& path, const Json* body = nullptr) {
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    const guest::KeyId key = TRY(guest::KeyId::parse(command.key));
    return vault.send(key, method,
                      fmt::format("/keys/{}/x-vouchsafe-release-rules{}", key.name, path), body);
}

Result<Json> read_json_file(const std::string& file) {
    const Path path = file == "-" ? Path("/dev/stdin") : Path(file);
    const std::string text = TRY(as_named(read_text_file(path, kMaxRulesFile)));
    return with_context(parse_json_object(text), file);
}

void show_rules(const Context& context, const Json& answer) {
    if (context.json) {
        write_out(dump_json_pretty(answer) + "\n");
        return;
    }
    const Json* rules = find_member(answer, "rules");
    const Json* releases = find_member(answer, "releases");
    if (rules == nullptr || rules->empty()) {
        write_out("no release rules: the release policy alone decides\n");
        return;
    }
    write_out(fmt::format("{}\nreleases since there are rules: {}\n",
                          printable(dump_json_pretty(*rules)),
                          releases != nullptr ? show_json(*releases) : "unknown"));
}

std::string proposal_text(const Json& proposal) {
    const Json* change = find_member(proposal, "change");
    const Json* expires = find_member(proposal, "expires");
    const bool dated = expires != nullptr && expires->is_number_integer();
    std::string out = fmt::format(
        "proposal  {}\nhash      {}\nby        {}\nends      {}\n",
        printable(text_or_empty(proposal, "id")), printable(text_or_empty(proposal, "hash")),
        printable(text_or_empty(proposal, "proposer")),
        dated ? format_rfc3339(from_unix(expires->get<int64_t>())) : "unknown");
    if (change == nullptr) return out;
    if (const Json* rules = find_member(*change, "rules")) {
        out += "rules     " + show_json(*rules, 4000) + "\n";
    }
    const Json* policy = find_member(*change, "release_policy");
    if (policy == nullptr) return out;
    // What would be in force is shown, not how it was sent: that is what is to be judged.
    Result<Bytes> data = decode_base64_any(text_or_empty(*policy, "data"));
    return out + "policy    " + (data ? show_json(Json(to_text(*data)), 12000) : "unreadable") +
           "\n";
}

Result<int> run_show_rules(const Context& context, const RulesCommand& command) {
    show_rules(context, TRY(ask(context, command, "GET", "")));
    return 0;
}

Result<int> run_set_rules(const Context& context, const RulesCommand& command) {
    const Json rules = TRY(read_json_file(command.file));
    show_rules(context, TRY(ask(context, command, "PUT", "", &rules)));
    return 0;
}

Result<Json> proposed_change(const RulesCommand& command) {
    Json out = Json::object();
    if (!command.file.empty()) out["rules"] = TRY(read_json_file(command.file));
    if (!command.policy.empty()) {
        const std::string text = TRY(as_named(read_text_file(command.policy, kMaxRulesFile)));
        auto policy = TRY(with_context(policy::ReleasePolicy::parse(text), command.policy));
        out["release_policy"] = {{"data", encode_base64url(as_bytes(policy.canonical()))}};
        if (command.immutable) out["release_policy"]["immutable"] = true;
    }
    if (out.empty()) return fail(Code::invalid, "propose --rules FILE, --policy FILE, or both");
    return out;
}

Result<int> run_propose(const Context& context, const RulesCommand& command) {
    const Json change = TRY(proposed_change(command));
    const Json made = TRY(ask(context, command, "POST", "/proposals", &change));
    write_out(context.json ? dump_json_pretty(made) + "\n"
                           : proposal_text(made) + "Somebody else approves it with this hash.\n");
    return 0;
}

Result<int> run_proposals(const Context& context, const RulesCommand& command) {
    const Json answer = TRY(ask(context, command, "GET", "/proposals"));
    if (context.json) {
        write_out(dump_json_pretty(answer) + "\n");
        return 0;
    }
    const Json* list = TRY(json_array(answer, "value"));
    std::string out = list->empty() ? "nothing is proposed\n" : "";
    for (const Json& proposal : *list) out += proposal_text(proposal) + "\n";
    write_out(out);
    return 0;
}

Result<std::string> proposal_path(const RulesCommand& command) {
    if (!is_guid(command.proposal)) {
        return fail(Code::invalid, "a proposal's id is as 'vouchsafe vault rules proposals' shows");
    }
    return "/proposals/" + command.proposal;
}

Result<int> run_approve(const Context& context, const RulesCommand& command) {
    const Json body = {{"hash", command.hash}};
    const std::string path = TRY(proposal_path(command)) + "/approve";
    show_rules(context, TRY(ask(context, command, "POST", path, &body)));
    return 0;
}

Result<int> run_withdraw(const Context& context, const RulesCommand& command) {
    const Json gone = TRY(ask(context, command, "DELETE", TRY(proposal_path(command))));
    write_out(context.json ? dump_json_pretty(gone) + "\n" : "withdrawn\n");
    return 0;
}

using RulesAction = Result<int> (*)(const Context&, const RulesCommand&);

Command add_rules_command(Command group, Context& context, const char* name, const char* text,
                          const std::shared_ptr<RulesCommand>& command, RulesAction action) {
    Command made = group.add(name, text);
    made.option("--key", command->key, "https://VAULT.vault.azure.net/keys/NAME", "URL").required();
    add_credential_options(made, command->credential);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

constexpr const char* kRulesExamples = R"(Examples:
  vouchsafe vault rules show --key https://my-vault.vault.azure.net/keys/KEK
  echo '{"singleUse":true,"maxReleases":10,"twoPerson":true}' > rules.json
  vouchsafe vault rules set rules.json --key https://my-vault.vault.azure.net/keys/KEK
  vouchsafe vault rules propose --rules next.json --key https://my-vault.vault.azure.net/keys/KEK
  vouchsafe vault rules proposals --key https://my-vault.vault.azure.net/keys/KEK
  vouchsafe vault rules approve ID --hash HASH --key https://my-vault.vault.azure.net/keys/KEK
What the rules mean is described in docs/formats/release-rules.md. A set replaces all rules.)";

}  // namespace

void add_vault_rules(Command group, Context& context) {
    Command rules = group.add("rules", "what a key's releases need beside its release policy");
    rules.examples(kRulesExamples);
    auto command = std::make_shared<RulesCommand>();
    add_rules_command(rules, context, "show", "the rules in force, and how often it was released",
                      command, run_show_rules);
    Command set =
        add_rules_command(rules, context, "set", "replace all rules", command, run_set_rules);
    set.argument("RULES", command->file, "JSON file; '-' is stdin");
    Command propose =
        add_rules_command(rules, context, "propose",
                          "propose a change where two persons are needed", command, run_propose);
    propose.option("--rules", command->file, "the rules to come, all of them", "FILE");
    propose.option("--policy", command->policy, "the release policy to come", "FILE");
    propose.flag("--immutable", command->immutable, "the policy is never to change again");
    add_rules_command(rules, context, "proposals", "what is proposed", command, run_proposals);
    Command approve = add_rules_command(rules, context, "approve",
                                        "approve somebody else's proposal", command, run_approve);
    approve.argument("ID", command->proposal, "of the proposal");
    approve.option("--hash", command->hash, "of the proposal, as you read it", "HEX").required();
    Command withdraw = add_rules_command(rules, context, "withdraw", "take a proposal back",
                                         command, run_withdraw);
    withdraw.argument("ID", command->proposal, "of the proposal");
}

}  // namespace vouchsafe::app
