// admin assign-role, remove-role, roles: who may do what in vaults and at attestation services.
// They work beside running services.
#include <algorithm>

#include "app/cmd_admin.h"
#include "app/serve_providers.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/attest/administration.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

struct RoleCommand {
    std::string dir;
    std::string store;
    std::string role;
    std::string principal;
    std::string vault;
    std::string key;
    std::string secret;
    bool attestation = false;
    std::string issuer;
};

// object_id_in opens the lab's identity service for a look: others may run it meanwhile.
Result<std::string> object_id_in(const Context& context, const lab::DataDirectory& directory,
                                 const std::string& name) {
    identity::Config config;
    config.tenant_id = directory.tenant_id();
    config.directory = directory.path() / "identity";
    TRY(make_private_dir(config.directory));
    auto store = TRY(store::open_sqlite(config.directory / "store.db"));
    auto issuer = TRY(identity::Service::create(config, {*store, context.clock}));
    return object_id_of(*issuer, name);
}

// principal_in: in production principals are somebody else's, so they have ids and no names.
Result<std::string> principal_in(const Context& context, const lab::DataDirectory& directory,
                                 const std::string& name) {
    if (directory.kind() == lab::DirectoryKind::lab) {
        return object_id_in(context, directory, name);
    }
    if (is_guid(name)) return name;
    return fail(Code::invalid,
                "in a production directory a principal is an object id of its tenant, a GUID, "
                "not '{}'",
                name);
}

Result<void> check_place(const RoleCommand& command) {
    if (command.attestation == !command.vault.empty()) {
        return fail(Code::invalid, "say where: either --vault NAME or --attestation");
    }
    if (!command.key.empty() && !command.secret.empty()) {
        return fail(Code::invalid, "a role is on one key or on one secret: --key or --secret");
    }
    if (!command.issuer.empty() && !command.attestation) {
        return fail(Code::invalid, "--issuer names an attestation provider: add --attestation");
    }
    return {};
}

// check_role refuses a role that would allow nothing there. An unknown one is told by assign_role.
Result<void> check_role(const RoleCommand& command) {
    const access::Role* role = access::find_role(command.role);
    if (role == nullptr) return {};
    if (!(command.attestation ? role->attestation : role->key_vault).empty()) return {};
    return fail(Code::invalid, "{} allows nothing {}", role->name,
                command.attestation ? "at an attestation service" : "in a vault");
}

Result<std::string> vault_scope(const vault::Administration& vaults, const RoleCommand& command) {
    const auto vault = TRY(vaults.find_vault(command.vault));
    if (!command.key.empty()) return vault::key_scope(vault, command.key);
    if (!command.secret.empty()) return vault::secret_scope(vault, command.secret);
    return vault.resource_id;
}

// Attestation is the store of a directory's attestation service.
struct Attestation {
    std::unique_ptr<store::Store> store;
    std::unique_ptr<audit::Log> log;

    static Result<Attestation> open(const lab::DataDirectory& directory,
                                    const RoleCommand& command) {
        Attestation out;
        out.store =
            TRY(open_or_make(TRY(store_place(directory.path(), "attestation", command.store))));
        out.log = std::make_unique<audit::Log>(*out.store);
        return out;
    }
};

Result<lab::DataDirectory> open_directory(const RoleCommand& command) {
    return lab::DataDirectory::open(command.dir.empty() ? lab::default_lab_path()
                                                        : std::filesystem::absolute(command.dir));
}

Result<access::RoleAssignment> assign(const Context& context, const RoleCommand& command) {
    if (command.attestation) {
        const auto directory = TRY(open_directory(command));
        const std::string principal = TRY(principal_in(context, directory, command.principal));
        const std::string scope = TRY(provider_scope(directory, command.issuer));
        Attestation opened = TRY(Attestation::open(directory, command));
        return attest::assign_role(*opened.store, *opened.log, context.clock, principal,
                                   command.role, scope);
    }
    VaultAdmin opened = TRY(VaultAdmin::open(context, command.dir, command.store));
    const std::string principal = TRY(principal_in(context, *opened.directory, command.principal));
    const std::string scope = TRY(vault_scope(*opened.vaults, command));
    return opened.vaults->assign_role(principal, command.role, scope);
}

Result<int> assign_role(const Context& context, const RoleCommand& command) {
    TRY(check_place(command));
    TRY(check_role(command));
    const auto made = TRY(assign(context, command));
    write_out(
        context.json
            ? dump_json({{"id", made.id}, {"principal", made.principal}, {"scope", made.scope}}) +
                  "\n"
            : fmt::format("{} may act as {} on {}\n", made.principal, command.role, made.scope));
    return 0;
}

Result<void> remove_from_vault(vault::Administration& vaults, const std::string& principal,
                               const std::string& role, const std::string& scope) {
    const auto given = TRY(vaults.roles_of(principal));
    const access::Role* known = access::find_role(role);
    const auto found = std::find_if(given.begin(), given.end(), [&](const auto& one) {
        return known && one.role_id == known->id && equal_ignore_case(one.scope, scope);
    });
    if (found == given.end()) return fail(Code::not_found, "there is no such role assignment");
    return vaults.remove_role(principal, found->id);
}

Result<std::string> remove(const Context& context, const RoleCommand& command) {
    if (command.attestation) {
        const auto directory = TRY(open_directory(command));
        const std::string principal = TRY(principal_in(context, directory, command.principal));
        const std::string scope = TRY(provider_scope(directory, command.issuer));
        Attestation opened = TRY(Attestation::open(directory, command));
        TRY(attest::remove_role(*opened.store, *opened.log, context.clock, principal, command.role,
                                scope));
        return scope;
    }
    VaultAdmin opened = TRY(VaultAdmin::open(context, command.dir, command.store));
    const std::string principal = TRY(principal_in(context, *opened.directory, command.principal));
    std::string scope = TRY(vault_scope(*opened.vaults, command));
    TRY(remove_from_vault(*opened.vaults, principal, command.role, scope));
    return scope;
}

Result<int> remove_role(const Context& context, const RoleCommand& command) {
    TRY(check_place(command));
    const std::string scope = TRY(with_context(
        remove(context, command), "'vouchsafe admin roles PRINCIPAL' shows what there is"));
    write_out(context.json ? dump_json({{"principal", command.principal},
                                        {"role", command.role},
                                        {"scope", scope},
                                        {"removed", true}}) +
                                 "\n"
                           : fmt::format("{} may not act as {} on {} any more\n", command.principal,
                                         command.role, scope));
    return 0;
}

// roles_there are those of both services; one whose store is not there yet has none.
Result<std::vector<access::RoleAssignment>> roles_there(const Context& context,
                                                        const RoleCommand& command) {
    VaultAdmin opened = TRY(VaultAdmin::open(context, command.dir, command.store));
    const std::string principal = TRY(principal_in(context, *opened.directory, command.principal));
    auto out = TRY(opened.vaults->roles_of(principal));
    Attestation attestation = TRY(Attestation::open(*opened.directory, command));
    TRY(attestation.store->read([&](store::View& view) -> Result<void> {
        for (auto& one : TRY(access::read_roles(view, principal))) out.push_back(std::move(one));
        return {};
    }));
    return out;
}

Result<int> show_roles(const Context& context, const RoleCommand& command) {
    Json list = Json::array();
    std::string text;
    for (const access::RoleAssignment& one : TRY(roles_there(context, command))) {
        const access::Role* role = access::find_role(one.role_id);
        const std::string name(role ? role->name : one.role_id);
        list.push_back(
            {{"id", one.id}, {"principal", one.principal}, {"role", name}, {"scope", one.scope}});
        text += fmt::format("{}\n  on {}\n", name, one.scope);
    }
    if (text.empty()) text = fmt::format("{} has no roles\n", command.principal);
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

using RoleAction = Result<int> (*)(const Context&, const RoleCommand&);

Command add_role_command(Command group, Context& context, const char* name, const char* text,
                         const std::shared_ptr<RoleCommand>& command, RoleAction action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory (default: the user's lab)", "DIR");
    add_store_option(made, command->store);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

}  // namespace

void add_admin_roles(Command group, Context& context) {
    auto command = std::make_shared<RoleCommand>();
    for (auto [name, text, action] :
         {std::tuple{"assign-role", "let somebody do something", &assign_role},
          std::tuple{"remove-role", "take back what assign-role gave", &remove_role}}) {
        Command role = add_role_command(group, context, name, text, command, action);
        role.argument("ROLE", command->role, "for example \"Key Vault Crypto User\"");
        role.argument("PRINCIPAL", command->principal, "user, application, machine, or object id");
        role.option("--vault", command->vault, "on this vault", "NAME");
        role.option("--key", command->key, "only on this key of it", "NAME");
        role.option("--secret", command->secret, "only on this secret of it", "NAME");
        role.flag("--attestation", command->attestation, "on the attestation service");
        role.option("--issuer", command->issuer,
                    "with --attestation: on this provider of 'serve attestation --provider'",
                    "URL");
    }
    add_role_command(group, context, "roles",
                     "show what somebody may do, in vaults and attestation", command, show_roles)
        .argument("PRINCIPAL", command->principal, "user, application, machine, or object id");
}

}  // namespace vouchsafe::app
