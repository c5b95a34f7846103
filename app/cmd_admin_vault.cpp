// admin vault, access-policy: vaults of a data directory, and who may reach and use them. They work
// on laboratories and on production directories, beside a running service and before the first one.
#include "app/cmd_admin.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::app {

namespace {

struct VaultAdminCommand {
    std::string dir;
    std::string store;
    std::string name;
    std::string sku = "premium";
    std::string tenant;
    int retention_days = vault::kMaxRetentionDays;
    bool purge_protection = false;
    std::string authorization;
    std::vector<std::string> networks;
    bool every_network = false;
    std::string vault;
    std::string object_id;
    std::string application_id;
    std::vector<std::string> keys;
    std::vector<std::string> secrets;
};

Result<VaultAdmin> open_for(const Context& context, const VaultAdminCommand& command) {
    return VaultAdmin::open(context, command.dir, command.store);
}

Json vault_json(const vault::VaultInfo& info) {
    return {{"name", info.name},
            {"sku", info.sku == vault::Sku::premium ? "premium" : "standard"},
            {"tenant", info.tenant},
            {"id", info.resource_id},
            {"authorization", vault::authorization_name(info.authorization)},
            {"networks", info.networks},
            {"retention_days", info.retention_days},
            {"purge_protection", info.purge_protection},
            {"deleted", info.deleted}};
}

std::string vault_text(const vault::VaultInfo& info) {
    return fmt::format(
        "vault          {}\nsku            {}\ntenant         {}\nid             {}\n"
        "authorization  {}\nnetworks       {}\ndeleted        kept for {} days{}\n{}",
        info.name, info.sku == vault::Sku::premium ? "premium" : "standard", info.tenant,
        info.resource_id, vault::authorization_name(info.authorization),
        info.networks.empty() ? "all" : fmt::format("{}", fmt::join(info.networks, ", ")),
        info.retention_days, info.purge_protection ? ", nobody may purge it" : "",
        info.deleted ? "state          deleted: nobody reaches it\n" : "");
}

Result<int> show(const Context& context, const vault::VaultInfo& info) {
    write_out(context.json ? dump_json(vault_json(info)) + "\n" : vault_text(info));
    return 0;
}

Result<int> make_vault(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    vault::VaultSpec spec;
    spec.name = command.name;
    spec.sku = command.sku == "premium" ? vault::Sku::premium : vault::Sku::standard;
    spec.tenant = command.tenant.empty() ? opened.directory->tenant_id() : command.tenant;
    spec.subscription = opened.directory->subscription_id();
    spec.retention_days = command.retention_days;
    spec.purge_protection = command.purge_protection;
    const auto made = TRY(opened.vaults->create_vault(spec));
    if (command.tenant.empty() && opened.directory->kind() == lab::DirectoryKind::production) {
        write_err(
            fmt::format("note: access tokens of tenant {} count in {}, the directory's own; "
                        "--tenant names another one\n",
                        made.tenant, made.name));
    }
    return show(context, made);
}

Result<int> list_vaults(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    Json list = Json::array();
    std::string text;
    for (const vault::VaultInfo& info : TRY(opened.vaults->vaults())) {
        list.push_back(vault_json(info));
        text += fmt::format("{:<24} {:<8} {:<15} {}\n", info.name,
                            info.sku == vault::Sku::premium ? "premium" : "standard",
                            vault::authorization_name(info.authorization), info.tenant);
    }
    if (text.empty()) text = fmt::format("there are no vaults in {}\n", opened.place);
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

Result<int> show_vault(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    return show(context, TRY(opened.vaults->find_vault(command.name)));
}

Result<int> set_authorization(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    const auto by = command.authorization == "roles" ? vault::Authorization::roles
                                                     : vault::Authorization::access_policies;
    return show(context, TRY(opened.vaults->set_authorization(command.name, by)));
}

Result<int> set_networks(const Context& context, const VaultAdminCommand& command) {
    if (command.every_network != command.networks.empty()) {
        return fail(Code::invalid, "say either --allow NETWORK (repeat) or --all");
    }
    VaultAdmin opened = TRY(open_for(context, command));
    return show(context, TRY(opened.vaults->set_networks(command.name, command.networks)));
}

Json policy_json(const access::AccessPolicy& policy) {
    return {{"object_id", policy.object_id},
            {"application_id", policy.application_id},
            {"keys", policy.keys},
            {"secrets", policy.secrets}};
}

std::string permissions_text(const std::vector<std::string>& names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string access_policy_text(const access::AccessPolicy& policy) {
    std::string out = fmt::format("object id   {}\n", policy.object_id);
    if (!policy.application_id.empty())
        out += fmt::format("only app    {}\n", policy.application_id);
    return out + fmt::format("keys        {}\nsecrets     {}\n", permissions_text(policy.keys),
                             permissions_text(policy.secrets));
}

Result<int> set_access_policy(const Context& context, const VaultAdminCommand& command) {
    if (command.keys.empty() && command.secrets.empty()) {
        return fail(Code::invalid, "say what it gives: --keys, --secrets, or both");
    }
    VaultAdmin opened = TRY(open_for(context, command));
    const auto made = TRY(opened.vaults->set_access_policy(
        command.vault, {command.object_id, command.application_id, command.keys, command.secrets}));
    const vault::VaultInfo info = TRY(opened.vaults->find_vault(command.vault));
    if (info.authorization == vault::Authorization::roles) {
        write_err(fmt::format(
            "note: in {} roles decide, so this has no effect until 'vouchsafe admin vault "
            "authorization {} access-policies'\n",
            info.name, info.name));
    }
    write_out(context.json ? dump_json(policy_json(made)) + "\n" : access_policy_text(made));
    return 0;
}

Result<int> remove_access_policy(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    TRY(opened.vaults->remove_access_policy(command.vault, command.object_id,
                                            command.application_id));
    write_out(context.json ? dump_json({{"object_id", command.object_id},
                                        {"application_id", command.application_id},
                                        {"removed", true}}) +
                                 "\n"
                           : "removed\n");
    return 0;
}

Result<int> list_access_policies(const Context& context, const VaultAdminCommand& command) {
    VaultAdmin opened = TRY(open_for(context, command));
    Json list = Json::array();
    std::string text;
    for (const auto& policy : TRY(opened.vaults->access_policies(command.vault))) {
        list.push_back(policy_json(policy));
        text += access_policy_text(policy) + "\n";
    }
    if (text.empty()) text = "there are no access policies\n";
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

using VaultAdminAction = Result<int> (*)(const Context&, const VaultAdminCommand&);

Command add_vault_command(Command group, Context& context, const char* name, const char* text,
                          const std::shared_ptr<VaultAdminCommand>& command,
                          VaultAdminAction action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory (default: the user's lab)", "DIR");
    add_store_option(made, command->store);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

constexpr const char* kVaultAdminExamples = R"(Examples:
  vouchsafe admin vault create my-vault --dir /var/lib/vouchsafe --tenant 11111111-1111-4111-8111-111111111111
  vouchsafe admin vault create my-vault --retention-days 30 --purge-protection --dir /var/lib/vouchsafe
  vouchsafe admin vault list --dir /var/lib/vouchsafe
  VOUCHSAFE_STORE=postgresql://... vouchsafe admin vault show my-vault --dir /var/lib/vouchsafe
  vouchsafe admin vault network my-vault --allow 10.1.0.0/16 --allow 2001:db8::/32 --dir /var/lib/vouchsafe
  vouchsafe admin vault authorization my-vault access-policies --dir /var/lib/vouchsafe
  vouchsafe admin protect-vault my-vault --dir /var/lib/vouchsafe)";

constexpr const char* kAccessPolicyExamples = R"(Examples:
  vouchsafe admin access-policy set --vault my-vault --object-id GUID --keys get,list,release
  vouchsafe admin access-policy set --vault my-vault --object-id GUID --keys all --secrets get
  vouchsafe admin access-policy list --vault my-vault
They count in vaults with 'vouchsafe admin vault authorization NAME access-policies'; a set replaces what
this identity had.)";

void add_access_policy(Command group, Context& context,
                       const std::shared_ptr<VaultAdminCommand>& command) {
    Command policies = group.add("access-policy", "who may do what in a vault without roles");
    policies.examples(kAccessPolicyExamples);
    const auto identity = [&](Command made) {
        made.option("--object-id", command->object_id, "user, application or group", "GUID")
            .required();
        made.option("--application-id", command->application_id,
                    "only while this application acts for it", "GUID");
    };
    Command set =
        add_vault_command(policies, context, "set", "give permissions", command, set_access_policy);
    identity(set);
    set.option("--keys", command->keys, "permissions for keys; 'all'", "NAMES").separated_by(',');
    set.option("--secrets", command->secrets, "permissions for secrets; 'all'", "NAMES")
        .separated_by(',');
    Command remove = add_vault_command(policies, context, "remove", "take them away", command,
                                       remove_access_policy);
    identity(remove);
    Command list =
        add_vault_command(policies, context, "list", "show them", command, list_access_policies);
    for (Command one : {set, remove, list}) {
        one.option("--vault", command->vault, "of this vault", "NAME").required();
    }
}

}  // namespace

Result<VaultAdmin> VaultAdmin::open(const Context& context, const std::string& dir,
                                    const std::string& store_url) {
    const Path path = dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(dir);
    VaultAdmin out;
    out.directory = std::make_unique<lab::DataDirectory>(TRY(lab::DataDirectory::open(path)));
    const StorePlace place = TRY(store_place(path, "vault", store_url));
    out.place = place.shown();
    out.store = TRY(open_or_make(place));
    out.log = std::make_unique<audit::Log>(*out.store);
    out.vaults = std::make_unique<vault::Administration>(*out.store, *out.log, context.clock);
    return out;
}

void add_retention(Command made, int& days, bool& purge_protection) {
    made.option("--retention-days", days,
                "how long deleted keys and secrets can be recovered: 7 to 90, for good", "N");
    made.flag("--purge-protection", purge_protection,
              "let nobody purge them before that; it cannot be turned off");
}

void add_admin_vault(Command group, Context& context) {
    auto command = std::make_shared<VaultAdminCommand>();
    Command vaults = group.add("vault", "vaults: make, list, who may reach them");
    vaults.examples(kVaultAdminExamples);
    Command make =
        add_vault_command(vaults, context, "create", "make a vault", command, make_vault);
    make.argument("NAME", command->name, "3 to 24 letters, digits, hyphens");
    make.option("--sku", command->sku, "premium has HSM kinds of keys", "")
        .one_of({"premium", "standard"});
    make.option("--tenant", command->tenant, "whose access tokens count (default: the directory's)",
                "GUID");
    add_retention(make, command->retention_days, command->purge_protection);
    add_vault_command(vaults, context, "list", "all vaults", command, list_vaults);
    Command show_one = add_vault_command(vaults, context, "show", "one vault", command, show_vault);
    show_one.argument("NAME", command->name, "of the vault");
    Command authorization =
        add_vault_command(vaults, context, "authorization", "what decides who may do what", command,
                          set_authorization);
    authorization.argument("NAME", command->name, "of the vault");
    authorization.argument("BY", command->authorization, "roles or access-policies")
        .one_of({"roles", "access-policies"});
    Command network = add_vault_command(vaults, context, "network", "from where it may be reached",
                                        command, set_networks);
    network.argument("NAME", command->name, "of the vault");
    network.option("--allow", command->networks, "only from here (repeat)", "NETWORK");
    network.flag("--all", command->every_network, "from everywhere");
    add_access_policy(group, context, command);
}

}  // namespace vouchsafe::app
