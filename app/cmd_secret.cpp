// secret: keep and read a vault's secrets. A value comes from a file or standard input, and goes to
// a file of mode 0600 or to a pipe; to a terminal only if one asks for that.
#include <unistd.h>

#include "app/credential_options.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/guest/secret_client.h"

namespace vouchsafe::app {

namespace {

constexpr size_t kMaxSecretInput = 1 << 20;

struct SecretCommand {
    CredentialOptions credential;
    std::string secret;
    std::string vault;
    std::string in = "-";
    std::string out;
    std::string content_type;
    bool show = false;
    bool deleted = false;
    bool force = false;
};

// Session is a client with all that it borrows.
struct Session {
    std::unique_ptr<net::Client> client;
    std::unique_ptr<Credentials> credentials;
    std::unique_ptr<guest::SecretClient> secrets;
};

Result<Session> open_session(const Context& context, const SecretCommand& command) {
    guest::Site site = TRY(context.site());
    Session out;
    out.credentials = TRY(make_credentials(command.credential, site));
    out.client = std::make_unique<net::Client>(site.client);
    out.secrets = std::make_unique<guest::SecretClient>(*out.client, *out.credentials->credential);
    return out;
}

std::string day_of(const Json& object, std::string_view name) {
    const Result<int64_t> seconds = json_integer(object, name);
    return seconds ? format_rfc3339(from_unix(*seconds)) : "?";
}

Result<int> run_set(const Context& context, const SecretCommand& command) {
    const auto id = TRY(guest::SecretId::parse(command.secret));
    Bytes read =
        TRY(read_file(command.in == "-" ? Path("/dev/stdin") : Path(command.in), kMaxSecretInput));
    const SecretBytes value = SecretBytes::copy_of(read);
    wipe(read);
    // Nobody means that; an empty pipe looks just so.
    if (value.empty()) return fail(Code::invalid, "the value is empty");
    Session session = TRY(open_session(context, command));
    const Json made = TRY(session.secrets->set(id, value, command.content_type));
    write_out(context.json ? dump_json_pretty(made) + "\n"
                           : printable(text_or_empty(made, "id")) + "\n");
    return 0;
}

// put_value writes a value as it is, without a line end of ours.
Result<void> put_value(const SecretCommand& command, const SecretBytes& value) {
    if (command.out.empty()) {
        write_out(value.expose_text());
        return {};
    }
    return write_file(command.out, value.expose(), command.force ? Overwrite::yes : Overwrite::no,
                      0600);
}

Result<int> run_show(const Context& context, const SecretCommand& command) {
    const auto id = TRY(guest::SecretId::parse(command.secret));
    // Asked before the vault is: reading a secret leaves a trace there.
    if (command.out.empty() && !command.show && !context.json && ::isatty(STDOUT_FILENO) == 1) {
        return fail(Code::invalid,
                    "this is a terminal: --show shows the value here, --out FILE writes it to a "
                    "file (mode 0600)");
    }
    if (context.json && command.out.empty()) {
        return fail(Code::invalid,
                    "--json shows what is known of a secret: add --out FILE for "
                    "its value");
    }
    Session session = TRY(open_session(context, command));
    const guest::GotSecret got = TRY(session.secrets->get(id));
    TRY(put_value(command, got.value));
    if (context.json) write_out(dump_json_pretty(got.bundle) + "\n");
    return 0;
}

Result<int> run_list(const Context& context, const SecretCommand& command) {
    const auto vault = net::Url::parse(command.vault);
    if (!vault || vault->scheme != "https") {
        return fail(Code::invalid, "say with --vault which vault: https://NAME.vault.azure.net");
    }
    Session session = TRY(open_session(context, command));
    const std::vector<Json> items = TRY(session.secrets->list(*vault, command.deleted));
    if (context.json) {
        write_out(dump_json_pretty(Json(items)) + "\n");
        return 0;
    }
    std::string out;
    for (const Json& item : items) {
        const Json* attributes = find_member(item, "attributes");
        const Json* enabled = attributes != nullptr ? find_member(*attributes, "enabled") : nullptr;
        out += printable(text_or_empty(item, "id"));
        if (enabled != nullptr && *enabled == false) out += "  disabled";
        if (command.deleted) out += "  until " + day_of(item, "scheduledPurgeDate");
        out += "\n";
    }
    write_out(out);
    return 0;
}

Result<int> run_delete(const Context& context, const SecretCommand& command) {
    const auto id = TRY(guest::SecretId::parse(command.secret));
    if (!id.version.empty()) {
        return fail(Code::invalid, "all versions are deleted together: leave the version out");
    }
    Session session = TRY(open_session(context, command));
    const Json deleted = TRY(session.secrets->remove(id));
    write_out(context.json ? dump_json_pretty(deleted) + "\n"
                           : fmt::format("deleted; 'vouchsafe secret recover' brings it back until "
                                         "{}\n",
                                         day_of(deleted, "scheduledPurgeDate")));
    return 0;
}

Result<int> run_recover(const Context& context, const SecretCommand& command) {
    const auto id = TRY(guest::SecretId::parse(command.secret));
    Session session = TRY(open_session(context, command));
    const Json back = TRY(session.secrets->recover(id));
    write_out(context.json ? dump_json_pretty(back) + "\n"
                           : printable(text_or_empty(back, "id")) + "\n");
    return 0;
}

Result<int> run_purge(const Context& context, const SecretCommand& command) {
    const auto id = TRY(guest::SecretId::parse(command.secret));
    Session session = TRY(open_session(context, command));
    TRY(session.secrets->purge(id));
    write_out(context.json ? dump_json({{"purged", id.name}}) + "\n" : "purged for good\n");
    return 0;
}

using Action = Result<int> (*)(const Context&, const SecretCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<SecretCommand>& command, Action action) {
    Command made = group.add(name, text);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

Command add_secret_command(Command group, Context& context, const char* name, const char* text,
                           const std::shared_ptr<SecretCommand>& command, Action action) {
    Command made = add_command(group, context, name, text, command, action);
    made.option("--secret", command->secret, "https://VAULT.vault.azure.net/secrets/NAME[/VERSION]",
                "URL")
        .required();
    add_credential_options(made, command->credential);
    return made;
}

constexpr const char* kSecretExamples = R"(Examples:
  vouchsafe secret set --secret https://myvault.vault.azure.net/secrets/ssh-key --in id_ed25519
  pass show database | vouchsafe secret set --secret https://myvault.vault.azure.net/secrets/db
  vouchsafe secret show --secret https://myvault.vault.azure.net/secrets/ssh-key --out id_ed25519
  vouchsafe secret show --secret https://myvault.vault.azure.net/secrets/db | psql-with-password
  vouchsafe secret list --vault https://myvault.vault.azure.net --deleted
  vouchsafe secret delete --secret https://myvault.vault.azure.net/secrets/db
  vouchsafe secret recover --secret https://myvault.vault.azure.net/secrets/db
A value is kept as it is, a line end at its end included. It never stands on a command line.)";

}  // namespace

void add_secret(Command app, Context& context) {
    Command group = app.add("secret", "a vault's secrets: set, show, list, delete, recover, purge");
    group.examples(kSecretExamples);
    auto command = std::make_shared<SecretCommand>();
    Command set = add_secret_command(group, context, "set", "keep a value as a new version",
                                     command, run_set);
    set.option("--in", command->in, "the value, at most 25 KiB of UTF-8; '-' is stdin", "FILE");
    set.option("--content-type", command->content_type, "what the value is, for readers", "TEXT");
    Command show =
        add_secret_command(group, context, "show", "give a secret's value", command, run_show);
    show.option("--out", command->out, "write the value here (mode 0600)", "FILE");
    show.flag("--force", command->force, "replace that file if it exists");
    show.flag("--show", command->show, "show the value on a terminal too");
    Command list =
        add_command(group, context, "list", "list secrets without values", command, run_list);
    list.option("--vault", command->vault, "https://VAULT.vault.azure.net", "URL").required();
    list.flag("--deleted", command->deleted, "those that are deleted and can be recovered");
    add_credential_options(list, command->credential);
    add_secret_command(group, context, "delete", "delete a secret; it can be recovered", command,
                       run_delete);
    add_secret_command(group, context, "recover", "bring a deleted secret back", command,
                       run_recover);
    add_secret_command(group, context, "purge", "erase a deleted secret for good", command,
                       run_purge);
}

}  // namespace vouchsafe::app
