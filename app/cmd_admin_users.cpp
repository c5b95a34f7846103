// admin create-user, create-group, add-member, remove-member, principals: who there is in a lab.
#include "app/cmd_admin.h"
#include "app/credential_options.h"
#include "app/show.h"

namespace vouchsafe::app {

namespace {

struct UserCommand {
    std::string dir;
    std::string name;
    std::string member;
    std::string password_file;
};

std::string_view kind_of(identity::PrincipalKind kind) {
    switch (kind) {
        case identity::PrincipalKind::app:
            return "app";
        case identity::PrincipalKind::user:
            return "user";
        case identity::PrincipalKind::group:
            return "group";
        case identity::PrincipalKind::managed_identity:
            break;
    }
    return "managed identity";
}

void show_made(const Context& context, const identity::Principal& made) {
    write_out(context.json ? dump_json({{"name", made.name}, {"object_id", made.object_id}}) + "\n"
                           : fmt::format("object id  {}\n", made.object_id));
}

Result<int> create_user(const Context& context, const UserCommand& command) {
    const SecretBytes password = TRY(read_secret_file(command.password_file));
    if (password.empty()) {
        return fail(Code::invalid, "{} is empty: a password has at least {} bytes",
                    command.password_file, identity::kMinPassword);
    }
    LabAdmin lab = TRY(LabAdmin::open(context, command.dir));
    show_made(context, TRY(lab.services->identity().create_user(command.name, password)));
    return 0;
}

Result<int> create_group(const Context& context, const UserCommand& command) {
    LabAdmin lab = TRY(LabAdmin::open(context, command.dir));
    show_made(context, TRY(lab.services->identity().create_group(command.name)));
    return 0;
}

Result<int> add_member(const Context& context, const UserCommand& command) {
    LabAdmin lab = TRY(LabAdmin::open(context, command.dir));
    const std::string group = TRY(object_id_of(lab.services->identity(), command.name));
    const std::string member = TRY(object_id_of(lab.services->identity(), command.member));
    TRY(lab.services->identity().add_member(group, member));
    if (!context.json) write_out(fmt::format("{} is in {}\n", command.member, command.name));
    return 0;
}

Result<int> remove_member(const Context& context, const UserCommand& command) {
    LabAdmin lab = TRY(LabAdmin::open(context, command.dir));
    const std::string group = TRY(object_id_of(lab.services->identity(), command.name));
    const std::string member = TRY(object_id_of(lab.services->identity(), command.member));
    TRY(lab.services->identity().remove_member(group, member));
    if (!context.json) write_out(fmt::format("{} is not in {}\n", command.member, command.name));
    return 0;
}

Result<int> list_principals(const Context& context, const UserCommand& command) {
    LabAdmin lab = TRY(LabAdmin::open(context, command.dir));
    Json list = Json::array();
    std::string text;
    for (const auto& principal : TRY(lab.services->identity().principals())) {
        const std::string_view kind = kind_of(principal.kind);
        list.push_back({{"name", principal.name},
                        {"kind", kind},
                        {"client_id", principal.client_id},
                        {"object_id", principal.object_id}});
        text += fmt::format("{:<20} {:<17} {}\n", principal.name, kind, principal.object_id);
    }
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

using UserAction = Result<int> (*)(const Context&, const UserCommand&);

Command add_user_command(Command group, Context& context, const char* name, const char* text,
                         const std::shared_ptr<UserCommand>& command, UserAction action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "lab directory (default: the user's data folder)", "DIR");
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

}  // namespace

void add_admin_users(Command group, Context& context) {
    auto command = std::make_shared<UserCommand>();
    Command user = add_user_command(group, context, "create-user", "make a user who can sign in",
                                    command, create_user);
    user.argument("NAME", command->name, "like name@domain");
    user.option("--password-file", command->password_file,
                "the password, at least 12 bytes; - is standard input", "FILE")
        .required();
    add_user_command(group, context, "create-group", "make a group", command, create_group)
        .argument("NAME", command->name, "its name");
    for (auto [name, text, action] :
         {std::tuple{"add-member", "put somebody into a group", &add_member},
          std::tuple{"remove-member", "take somebody out of a group", &remove_member}}) {
        Command made = add_user_command(group, context, name, text, command, action);
        made.argument("GROUP", command->name, "name or object id");
        made.argument("MEMBER", command->member, "a user, an application or a machine");
    }
    add_user_command(group, context, "principals", "show users, groups, applications and machines",
                     command, list_principals);
}

}  // namespace vouchsafe::app
