// vault: what whoever manages keys wants to know of a vault.
#include "app/cmd_vault.h"

#include "app/credential_options.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/guest/vault_client.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/vault/explanation.h"

namespace vouchsafe::app {

namespace {

struct ExplainRequestCommand {
    std::string request_id;
    std::string dir;
    std::string store;
    std::string vault;
    CredentialOptions credential;
};

Result<Json> explanation_of_directory(const ExplainRequestCommand& command) {
    const Path dir =
        command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
    TRY(lab::DataDirectory::open(dir));
    const StorePlace place = TRY(store_place(dir, "vault", command.store));
    if (!exists(place)) {
        return fail(Code::not_found, "{} has no log yet", place.folder.string());
    }
    auto store = TRY(open_or_make(place));
    audit::Log log(*store);
    return vault::explain_request(log, command.request_id);
}

Result<Json> explanation_of_vault(const Context& context, const ExplainRequestCommand& command) {
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    guest::KeyId host;
    host.url = TRY(with_context(net::Url::parse(command.vault), "--vault"));
    return vault.send(host, "GET", "/x-vouchsafe-explanations/" + command.request_id, nullptr);
}

std::string told(const Json& object, std::string_view name) {
    return printable(text_or_empty(object, name));
}

// labelled is a name and a text, broken into lines under the text's beginning.
std::string labelled(std::string_view indent, std::string_view name, std::string_view text) {
    if (text.empty()) return "";
    const std::string hang = std::string(indent) + std::string(10, ' ');
    std::string lines = wrapped(text, hang);
    lines.replace(0, hang.size(), fmt::format("{}{:<10}", indent, name));
    return lines;
}

std::string check_lines(const Json& check, bool color) {
    const Json* passed = find_member(check, "passed");
    const bool ok = passed != nullptr && *passed == true;
    if (ok) {
        return fmt::format("  {} {:<26} {}\n", styled("ok", Style::good, color),
                           told(check, "code"), told(check, "field"));
    }
    return fmt::format("  {} {:<26} {}\n", styled("NO", Style::bad, color), told(check, "code"),
                       told(check, "field")) +
           labelled("     ", "expected", told(check, "expected")) +
           labelled("     ", "found", told(check, "found")) +
           labelled("     ", "rule", told(check, "what")) +
           labelled("     ", "remedy", told(check, "remedy"));
}

// condition_lines tells each condition of the policy: where it stands, what was wanted and found.
std::string condition_lines(const Json& node, bool color) {
    const Json* passed = find_member(node, "passed");
    const bool ok = passed != nullptr && *passed == true;
    std::string out;
    if (find_member(node, "claim") != nullptr) {
        out = fmt::format("  {} {}\n",
                          ok ? styled("ok", Style::good, color) : styled("NO", Style::bad, color),
                          told(node, "path"));
        out += labelled("     ", "claim", told(node, "claim"));
        out += labelled("     ", "expected",
                        fmt::format("{} {}", told(node, "operator"), told(node, "expected")));
        if (!ok) out += labelled("     ", "found", told(node, "found"));
    }
    const Json* members = find_member(node, "members");
    if (members == nullptr || !members->is_array()) return out;
    for (const Json& member : *members) out += condition_lines(member, color);
    return out;
}

// spaced is JSON with blanks between members, so that lines can break there.
std::string spaced(const Json& json) {
    if (!json.is_structured()) return dump_json(json);
    std::vector<std::string> parts;
    for (const auto& [name, value] : json.items()) {
        parts.push_back(json.is_object() ? fmt::format("{}: {}", dump_json(name), spaced(value))
                                         : spaced(value));
    }
    const std::string inside = fmt::format("{}", fmt::join(parts, ", "));
    return json.is_object() ? "{" + inside + "}" : "[" + inside + "]";
}

// told_condition is a condition, which stands as text in the explanation.
std::string told_condition(const Json& change, std::string_view name) {
    Result<Json> parsed = parse_json(text_or_empty(change, name));
    return printable(parsed ? spaced(*parsed) : "");
}

std::string change_lines(const Json& change) {
    std::string out = "\nThe smallest change of the policy that would pass\n";
    const Json* conditions = find_member(change, "conditions");
    for (const Json& one : conditions != nullptr ? *conditions : Json::array()) {
        out += "  " + told(one, "path") + "\n" +
               labelled("     ", "from", told_condition(one, "from")) +
               labelled("     ", "to", told_condition(one, "to"));
    }
    if (find_member(change, "policy") != nullptr) {
        out += wrapped(
            "--json has the whole policy. Change it only if machines with what was "
            "found here are to get the key.",
            "  ");
    }
    return out;
}

std::string explanation_text(const Json& told_json, bool color) {
    const std::string outcome = told(told_json, "outcome");
    std::string out =
        fmt::format("request   {}\n{}{}{}{}outcome   {}\n", told(told_json, "request_id"),
                    labelled("", "time", told(told_json, "time")),
                    labelled("", "operation", told(told_json, "operation")),
                    labelled("", "on", told(told_json, "resource")),
                    labelled("", "by", told(told_json, "caller")),
                    styled(outcome, outcome == "allowed" ? Style::good : Style::bad, color));
    out += labelled("", "reason", told(told_json, "reason"));
    const Json* checks = find_member(told_json, "checks");
    if (checks != nullptr && checks->is_array() && !checks->empty()) {
        out += "\nChecks, in order\n";
        for (const Json& check : *checks) out += check_lines(check, color);
    }
    if (const Json* policy = find_member(told_json, "policy")) {
        out += "\nConditions of the release policy\n" + condition_lines(*policy, color);
    }
    if (const Json* rules = find_member(told_json, "release_rules")) {
        out += "\nRelease rules of the key\n" + wrapped(show_json(*rules, 4000), "  ");
    }
    if (const Json* change = find_member(told_json, "smallest_change")) {
        out += change_lines(*change);
    }
    return out;
}

Result<int> run_explain_request(const Context& context, const ExplainRequestCommand& command) {
    if ((!command.dir.empty() || !command.store.empty()) && !command.vault.empty()) {
        return fail(Code::invalid,
                    "say where: --dir DIR with or without --store URL, or --vault URL");
    }
    Result<Json> found = command.vault.empty() ? explanation_of_directory(command)
                                               : explanation_of_vault(context, command);
    const Json explanation = TRY(std::move(found));
    write_out(context.json ? dump_json_pretty(explanation) + "\n"
                           : explanation_text(explanation, context.color_out));
    return 0;
}

constexpr const char* kVaultExamples = R"(Examples:
  vouchsafe vault explain 95f3b7c8-0c2e-4f6c-9a55-0d8a1f0b2c11 --dir /var/lib/vouchsafe
  vouchsafe vault explain 95f3b7c8-0c2e-4f6c-9a55-0d8a1f0b2c11 --vault https://my-vault.vault.azure.net
  vouchsafe vault rules show --key https://my-vault.vault.azure.net/keys/KEK
  vouchsafe vault rewrap-root --dir /var/lib/vouchsafe)";

constexpr const char* kExplainRequestExamples = R"(Examples:
  vouchsafe vault explain REQUEST-ID --dir /var/lib/vouchsafe
  vouchsafe vault explain REQUEST-ID --vault https://my-vault.vault.azure.net --json
Every refusal shows its request id. With --dir the operator reads the log in the data directory,
or with --store in the database; with --vault whoever may change the key (keys/update/action) asks the
vault, and learns of that key's requests alone.)";

}  // namespace

void add_vault(Command app, Context& context) {
    Command group =
        app.add("vault", "why a vault refused, release rules of its keys, its root key");
    group.examples(kVaultExamples);
    auto command = std::make_shared<ExplainRequestCommand>();
    Command explain = group.add("explain", "why a request was refused, and what would pass");
    explain.examples(kExplainRequestExamples);
    explain.argument("REQUEST-ID", command->request_id, "as in the refusal (x-ms-request-id)");
    explain.option("--dir", command->dir, "data directory (default: the user's lab)", "DIR");
    add_store_option(explain, command->store);
    explain.option("--vault", command->vault, "ask this vault instead", "URL");
    add_credential_options(explain, command->credential);
    explain.run([&context, command] { return run_explain_request(context, *command); });
    add_vault_rules(group, context);
    add_vault_root(group, context);
}

}  // namespace vouchsafe::app
