#include <unistd.h>

#include <cstdlib>

#include "app/context.h"
#include "app/drop_in.h"
#include "app/interrupt.h"
#include "app/show.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::app {

Result<guest::Site> Context::site() const {
    if (site_file.empty()) return guest::Site{};
    return as_named(guest::Site::load(site_file));
}

namespace {

constexpr const char* kFooter = R"(
Start here:
  vouchsafe demo                      the whole first tutorial on this machine
  vouchsafe demo --verbose            the same with every check that was made
  vouchsafe up                        the services for az, Azure's SDKs and curl
  vouchsafe COMMAND --help            every command explains itself, with examples
Exit codes: 0 done, 1 refused, 2 usage or unreadable input, 3 something is not reachable, 4 a bug.)";

bool wants_color(int fd) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    bool dumb = term == nullptr || std::string_view(term) == "dumb";
    return ::isatty(fd) == 1 && !dumb && (no_color == nullptr || *no_color == '\0');
}

void add_globals(Command app, Context& context) {
    app.flag("--json", context.json, "results and errors as JSON, for programs");
    app.flag("-v,--verbose", context.verbose, "show every check that was made");
    app.option("--site", context.site_file,
               "site file: where TPM and services are, if not where Azure has them", "FILE")
        .from_environment("VOUCHSAFE_SITE");
}

int run(int argc, char** argv) {
    Context context;
    context.version = VS_VERSION;
    context.color_out = wants_color(STDOUT_FILENO);
    context.color_err = wants_color(STDERR_FILENO);
    CommandLine line("vouchsafe", "vouchsafe: the key is granted, once the machine is vouched for",
                     "vouchsafe " VS_VERSION, kFooter);
    Command app = line.root();
    add_globals(app, context);
    add_demo(app, context);
    add_up(app, context);
    add_env(app, context);
    add_lab(app, context);
    add_attest(app, context);
    add_key(app, context);
    add_vault(app, context);
    add_secret(app, context);
    add_seal(app, context);
    add_train(app, context);
    add_vm(app, context);
    add_serve(app, context);
    add_admin(app, context);
    add_verify(app, context);
    add_policy(app, context);
    add_reference(app, context);
    add_inspect(app, context);
    add_explain(app, context);
    add_audit(app, context);
    add_collateral(app, context);
    add_completion(line);

    auto parsed = line.parse(argc, argv);
    if (auto* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    set_log(context.verbose ? LogLevel::info : LogLevel::warn,
            context.json ? LogFormat::json : LogFormat::text);
    auto result = std::get<Runner>(parsed)();
    if (result) return *result;
    show_error(context, result.error());
    return code_info(result.error().code).exit_code;
}

}  // namespace
}  // namespace vouchsafe::app

int main(int argc, char** argv) {
    if (auto hardened = vouchsafe::harden_process(); !hardened) {
        vouchsafe::app::write_err(hardened.error().message + "\n");
        return vouchsafe::code_info(vouchsafe::Code::internal).exit_code;
    }
    vouchsafe::app::watch_signals();
    if (auto exit_code = vouchsafe::app::run_drop_in(argc, argv)) return *exit_code;
    return vouchsafe::app::run(argc, argv);
}
