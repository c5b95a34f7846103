// admin: what an operator sets up in a lab's vault and identity service.
#include <cstdlib>

#include "app/cmd_admin.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/process.h"
#include "vouchsafe/lab/services.h"

namespace vouchsafe::app {

namespace {

struct AdminCommand {
    std::string dir;
    std::string store;
    std::string name;
    std::string sku = "premium";
    int retention_days = vault::kMaxRetentionDays;
    bool purge_protection = false;
    std::string secret_out;
    std::vector<std::string> argv;
};

Result<int> create_vault(const Context& context, const AdminCommand& command) {
    LabAdmin opened = TRY(LabAdmin::open(context, command.dir));
    vault::VaultSpec spec;
    spec.name = command.name;
    spec.sku = command.sku == "premium" ? vault::Sku::premium : vault::Sku::standard;
    spec.tenant = opened.directory->tenant_id();
    spec.subscription = opened.directory->subscription_id();
    spec.retention_days = command.retention_days;
    spec.purge_protection = command.purge_protection;
    auto made = TRY(opened.services->vault().create_vault(spec));
    write_out(context.json ? dump_json({{"name", made.name}, {"id", made.resource_id}}) + "\n"
                           : made.resource_id + "\n");
    return 0;
}

Result<int> protect_vault(const Context& context, const AdminCommand& command) {
    VaultAdmin opened = TRY(VaultAdmin::open(context, command.dir, command.store));
    auto vault = TRY(opened.vaults->protect_from_purge(command.name));
    write_out(context.json ? dump_json({{"name", vault.name}, {"purge_protection", true}}) + "\n"
                           : fmt::format("what is deleted in {} stays for {} days\n", vault.name,
                                         vault.retention_days));
    return 0;
}

Result<int> create_app(const Context& context, const AdminCommand& command) {
    LabAdmin opened = TRY(LabAdmin::open(context, command.dir));
    auto made = TRY(opened.services->identity().create_app(command.name));
    TRY(write_file(command.secret_out, made.client_secret.expose(), Overwrite::no, 0600));
    Json json{{"tenant", opened.directory->tenant_id()},
              {"client_id", made.principal.client_id},
              {"object_id", made.principal.object_id}};
    write_out(context.json
                  ? dump_json(json) + "\n"
                  : fmt::format("tenant     {}\nclient id  {}\nobject id  {}\nsecret in  {}\n",
                                opened.directory->tenant_id(), made.principal.client_id,
                                made.principal.object_id, command.secret_out));
    return 0;
}

// run_exec runs an unconfined command of this computer's user while the lab's services are up.
Result<int> run_exec(const Context& context, const AdminCommand& command) {
    LabAdmin opened = TRY(LabAdmin::open(context, command.dir));
    for (const auto& vault : TRY(opened.services->vault().vaults())) {
        opened.services->allow_vault(vault.name);
    }
    TemporaryDir folder = TRY(TemporaryDir::create("vouchsafe-site"));
    Path site = TRY(opened.services->write_site(folder.path(), nullptr, {}));
    ::setenv("VOUCHSAFE_SITE", site.c_str(), 1);
    lab::Command child;
    child.argv = command.argv;
    child.out = lab::Command::Output::inherit;
    child.err = lab::Command::Output::inherit;
    auto finished = TRY(lab::run(std::move(child)));
    return finished.signal != 0 ? 128 + finished.signal : finished.exit_code;
}

using Action = Result<int> (*)(const Context&, const AdminCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<AdminCommand>& command, Action action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory (default: the user's lab)", "DIR");
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

constexpr const char* kAdminExamples = R"(Examples:
  vouchsafe admin create-vault my-vault
  vouchsafe admin create-app alice --secret-out alice.secret
  vouchsafe admin create-user ada@lab.test --password-file ada.password
  vouchsafe admin assign-role "Key Vault Crypto Officer" alice --vault my-vault
  vouchsafe admin create-vault our-vault --retention-days 30 --purge-protection
  vouchsafe admin assign-role "Key Vault Crypto Service Release User" my-vm --vault my-vault --key KEK
  vouchsafe admin assign-role "Key Vault Secrets User" my-vm --vault my-vault --secret ssh-key
  vouchsafe admin assign-role "Attestation Contributor" alice --attestation
  vouchsafe admin roles alice
  vouchsafe admin remove-role "Attestation Contributor" alice --attestation
  vouchsafe admin vault list --dir /var/lib/vouchsafe
  vouchsafe admin assign-role "Key Vault Reader" 11111111-2222-4333-8444-555555555555 \
      --vault my-vault --dir /var/lib/vouchsafe
  vouchsafe admin assign-role "Attestation Contributor" 11111111-2222-4333-8444-555555555555 \
      --attestation --dir /var/lib/vouchsafe
  vouchsafe admin rotate-key --dir /var/lib/vouchsafe
  vouchsafe admin backup --dir /var/lib/vouchsafe --out vault.backup
  vouchsafe admin exec -- vouchsafe key show --key https://my-vault.vault.azure.net/keys/KEK \
      --tenant ... --client-id ... --secret-file alice.secret)";

}  // namespace

Result<LabAdmin> LabAdmin::open(const Context& context, const std::string& dir) {
    const Path path = dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(dir);
    LabAdmin out;
    out.directory = std::make_unique<lab::DataDirectory>(TRY(lab::DataDirectory::open(path)));
    if (out.directory->kind() == lab::DirectoryKind::production) {
        return fail(
            Code::invalid,
            "{} is a production directory, and this is for labs: there vaults are made with "
            "'vouchsafe admin vault create', and applications, users and machines are those of "
            "its token issuers",
            path.string());
    }
    out.services = TRY(lab::Services::start(*out.directory, context.clock));
    return out;
}

Result<std::string> object_id_of(const identity::Service& issuer, const std::string& name) {
    for (const auto& principal : TRY(issuer.principals())) {
        if (name == principal.name || name == principal.client_id || name == principal.object_id) {
            return principal.object_id;
        }
    }
    if (is_guid(name)) return to_lower(name);  // of whom another issuer or a certificate tells
    return fail(Code::not_found,
                "there is no principal '{}'; 'vouchsafe admin principals' shows them", name);
}

void add_admin(Command app, Context& context) {
    Command group =
        app.add("admin", "set up vaults, roles, a lab's applications; signing keys; backups");
    group.examples(kAdminExamples);
    auto command = std::make_shared<AdminCommand>();
    Command vault = add_command(group, context, "create-vault", "make a vault in a lab's own store",
                                command, create_vault);
    vault.argument("NAME", command->name, "3 to 24 letters, digits, hyphens");
    vault.option("--sku", command->sku, "premium has HSM kinds of keys", "")
        .one_of({"premium", "standard"});
    add_retention(vault, command->retention_days, command->purge_protection);
    Command protect =
        add_command(group, context, "protect-vault", "turn a vault's purge protection on, for good",
                    command, protect_vault);
    protect.argument("NAME", command->name, "the vault");
    add_store_option(protect, command->store);
    Command app_command = add_command(group, context, "create-app",
                                      "make an application with a secret", command, create_app);
    app_command.argument("NAME", command->name, "its name");
    app_command
        .option("--secret-out", command->secret_out, "write the secret here (mode 0600)", "FILE")
        .required();
    Command exec =
        add_command(group, context, "exec",
                    "run a command of yours while the lab's services are up", command, run_exec);
    exec.argument("COMMAND", command->argv, "after --");
    add_admin_keys(group, context);
    add_admin_backup(group, context);
    add_admin_vault(group, context);
    add_admin_principal(group, context);
    add_admin_users(group, context);
    add_admin_roles(group, context);
}

}  // namespace vouchsafe::app
