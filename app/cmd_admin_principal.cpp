// admin principal: the object id of whom a trusted issuer speaks for, to give roles to.
#include "app/cmd_admin.h"
#include "app/show.h"
#include "vouchsafe/access/trusted_issuers.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::app {

namespace {

struct PrincipalCommand {
    std::string issuer;
    std::string name;
    bool group = false;
};

Result<int> show_principal(const Context& context, const PrincipalCommand& command) {
    TRY(with_context(net::Url::parse(command.issuer), "the issuer"));
    const std::string id = command.group ? access::group_of(command.issuer, command.name)
                                         : access::principal_of(command.issuer, command.name);
    const Json told = {{"object_id", id}, {"issuer", command.issuer}, {"name", command.name}};
    write_out(context.json ? dump_json(told) + "\n" : id + "\n");
    return 0;
}

}  // namespace

void add_admin_principal(Command group, Context& context) {
    auto command = std::make_shared<PrincipalCommand>();
    Command show = group.add("principal", "the object id of whom a trusted issuer speaks for");
    show.examples(R"help(Examples:
  vouchsafe admin principal https://builds.example.org repo:our/app
  vouchsafe admin assign-role "Key Vault Crypto User" --vault my-vault --dir /var/lib/vouchsafe \
      "$(vouchsafe admin principal https://builds.example.org repo:our/app)"
It stands for nobody else, and needs no running service. Issuers whose file says
principals = "tenant" name object ids themselves.)help");
    show.argument("ISSUER", command->issuer, "iss of its tokens");
    show.argument("NAME", command->name, "what the token has in its claim sub, or principal-claim");
    show.flag("--group", command->group, "a group, as the token names it");
    show.run([&context, command] { return show_principal(context, *command); });
}

}  // namespace vouchsafe::app
